// How rooms and messages look. Everything that people wrote enters the page as text nodes, never as markup.

const { zone, bot } = document.body.dataset;
const SVG = 'http://www.w3.org/2000/svg';
const COLOURS = 10; // .colour-0 … in chat.css
const QUIET_GAP = 5 * 60 * 1000; // milliseconds of silence after which the time is shown again
const ADDRESS = /https?:\/\/[^\s<>"'“”‘’（）()【】，。；、！？]+/gi;
const SEVERITY = /^【(红|橙|黄|蓝)色预警】/;
const SEVERITIES = { 红: 'red', 橙: 'orange', 黄: 'yellow', 蓝: 'blue' };

export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  const { dataset, ...rest } = properties;
  Object.assign(node, rest);
  Object.assign(node.dataset, dataset);
  node.append(...children.filter((child) => child !== null));
  return node;
}

function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  const use = document.createElementNS(SVG, 'use');
  use.setAttribute('href', `#i-${name}`);
  svg.append(use);
  svg.setAttribute('aria-hidden', 'true');
  return svg;
}

function colour(text) {
  let sum = 7;
  for (const character of text) sum = (sum * 31 + character.codePointAt(0)) % 9973;
  return sum % COLOURS;
}

export function avatar(name, kind = 'person') {
  if (kind === 'bot') return el('span', { className: 'avatar bot' }, icon('shield'));
  if (kind === 'group') return el('span', { className: `avatar colour-${colour(name)}` }, icon('group'));
  const letters = [...name.trim()];
  const short = /[\u4e00-\u9fff]/.test(name) ? letters.slice(-2).join('') : letters.slice(0, 2).join('').toUpperCase();
  return el('span', { className: `avatar colour-${colour(name)}`, ariaHidden: 'true' }, short || '？');
}

// ── time, always the office's ──

const parts = (options) => new Intl.DateTimeFormat('zh-CN', { timeZone: zone, hourCycle: 'h23', ...options });
const day = new Intl.DateTimeFormat('en-CA', { timeZone: zone, year: 'numeric', month: '2-digit', day: '2-digit' });
const clock = parts({ hour: '2-digit', minute: '2-digit' });
const weekday = parts({ weekday: 'long' });
const shortDate = parts({ month: 'numeric', day: 'numeric' });
const longDate = parts({ year: 'numeric', month: 'long', day: 'numeric' });

function daysAgo(date) {
  return Math.round((Date.parse(day.format(new Date())) - Date.parse(day.format(date))) / 86400000);
}

function listTime(date) {
  const ago = daysAgo(date);
  if (ago <= 0) return clock.format(date);
  if (ago === 1) return '昨天';
  return ago < 7 ? weekday.format(date) : shortDate.format(date);
}

function fullTime(date) {
  const ago = daysAgo(date);
  if (ago <= 0) return clock.format(date);
  if (ago === 1) return `昨天 ${clock.format(date)}`;
  return `${ago < 7 ? weekday.format(date) : longDate.format(date)} ${clock.format(date)}`;
}

// ── the room list ──

export function roomItem(room, { active, unread, dot }) {
  const face = el('span', { className: 'face' }, avatar(room.name, room.private ? 'bot' : 'group'));
  if (unread) face.append(el('span', { className: 'badge', dataset: { testid: 'unread' } }, unread > 99 ? '99+' : String(unread)));
  else if (dot) face.append(el('span', { className: 'badge dot', dataset: { testid: 'unread' }, title: '有新消息' }));
  const link = el(
    'a',
    { href: `#${encodeURIComponent(room.room_id)}`, className: 'room-item', ariaCurrent: active ? 'true' : null },
    face,
    el('span', { className: 'room-name' }, room.name),
    el('time', { className: 'room-time' }, room.last ? listTime(new Date(room.last.at)) : ''),
    el('span', { className: 'room-line' }, room.last ? room.last.line : room.account ? '' : `${bot}不在本群`),
  );
  return el('li', { dataset: { testid: 'room', roomId: room.room_id } }, link);
}

// ── messages ──

function linked(text) {
  const pieces = document.createDocumentFragment();
  let end = 0;
  for (const { 0: address, index } of text.matchAll(ADDRESS)) {
    pieces.append(text.slice(end, index), outside(address, address));
    end = index + address.length;
  }
  pieces.append(text.slice(end));
  return pieces;
}

function outside(href, ...children) {
  return el('a', { href, target: '_blank', rel: 'noopener noreferrer' }, ...children);
}

function words(text) {
  const body = el('div', { className: 'words' });
  const severity = SEVERITY.exec(text);
  if (!severity) {
    body.append(linked(text));
    return body;
  }
  const end = text.indexOf('\n') < 0 ? text.length : text.indexOf('\n');
  body.append(el('strong', { className: `alert-title ${SEVERITIES[severity[1]]}` }, text.slice(0, end)), linked(text.slice(end + 1))); // the block that the title is has broken the line already
  return body;
}

function card(message) {
  const inside = [
    el('span', { className: 'card-title' }, message.link_title || message.link_url),
    el('span', { className: 'card-note' }, message.text),
  ];
  if (!/^https?:\/\//i.test(message.link_url)) return el('span', { className: 'card' }, ...inside); // e.g. javascript:
  const host = URL.canParse(message.link_url) ? new URL(message.link_url).host : message.link_url;
  const link = outside(message.link_url, ...inside, el('span', { className: 'card-host' }, host));
  link.className = 'card';
  return link;
}

function picture(message) {
  const image = el('img', { src: message.picture, alt: message.text || '图片', loading: 'lazy' });
  const open = el('button', { type: 'button', className: 'picture', title: '查看大图', dataset: { testid: 'picture' } }, image);
  return el('div', { className: 'picture-box' }, open, message.text ? el('div', { className: 'caption words' }, message.text) : null);
}

const CONTENT = { text: (message) => words(message.text), link: card, picture };

export function messageRow(message, mine, alone) {
  const content = (CONTENT[message.kind] ?? CONTENT.text)(message);
  const bubble = el('div', { className: `bubble ${message.kind}`, tabIndex: 0, dataset: { testid: 'bubble' } }, content);
  const name = mine || alone ? null : el('span', { className: 'sender' }, message.sender_name);
  const face = avatar(message.sender_name, message.by_bot ? 'bot' : 'person');
  return el(
    'div',
    { className: mine ? 'message mine' : 'message', dataset: { testid: 'message', id: message.id, mine: String(mine) } },
    face,
    el('div', { className: 'said' }, name, bubble),
  );
}

// The line that goes before a message: the time, when the room had been quiet or a new day began.
export function separator(previous, message) {
  const at = new Date(message.at);
  if (previous) {
    const before = new Date(previous.at);
    if (at - before < QUIET_GAP && day.format(at) === day.format(before)) return null;
  }
  return el('time', { className: 'separator', dateTime: message.at }, fullTime(at));
}

// What "复制" copies, and what the forward dialog shows.
export function plainText(message) {
  if (message.kind === 'link') return `${message.link_title}\n${message.link_url}`;
  if (message.kind === 'picture') return message.text || '[图片]';
  return message.text;
}
