// Talking with the server: JSON requests, and the live feed with its reconnecting.

const CSRF = document.querySelector('meta[name="csrf"]').content;
const LONGEST_WAIT = 8000; // milliseconds between two tries to connect
const RENEW = 4000; // the server's close code for "connect again", see local_chat_live.py

async function answer(request) {
  let response;
  try {
    response = await request;
  } catch {
    throw new Error('连接不上服务器，请检查网络后重试');
  }
  if (response.status === 401) {
    location.assign('/login?next=' + encodeURIComponent('/chat'));
  }
  const body = await response.json().catch(() => null);
  if (!response.ok) {
    throw new Error(body?.error?.message ?? `请求失败（${response.status}）`);
  }
  return body;
}

const headers = (more) => ({ Accept: 'application/json', ...more });

export function get(path, query = {}) {
  const filled = Object.entries(query).filter(([, value]) => value !== undefined && value !== '');
  return answer(fetch(`${path}?${new URLSearchParams(filled)}`, { headers: headers() }));
}

export function post(path, body) {
  const options = { 'X-CSRF-Token': CSRF, 'Content-Type': 'application/json' };
  return answer(fetch(path, { method: 'POST', headers: headers(options), body: JSON.stringify(body) }));
}

export function upload(path, query, blob) {
  const options = { 'X-CSRF-Token': CSRF, 'Content-Type': 'application/octet-stream' };
  return answer(fetch(`${path}?${new URLSearchParams(query)}`, { method: 'POST', headers: headers(options), body: blob }));
}

// The live feed: `onNews(event)` for everything said, `onState(connected)` when the line breaks or comes back.
export class Live {
  #socket = null;
  #personId = '';
  #roomId = '';
  #wait = 500;
  #timer = 0;
  #onNews;
  #onState;

  constructor(onNews, onState) {
    this.#onNews = onNews;
    this.#onState = onState;
    window.addEventListener('online', () => this.#connect());
  }

  start(personId) {
    this.#personId = personId;
    this.#connect();
  }

  open(roomId) {
    this.#roomId = roomId;
    if (this.#socket?.readyState === WebSocket.OPEN) {
      this.#socket.send(JSON.stringify({ type: 'open', room_id: roomId }));
    }
  }

  #connect() {
    clearTimeout(this.#timer);
    const old = this.#socket;
    const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
    const socket = new WebSocket(`${scheme}//${location.host}/chat/ws?${new URLSearchParams({ person_id: this.#personId })}`);
    this.#socket = socket;
    old?.close();
    socket.addEventListener('message', ({ data }) => this.#heard(socket, JSON.parse(data)));
    socket.addEventListener('close', ({ code }) => this.#closed(socket, code));
  }

  #heard(socket, event) {
    if (socket !== this.#socket) return;
    if (event.type === 'hello') {
      this.#wait = 500;
      this.#onState(true);
      this.open(this.#roomId);
    } else {
      this.#onNews(event);
    }
  }

  #closed(socket, code) {
    if (socket !== this.#socket) return; // replaced by a newer one
    if (code === RENEW) {
      this.#connect();
      return;
    }
    this.#onState(false);
    this.#timer = setTimeout(() => this.#connect(), this.#wait);
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT);
  }
}
