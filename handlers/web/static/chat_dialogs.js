// What opens above the page: who I am, forwarding, the message menu, a picture, a short notice.

import { get, post } from './chat_api.js';
import { avatar, el, plainText } from './chat_view.js';

const find = (id) => document.getElementById(id);

export function toast(text) {
  const box = find('toast');
  box.textContent = text;
  box.hidePopover();
  box.showPopover(); // anew, so that it lies above a dialog that was opened meanwhile
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => box.hidePopover(), 2600);
}

// Runs an action of the visitor; what goes wrong is told, not swallowed.
export async function attempt(action) {
  try {
    return await action();
  } catch (error) {
    toast(error.message);
    return undefined;
  }
}

export function later(action, milliseconds = 200) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(action, milliseconds);
  };
}

for (const dialog of document.querySelectorAll('dialog')) {
  dialog.addEventListener('click', (event) => {
    if (event.target === dialog || event.target.closest('[data-close]')) dialog.close();
  });
}

// ── who am I ──

export function setUpWho(onChosen) {
  let people = [];
  let current = '';
  const search = find('who-search');
  const show = () => {
    const wanted = search.value.trim();
    const shown = people.filter((person) => person.name.includes(wanted));
    find('who-list').replaceChildren(...shown.map((person) => choice(person)));
    search.hidden = people.length < 8;
  };
  const choice = (person) => {
    const button = el('button', { type: 'button', dataset: { testid: 'who-choice' } }, avatar(person.name), el('span', {}, person.name));
    if (person.person_id === current) button.append(el('span', { className: 'tick' }, '✓'));
    button.addEventListener('click', () => { find('who').close(); onChosen(person); });
    return el('li', {}, button);
  };
  search.addEventListener('input', show);
  find('who-new').addEventListener('submit', (event) => {
    event.preventDefault();
    attempt(async () => {
      const person = await post('/chat/api/people', { name: find('who-name').value });
      find('who-name').value = '';
      find('who').close();
      onChosen(person);
    });
  });
  return (currentId) => attempt(async () => {
    current = currentId;
    search.value = '';
    people = (await get('/chat/api/people')).people;
    show();
    if (!find('who').open) find('who').showModal();
    if (!people.length) find('who-name').focus();
  });
}

// ── with which of the bot's accounts ──

export function chooseAccount(accounts) {
  return new Promise((resolve) => {
    const dialog = find('accounts');
    let chosen = null;
    const choice = (account) => {
      const button = el('button', { type: 'button' }, avatar('', 'bot'), el('span', {}, account));
      button.addEventListener('click', () => { chosen = account; dialog.close(); });
      return el('li', {}, button);
    };
    find('accounts-list').replaceChildren(...accounts.map(choice));
    dialog.addEventListener('close', () => resolve(chosen), { once: true });
    dialog.showModal();
  });
}

// ── forwarding ──

export function setUpForward(personId) {
  const dialog = find('forward');
  const search = find('forward-search');
  const send = find('forward-send');
  const chosen = new Map(); // room id → name
  let message = null;

  const count = () => {
    send.textContent = chosen.size ? `发送（${chosen.size}）` : '发送';
    send.disabled = chosen.size === 0;
  };
  const choice = (room) => {
    const box = el('input', { type: 'checkbox', checked: chosen.has(room.room_id) });
    box.addEventListener('change', () => {
      if (box.checked) chosen.set(room.room_id, room.name);
      else chosen.delete(room.room_id);
      count();
    });
    return el('li', {}, el('label', { dataset: { testid: 'forward-choice' } }, box, avatar(room.name, room.private ? 'bot' : 'group'), el('span', {}, room.name)));
  };
  const show = () => attempt(async () => {
    const { rooms } = await get('/chat/api/rooms', { person_id: personId(), search: search.value.trim() });
    const others = rooms.filter((room) => room.room_id !== message.room_id);
    find('forward-list').replaceChildren(...others.map(choice));
    if (!others.length) find('forward-list').append(el('li', { className: 'empty' }, '没有找到群'));
  });
  search.addEventListener('input', later(show));
  send.addEventListener('click', () => attempt(async () => {
    send.disabled = true;
    try {
      const body = { person_id: personId(), message_id: message.id, room_ids: [...chosen.keys()] };
      const { forwarded, failed } = await post('/chat/api/forward', body);
      dialog.close();
      toast(failed ? `已转发到 ${forwarded} 个群，${failed} 个群没有成功` : `已转发到 ${forwarded} 个群`);
    } finally {
      count();
    }
  }));
  return (what) => {
    message = what;
    chosen.clear();
    search.value = '';
    count();
    find('forward-list').replaceChildren();
    find('forward-preview').textContent = plainText(what);
    dialog.showModal();
    show();
  };
}

// ── the menu on a bubble ──

export function setUpMenu(actions) {
  const menu = find('menu');
  let message = null;
  const hide = () => { menu.hidden = true; };
  menu.addEventListener('click', (event) => {
    const button = event.target.closest('button');
    if (!button) return;
    hide();
    actions[button.dataset.do](message);
  });
  menu.addEventListener('keydown', (event) => {
    const buttons = [...menu.querySelectorAll('button')];
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    buttons[(buttons.indexOf(document.activeElement) + step + buttons.length) % buttons.length].focus();
  });
  document.addEventListener('pointerdown', (event) => { if (!menu.contains(event.target)) hide(); });
  document.addEventListener('keydown', (event) => { if (event.key === 'Escape') hide(); });
  document.addEventListener('scroll', hide, true);
  return (what, x, y) => {
    message = what;
    menu.hidden = false;
    const { width, height } = menu.getBoundingClientRect();
    menu.style.left = `${Math.max(8, Math.min(x, innerWidth - width - 8))}px`;
    menu.style.top = `${Math.max(8, Math.min(y, innerHeight - height - 8))}px`;
    menu.querySelector('button').focus({ preventScroll: true });
  };
}

export async function copy(text) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
  } else { // a page that is not served over TLS has no clipboard, but still this
    const area = el('textarea', { value: text, className: 'offscreen' });
    document.body.append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
  }
  toast('已复制');
}

export function enlarge(source) {
  find('viewer-picture').src = source;
  find('viewer').showModal();
}
