// The chat page: which rooms there are, which is open, who I am, and what is unread.

import { Live, get, post } from './chat_api.js';
import { setUpComposer } from './chat_composer.js';
import { attempt, chooseAccount, copy, enlarge, later, setUpForward, setUpMenu, setUpWho } from './chat_dialogs.js';
import { avatar, messageRow, plainText, roomItem, separator } from './chat_view.js';

const find = (id) => document.getElementById(id);
const PAGE = 50; // messages of one answer of the server
const NEAR_END = 120; // pixels: whoever is this near to the end wants to stay there
const LONG_PRESS = 500; // milliseconds
const { bot } = document.body.dataset;

const state = {
  me: null, // { person_id, name }
  rooms: new Map(), // room id → room with `unread`
  found: null, // rooms found by the search, or null
  open: '', // room id
  messages: new Map(), // of the open room, by id
  complete: false, // the open room's past is all here
  loading: false,
  fresh: 0, // arrived below while I was reading above
};

const me = () => state.me?.person_id ?? '';
const openRoom = () => state.rooms.get(state.open) ?? null;
const messagesBox = find('messages');

// ── what I have seen, kept in this browser for each person ──

function seen() {
  return JSON.parse(localStorage.getItem(`xf.chat.seen.${me()}`) ?? 'null') ?? { from: 0, rooms: {} };
}

function keepSeen(change) {
  const value = seen();
  change(value);
  localStorage.setItem(`xf.chat.seen.${me()}`, JSON.stringify(value));
}

function isUnseen(room, known) {
  if (!room.last || room.last.sender_id === me()) return false;
  return room.last.id > (known.rooms[room.room_id] ?? known.from);
}

// ── the room list ──

async function loadRooms() {
  const { rooms } = await get('/chat/api/rooms', { person_id: me() });
  const old = state.rooms;
  state.rooms = new Map(rooms.map((room) => [room.room_id, { ...room, unread: old.get(room.room_id)?.unread ?? 0 }]));
  if (old.has(state.open) && !state.rooms.has(state.open)) state.rooms.set(state.open, old.get(state.open));
  if (!localStorage.getItem(`xf.chat.seen.${me()}`)) {
    keepSeen((value) => { value.from = Math.max(0, ...rooms.map((room) => room.last?.id ?? 0)); });
  }
  showRooms();
}

const byLast = (a, b) => (b.last?.id ?? 0) - (a.last?.id ?? 0) || a.name.localeCompare(b.name, 'zh-CN');
let planned = false;

function showRooms() { // a broadcast changes many rooms at once: drawn once per frame
  if (planned) return;
  planned = true;
  requestAnimationFrame(() => { planned = false; drawRooms(); });
}

function drawRooms() {
  const known = seen();
  const all = [...state.rooms.values()];
  const rooms = (state.found ?? all).map((room) => state.rooms.get(room.room_id) ?? room).sort(byLast);
  const focused = document.activeElement?.closest?.('#rooms li')?.dataset.roomId;
  find('rooms').replaceChildren(...rooms.map((room) => roomItem(room, {
    active: room.room_id === state.open, unread: room.unread, dot: isUnseen(room, known),
  })));
  if (focused) find('rooms').querySelector(`[data-room-id="${CSS.escape(focused)}"] a`)?.focus();
  find('rooms-empty').hidden = rooms.length > 0;
  find('rooms-empty').textContent = state.found ? '没有找到这样的群' : '还没有群。导入单位与群之后，群会出现在这里。';
  const unread = all.reduce((sum, room) => sum + room.unread, 0);
  find('total').textContent = unread ? `（${unread > 99 ? '99+' : unread}）` : '';
  find('back-unread').textContent = unread > 99 ? '99+' : String(unread);
  find('back-unread').hidden = unread === 0;
  document.title = document.title.replace(/^(（\d+）)?/, unread ? `（${unread}）` : '');
}

async function search() {
  const wanted = find('search').value.trim();
  const found = wanted ? (await get('/chat/api/rooms', { person_id: me(), search: wanted })).rooms : null;
  if (find('search').value.trim() !== wanted) return; // typed on meanwhile
  state.found = found;
  for (const room of found ?? []) if (!state.rooms.has(room.room_id)) state.rooms.set(room.room_id, { ...room, unread: 0 });
  showRooms();
}

// ── the open room ──

async function showRoom() {
  const previous = state.open;
  state.open = decodeURIComponent(location.hash.slice(1));
  find('app').dataset.view = state.open ? 'room' : 'list';
  state.messages = new Map();
  state.complete = false;
  state.fresh = 0;
  messagesBox.replaceChildren();
  if (state.open && !state.rooms.has(state.open)) await loadRooms();
  drawTitle();
  composer.change(previous);
  live.open(state.open);
  if (!openRoom()) return;
  await loadMessages();
  if (matchMedia('(hover: hover)').matches) find('words').focus();
}

function drawTitle() {
  const room = openRoom();
  find('room').dataset.state = room ? 'open' : 'none';
  find('title').textContent = room?.name ?? '';
  find('bot-here').className = `bot-here ${room?.account ? 'yes' : 'no'}`;
  find('bot-here').textContent = room?.private ? room.account : room?.account ? `${bot}在群内` : `${bot}不在本群，只能靠转发`;
  find('at').hidden = !room?.account || room.private;
  find('words').placeholder = state.me ? '' : '请先选择身份';
}

async function loadMessages(query = {}) {
  const room = state.open;
  const { messages } = await get('/chat/api/messages', { room_id: room, person_id: me(), ...query });
  if (room !== state.open) return;
  if (!('after' in query) && messages.length < PAGE) state.complete = true;
  addMessages(messages);
  if ('after' in query && messages.length === PAGE) await loadMessages({ after: messages.at(-1).id });
}

async function loadOlder() {
  if (state.loading || state.complete || !state.messages.size) return;
  state.loading = true;
  const height = messagesBox.scrollHeight;
  await attempt(() => loadMessages({ before: Math.min(...state.messages.keys()) }));
  messagesBox.scrollTop += messagesBox.scrollHeight - height;
  state.loading = false;
}

function addMessages(messages) {
  const unknown = messages.filter((message) => !state.messages.has(message.id));
  const newest = Math.max(0, ...state.messages.keys());
  const first = state.messages.size === 0;
  const atEnd = messagesBox.scrollHeight - messagesBox.scrollTop - messagesBox.clientHeight < NEAR_END;
  for (const message of unknown) state.messages.set(message.id, message);
  const below = unknown.filter((message) => message.id > newest);
  if (below.length === unknown.length) appendRows(below);
  else drawMessages();
  if (first && !state.messages.size) drawMessages();
  if (first || atEnd || below.some((message) => message.sender_id === me())) toEnd();
  else state.fresh += below.length;
  drawFresh();
  markSeen();
}

function sorted() {
  return [...state.messages.values()].sort((a, b) => a.id - b.id);
}

function rowsOf(messages, previous) {
  const alone = openRoom()?.private ?? false;
  return messages.flatMap((message) => {
    const line = separator(previous, message);
    previous = message;
    const row = messageRow(message, message.sender_id === me(), alone);
    return line ? [line, row] : [row];
  });
}

function appendRows(messages) {
  messagesBox.querySelector('.empty')?.remove();
  const before = sorted().filter((message) => message.id < (messages[0]?.id ?? 0)).at(-1);
  messagesBox.append(...rowsOf(messages, before));
}

function drawMessages() {
  messagesBox.replaceChildren(...rowsOf(sorted(), null));
  if (state.messages.size) return;
  const empty = document.createElement('p');
  empty.className = 'empty';
  empty.textContent = '群里还没有人说话';
  messagesBox.append(empty);
}

function toEnd() {
  state.fresh = 0;
  messagesBox.scrollTop = messagesBox.scrollHeight;
}

function drawFresh() {
  find('fresh').hidden = state.fresh === 0;
  find('fresh').textContent = `${state.fresh} 条新消息 ↓`;
}

function markSeen() {
  const room = openRoom();
  if (!room || document.hidden) return;
  room.unread = 0;
  const last = Math.max(room.last?.id ?? 0, ...state.messages.keys());
  keepSeen((value) => { value.rooms[room.room_id] = last; });
  showRooms();
}

// ── news ──

function hear(event) {
  if (event.type === 'missed') attempt(catchUp);
  if (event.type === 'opened' && event.room_id === state.open && state.messages.size) attempt(fillGap);
  if (event.type !== 'news') return;
  for (const room of event.rooms) {
    const unread = (state.rooms.get(room.room_id)?.unread ?? 0) + room.fresh;
    state.rooms.set(room.room_id, { ...room, unread });
  }
  addMessages(event.messages.filter((message) => message.room_id === state.open));
  showRooms();
}

const fillGap = () => loadMessages(state.messages.size ? { after: Math.max(...state.messages.keys()) } : {});

async function catchUp() {
  await loadRooms();
  if (openRoom()) await fillGap();
}

let wasConnected = true;

function lineChanged(connected) {
  for (const notice of document.querySelectorAll('[data-offline]')) notice.hidden = connected;
  if (connected && !wasConnected) attempt(catchUp);
  wasConnected = connected;
}

// ── who I am ──

async function become(person) {
  state.me = person;
  state.rooms = new Map();
  localStorage.setItem('xf.chat.me', JSON.stringify(person));
  for (const button of document.querySelectorAll('.me-button')) button.replaceChildren(avatar(person.name));
  find('speaker-name').textContent = person.name;
  live.start(person.person_id);
  await loadRooms();
  await showRoom();
}

async function begin() {
  const { people } = await get('/chat/api/people');
  const kept = JSON.parse(localStorage.getItem('xf.chat.me') ?? 'null');
  const known = people.find((person) => person.person_id === kept?.person_id);
  if (known) {
    await become(known);
  } else {
    live.start('');
    await loadRooms();
    await showRoom();
    chooseWho('');
  }
}

async function talkAlone() {
  if (!state.me) {
    chooseWho('');
    return;
  }
  const { accounts } = await get('/chat/api/people');
  if (!accounts.length) throw new Error('还没有机器人账号，请先在单位导入中登记账号');
  const account = accounts.length === 1 ? accounts[0] : await chooseAccount(accounts);
  if (!account) return;
  const room = await post('/chat/api/private', { person_id: me(), account });
  state.rooms.set(room.room_id, { ...room, unread: 0 });
  location.hash = encodeURIComponent(room.room_id);
}

// ── wiring ──

const live = new Live(hear, lineChanged);
const composer = setUpComposer({ room: openRoom, personId: me, onSent: toEnd });
const chooseWho = setUpWho((person) => attempt(() => become(person)));
const showForward = setUpForward(me);
const showMenu = setUpMenu({
  copy: (message) => attempt(() => copy(plainText(message))),
  forward: (message) => (state.me ? showForward(message) : chooseWho('')),
});

function messageAt(target) {
  const row = target.closest?.('.bubble')?.closest('.message');
  return row ? state.messages.get(Number(row.dataset.id)) : undefined;
}

function openMenu(event, target, x, y) {
  const message = messageAt(target);
  if (!message) return;
  event?.preventDefault();
  const box = target.closest('.bubble').getBoundingClientRect();
  const touched = x || y; // the keyboard's menu key has no place
  showMenu(message, touched ? x : box.left, touched ? y : box.bottom + 4);
}

messagesBox.addEventListener('contextmenu', (event) => openMenu(event, event.target, event.clientX, event.clientY));
let press = 0;
messagesBox.addEventListener('pointerdown', (event) => {
  if (event.pointerType !== 'touch') return;
  press = setTimeout(() => openMenu(null, event.target, event.clientX, event.clientY), LONG_PRESS);
});
for (const name of ['pointerup', 'pointercancel', 'pointermove', 'scroll']) {
  messagesBox.addEventListener(name, () => clearTimeout(press));
}
messagesBox.addEventListener('click', (event) => {
  const image = event.target.closest('.picture')?.querySelector('img');
  if (image) enlarge(image.src);
});
messagesBox.addEventListener('load', () => { if (state.fresh === 0 && !state.loading) stayAtEnd(); }, true);
messagesBox.addEventListener('scroll', () => {
  if (messagesBox.scrollTop < 80) loadOlder();
  if (messagesBox.scrollHeight - messagesBox.scrollTop - messagesBox.clientHeight < 10) { state.fresh = 0; drawFresh(); }
});

function stayAtEnd() { // a picture that has just loaded pushes the end away
  const distance = messagesBox.scrollHeight - messagesBox.scrollTop - messagesBox.clientHeight;
  if (distance < 400) toEnd();
}

find('fresh').addEventListener('click', () => { toEnd(); drawFresh(); });
find('search').addEventListener('input', later(() => attempt(search)));
find('private').addEventListener('click', () => attempt(talkAlone));
for (const button of document.querySelectorAll('[data-action="who"]')) button.addEventListener('click', () => chooseWho(me()));
window.addEventListener('hashchange', () => attempt(showRoom));
document.addEventListener('visibilitychange', markSeen);
attempt(begin);
