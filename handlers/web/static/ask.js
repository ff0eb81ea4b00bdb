// The question dialog. A dialog is a number in this page's memory: no cookie, no storage, gone with the page.
// Whatever the server says is put in place as text, never as markup.

const log = document.getElementById("log");
const form = document.getElementById("form");
const field = document.getElementById("text");
const dialog = Array.from(crypto.getRandomValues(new Uint8Array(16)), (one) => one.toString(16).padStart(2, "0")).join("");
const LOOK_SECONDS = 6;
const LOOK_MINUTES = 60;
const THINKING_MS = 350; // an answer that is there at once looks as if nobody had read the question
const AFTER = {
  answer: [["有用", "rate"], ["没用", "rate"], ["现在怎么办"], ["怎么骗的"], ["换一个"], ["转人工"]],
  continued: [["有用", "rate"], ["没用", "rate"], ["怎么识别"], ["要报警吗"], ["转人工"]],
  emergency: [["钱还能要回来吗"], ["要报警吗"], ["转人工"]],
  choices: [["都不是"], ["转人工"]],
  none: [["转人工"], ["菜单"]],
  talk: [["菜单"]],
};

const shown = new Set(); // officers' answers
let busy = false;
let looking = 0;

/* ── building ─────────────────────────────────────────────────────────── */

function make(tag, className = "", ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

function sayButton(text, className = "", label = text) {
  const button = make("button", className, label);
  button.type = "button";
  button.dataset.say = text;
  return button;
}

/** Hotlines become calls, and words in “” that one can reply become buttons. */
function rich(text) {
  const parts = text.split(/((?<!\d)(?:96110|110)(?!\d)|“(?:菜单|转人工|换一个)”)/);
  return parts.filter(Boolean).map((part) => {
    if (/^(96110|110)$/.test(part)) {
      const link = make("a", "", part);
      link.href = `tel:${part}`;
      return link;
    }
    return /^“(菜单|转人工|换一个)”$/.test(part) ? sayButton(part.slice(1, -1), "inline") : part;
  });
}

/** Lines of an answer as headings, lists and paragraphs. */
function blocks(text) {
  const made = [];
  const list = (tag, line) => {
    if (made.at(-1)?.tagName !== tag.toUpperCase()) made.push(make(tag));
    made.at(-1).append(make("li", "", ...rich(line)));
  };
  for (const line of text.split("\n").filter((one) => one.trim())) {
    const named = /^【([^】]+)】(.*)$/.exec(line);
    if (line.startsWith("▍")) made.push(make("h3", "", line.slice(1)));
    else if (line.startsWith("· ")) list("ul", line.slice(2));
    else if (/^\d+\. /.test(line)) list("ol", line.replace(/^\d+\. /, ""));
    else if (named) {
      made.push(make("h2", "", named[1]));
      if (named[2]) made.push(make("p", "", ...rich(named[2])));
    } else made.push(make("p", "", ...rich(line)));
  }
  return made;
}

/** The menu: lines "class：one | another" become buttons. */
function menuBlocks(text) {
  const menu = make("div", "menu");
  const rest = [];
  for (const line of text.split("\n")) {
    const row = /^([^：]{2,24})：(.+)$/.exec(line);
    if (!row || line.includes("。")) rest.push(line);
    else menu.append(make("h3", "", row[1]), ...row[2].split(" | ").map((name) => sayButton(name)));
  }
  const [first, ...others] = blocks(rest.join("\n"));
  return [first, menu, ...others].filter(Boolean);
}

function choiceList(choices) {
  const list = make("div", "choices");
  list.setAttribute("role", "group");
  list.setAttribute("aria-label", "请选一个");
  for (const { number, name, summary } of choices) {
    const words = make("span", "", make("b", "", name), make("small", "", summary));
    list.append(sayButton(String(number), "choice", ""));
    list.lastChild.append(make("span", "number", String(number)), words);
    list.lastChild.dataset.shown = name;
  }
  return list;
}

function dialButtons() {
  const urgent = make("a", "urgent", "拨打 110");
  urgent.href = "tel:110";
  const line = make("a", "", "96110");
  line.href = "tel:96110";
  return make("div", "dial", urgent, line);
}

function put(className, ...children) {
  const bubble = make("div", "bubble", ...children);
  const turn = make("div", `turn ${className}`, bubble);
  log.append(turn);
  return turn;
}

/** A long answer is read from its beginning; a short one may scroll to the end. */
function scrollTo(turn) {
  const tall = turn.offsetHeight > log.clientHeight - 60;
  log.scrollTop = tall ? turn.offsetTop - log.offsetTop - 12 : log.scrollHeight;
}

/* ── talking ──────────────────────────────────────────────────────────── */

async function ask(path, options = {}) {
  const headers = { Accept: "application/json", "X-Dialog": dialog, ...options.headers };
  const answer = await fetch(path, { ...options, headers, credentials: "omit" });
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(body.error?.message ?? "系统忙，请稍后再试。");
  return body;
}

function retire() {
  for (const old of log.querySelectorAll(".after:not([data-done])")) old.remove();
  for (const old of log.querySelectorAll(".choices button, .menu button")) old.disabled = true;
}

function showReply({ kind, text, choices, waiting }) {
  const pieces = kind === "menu" ? menuBlocks(text) : blocks(text);
  if (kind === "emergency") pieces.splice(1, 0, dialButtons());
  if (choices.length) pieces.splice(1, 0, choiceList(choices));
  const turn = put(`theirs ${kind}`, ...pieces);
  if (kind === "emergency") turn.firstChild.setAttribute("role", "alert");
  const after = make("div", "after");
  for (const [words, className] of AFTER[kind] ?? []) after.append(sayButton(words, className));
  if (after.childElementCount) log.append(after);
  scrollTo(turn);
  if (waiting) startLooking();
}

async function say(text, label = text) {
  text = text.trim();
  if (!text || busy) return;
  busy = true;
  document.getElementById("hello")?.remove();
  retire();
  put("mine", label);
  const thinking = put("theirs", make("span", "typing", make("span", "unseen", "正在回答"), make("i"), make("i"), make("i")));
  log.setAttribute("aria-busy", "true");
  scrollTo(thinking);
  try {
    const asked = ask("/ask/messages", { method: "POST", body: JSON.stringify({ text }), headers: { "Content-Type": "application/json" } });
    const [reply] = await Promise.all([asked, new Promise((done) => setTimeout(done, THINKING_MS))]);
    thinking.remove();
    showReply(reply);
  } catch (error) {
    thinking.remove();
    const lost = error instanceof TypeError; // no answer at all
    const why = lost ? "没有连上，请检查网络后再发一次。\n情况紧急请直接打110，拿不准打96110。" : error.message;
    scrollTo(put("theirs trouble", ...blocks(why)));
    if (!field.value) field.value = label === text ? text : "";
  } finally {
    log.removeAttribute("aria-busy");
    busy = false;
  }
}

/* ── officers' answers ────────────────────────────────────────────────── */

function startLooking() {
  if (!looking) setTimeout(look, LOOK_SECONDS * 1000);
  looking = Date.now() + LOOK_MINUTES * 60_000;
}

async function look() {
  let waiting = true;
  if (!document.hidden) {
    try {
      const news = await ask("/ask/messages");
      waiting = news.waiting;
      for (const one of news.answers.filter(({ id }) => !shown.has(id))) {
        shown.add(one.id);
        const from = make("p", "from", `反诈民警回复您问的“${one.asked}”`);
        scrollTo(put("theirs officer", from, ...blocks(one.answer)));
      }
    } catch {
      // Away for a moment; the next look will tell.
    }
  }
  if (waiting && Date.now() < looking) setTimeout(look, LOOK_SECONDS * 1000);
  else looking = 0;
}

/* ── writing ──────────────────────────────────────────────────────────── */

function grow() {
  field.style.height = "auto";
  field.style.height = `${Math.min(field.scrollHeight + 2, 170)}px`;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (busy || !field.value.trim()) return field.focus();
  const text = field.value;
  field.value = "";
  grow();
  say(text);
});
field.addEventListener("input", grow);
field.addEventListener("keydown", (event) => {
  // While an input method composes, Enter chooses a word.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  form.requestSubmit();
});
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-say]");
  if (!button || button.disabled || busy) return;
  const rated = button.classList.contains("rate");
  say(button.dataset.say, button.dataset.shown ?? button.dataset.say);
  if (rated || matchMedia("(hover: hover)").matches) field.focus({ preventScroll: true });
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && window.parent !== window) window.parent.postMessage("xinfang-close", "*");
});
// Until here nothing could be sent: what is typed on a slow connection must not be lost.
for (const control of form.elements) control.disabled = false;
if (window.parent === window && matchMedia("(hover: hover)").matches) field.focus();
