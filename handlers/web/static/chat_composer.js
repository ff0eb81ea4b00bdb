// Writing: the text field, the @ picker, pictures by button, paste or drop.

import { post, upload } from './chat_api.js';
import { attempt, toast } from './chat_dialogs.js';
import { avatar, el } from './chat_view.js';

const { bot, maxBytes, maxSide } = document.body.dataset;
const words = document.getElementById('words');
const send = document.getElementById('send');
const picker = document.getElementById('picker');
const BEFORE_CARET = /@([^\s@]{0,4})$/;
const SHRUNK_SIDE = 2048; // pixels; a photograph of a phone is shrunk here before it travels

const drafts = new Map(); // room id → what was not sent yet

export function setUpComposer({ room, personId, onSent }) {
  const ready = () => Boolean(room() && personId());
  const refresh = () => {
    send.disabled = !ready() || !words.value.trim();
    words.style.height = 'auto';
    words.style.height = `${words.scrollHeight}px`;
  };

  async function say() {
    const text = words.value.trim();
    const target = room();
    if (!text || !ready()) return;
    send.disabled = true;
    const said = await attempt(() => post('/chat/api/messages', { person_id: personId(), room_id: target.room_id, text }));
    if (said && room() === target) {
      words.value = '';
      drafts.delete(target.room_id);
      onSent();
    }
    refresh();
  }

  async function sendPicture(file) {
    if (!ready()) return;
    const target = room();
    const query = { person_id: personId(), room_id: target.room_id };
    const sent = await attempt(async () => upload('/chat/api/pictures', query, await smallEnough(file)));
    if (sent) onSent();
  }

  document.getElementById('composer').addEventListener('submit', (event) => {
    event.preventDefault();
    say();
  });
  words.addEventListener('input', () => { refresh(); showPicker(room()); });
  words.addEventListener('blur', () => setTimeout(hidePicker, 150));
  words.addEventListener('keydown', (event) => {
    if (event.isComposing || event.keyCode === 229) return; // Enter chooses a character of the input method
    if (!picker.hidden && ['Enter', 'Tab'].includes(event.key)) {
      event.preventDefault();
      mention();
    } else if (event.key === 'Escape') {
      hidePicker();
    } else if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      say();
    }
  });
  const mention = () => {
    const caret = words.selectionStart;
    const before = words.value.slice(0, caret).replace(BEFORE_CARET, '');
    words.value = `${before}@${bot} ${words.value.slice(caret)}`;
    words.selectionStart = words.selectionEnd = before.length + bot.length + 2;
    hidePicker();
    refresh();
    words.focus();
  };
  picker.addEventListener('pointerdown', (event) => { event.preventDefault(); mention(); });
  document.getElementById('at').addEventListener('click', mention);

  const file = document.getElementById('file');
  document.getElementById('attach').addEventListener('click', () => file.click());
  file.addEventListener('change', () => { if (file.files[0]) sendPicture(file.files[0]); file.value = ''; });
  words.addEventListener('paste', (event) => takePicture(event, event.clipboardData, sendPicture));
  const area = document.getElementById('room');
  area.addEventListener('dragover', (event) => event.preventDefault());
  area.addEventListener('drop', (event) => takePicture(event, event.dataTransfer, sendPicture));

  return {
    // Called when another room is opened: what was being written stays with its room.
    change(previousId) {
      if (previousId && words.value.trim()) drafts.set(previousId, words.value);
      else drafts.delete(previousId);
      words.value = drafts.get(room()?.room_id) ?? '';
      words.disabled = !ready();
      hidePicker();
      refresh();
    },
  };
}

function takePicture(event, transfer, sendPicture) {
  const file = [...(transfer?.files ?? [])].find((one) => one.type.startsWith('image/'));
  if (!file) return;
  event.preventDefault();
  sendPicture(file);
}

function showPicker(room) {
  const match = BEFORE_CARET.exec(words.value.slice(0, words.selectionStart));
  if (!match || !room?.account || room.private || !bot.startsWith(match[1])) {
    hidePicker();
    return;
  }
  picker.replaceChildren(el('li', { role: 'option', ariaSelected: 'true', dataset: { testid: 'at-bot' } }, avatar('', 'bot'), el('span', {}, bot), el('small', {}, '反诈机器人')));
  picker.hidden = false;
}

function hidePicker() {
  picker.hidden = true;
}

// The file itself when the server will take it, else the picture made smaller.
async function smallEnough(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    return file; // the server says what is wrong with it
  }
  const side = Math.max(bitmap.width, bitmap.height);
  if (file.size <= Number(maxBytes) && side <= Number(maxSide)) return file;
  toast('图片较大，正在压缩…');
  const scale = Math.min(1, SHRUNK_SIDE / side);
  const canvas = el('canvas', { width: Math.round(bitmap.width * scale), height: Math.round(bitmap.height * scale) });
  canvas.getContext('2d').drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => { canvas.toBlob((blob) => resolve(blob ?? file), 'image/jpeg', 0.85); });
}
