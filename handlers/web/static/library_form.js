// Writing in the library: rows are added and removed, phrases are searched, and the answer is shown as it grows.
// Without this script lines are added when the form is saved, and an emptied row is removed.

const form = document.getElementById("library-form");
let changed = false;

/* ── rows ───────────────────────────────────────────────────────────────── */

function count(list) {
  const shown = list.querySelector("[data-count]");
  if (shown) shown.textContent = list.querySelectorAll(".entry").length;
}

/** Without this script a row is removed by emptying it. */
function dropButton() {
  return Object.assign(document.createElement("button"), { type: "button", className: "quiet drop-entry", textContent: "✕", ariaLabel: "删去这一条" });
}

function field(kind, name, value, label) {
  return Object.assign(document.createElement(kind), { name, value, maxLength: 300, ariaLabel: label });
}

/** A row for one line; a phrase may bring its weight: "5 | 中奖 + 税". */
function entry(list, line) {
  const row = document.createElement("li");
  row.className = "entry";
  if (list.dataset.list !== "phrases") {
    row.append(Object.assign(field("textarea", list.dataset.list, line, "新的一条"), { rows: 1, className: "one-line" }), dropButton());
    return row;
  }
  const weights = list.querySelector("[name='more.weight']");
  const weight = weights.cloneNode(true);
  const [, own, text] = line.match(/^\s*([1-5])\s*\|(.*)$/) ?? [null, weights.value, line];
  Object.assign(weight, { name: "phrase_weight", value: own, ariaLabel: "权重" });
  row.append(weight, field("input", "phrase_text", text.trim(), "新的短语"), dropButton());
  return row;
}

function add(list) {
  const box = list.querySelector(".adder textarea");
  const lines = box.value.split("\n").map((line) => line.trim()).filter(Boolean);
  if (!lines.length) return box.focus();
  const rows = lines.map((line) => entry(list, line));
  list.querySelector(".entry-list").append(...rows);
  rows.at(-1).scrollIntoView({ block: "nearest" });
  box.value = "";
  box.focus();
  count(list);
  touched();
}

for (const list of form.querySelectorAll("[data-list]:not([data-list=faq])")) {
  for (const row of list.querySelectorAll(".entry")) row.querySelector("input:last-of-type, textarea").after(dropButton());
  const button = list.querySelector(".add-entries");
  button.hidden = false;
  button.addEventListener("click", () => add(list));
  const box = list.querySelector(".adder textarea");
  box.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    add(list);
  });
}

form.addEventListener("click", (event) => {
  const drop = event.target.closest(".drop-entry");
  if (!drop) return;
  const list = drop.closest("[data-list]");
  const row = drop.closest(".entry");
  const next = (row.nextElementSibling ?? row.previousElementSibling)?.querySelector(".drop-entry");
  row.remove();
  (next ?? list.querySelector(".adder textarea")).focus({ preventScroll: true });
  count(list);
  touched();
});

/** Enter in a row must not send the form by mistake. */
form.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.matches("input, .one-line")) event.preventDefault();
});

const filter = form.querySelector("[data-filter]");
filter.hidden = false;
filter.addEventListener("input", (event) => {
  event.stopPropagation();
  const wanted = event.target.value.trim();
  for (const row of form.querySelectorAll(".phrases .entry")) {
    row.hidden = !row.querySelector("[name=phrase_text]").value.includes(wanted);
  }
});

/* ── the answer ─────────────────────────────────────────────────────────── */

const bubble = form.querySelector("[data-preview=answer]");
const length = form.querySelector("[data-length]");
let timer;
let asking;

async function showAnswer() {
  asking?.abort();
  asking = new AbortController();
  try {
    const answer = await fetch("/library/preview", {
      method: "POST", body: new URLSearchParams(new FormData(form)), headers: { Accept: "application/json" }, signal: asking.signal,
    });
    if (!answer.ok) return;
    const view = await answer.json();
    bubble.textContent = view.text;
    length.textContent = view.length;
  } catch (error) {
    if (error.name !== "AbortError") console.info("no preview", error);
  }
}

function touched() {
  changed = true;
  clearTimeout(timer);
  timer = setTimeout(showAnswer, 400);
}

form.addEventListener("input", touched);
showAnswer(); // what was typed before this script was there, or kept by the browser
form.addEventListener("submit", () => { changed = false; });
window.addEventListener("beforeunload", (event) => {
  if (changed) event.preventDefault();
});
