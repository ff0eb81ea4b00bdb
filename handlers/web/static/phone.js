// Comfort on top of plain forms: copy, share, and reports that change only the part of the page that they concern.

import { copy } from "./copying.js";

const live = document.getElementById("live");
const copied = document.getElementById("copied");

function prepareText() {
  const button = document.getElementById("copy");
  if (!button) return;
  const text = button.dataset.text;
  button.parentElement.hidden = false;
  button.addEventListener("click", async () => {
    copied.textContent = (await copy(text)) ? "已复制，到群里长按粘贴即可" : "没有复制成功，请点“看全文”后长按复制";
  });
  const share = document.getElementById("share");
  if (!navigator.share) return;
  share.hidden = false;
  share.addEventListener("click", () => navigator.share({ text }).catch(() => undefined)); // closing it is no error
}

function endUndo(root) {
  // The server decides anyway; a button that cannot work any more goes away.
  for (const form of root.querySelectorAll("form[data-seconds]")) {
    setTimeout(() => form.remove(), Number(form.dataset.seconds) * 1000);
  }
}

function say(text, bad) {
  const notice = live.querySelector(".notice");
  notice.textContent = text;
  notice.className = bad ? "notice bad" : "notice good";
}

function announce() {
  // What is there from the start is not read aloud: it must change.
  const notice = live.querySelector(".notice");
  const text = notice.textContent;
  notice.textContent = "";
  setTimeout(() => (notice.textContent = text), 50);
}

async function send(form) {
  const buttons = live.querySelectorAll("button");
  const body = new URLSearchParams(new FormData(form));
  for (const button of buttons) button.disabled = true;
  try {
    const answer = await fetch(form.action + location.search, {
      method: "POST",
      body,
      headers: { "X-Fragment": "1" },
      signal: AbortSignal.timeout?.(20000),
    });
    const html = await answer.text();
    if (answer.headers.get("X-Fragment") !== "1") throw new Error(answer.statusText);
    live.innerHTML = html;
    endUndo(live);
    announce();
  } catch {
    for (const button of buttons) button.disabled = false;
    say("网络不通，没有记上，请再点一次", true);
  }
}

live?.addEventListener("submit", (event) => {
  event.preventDefault();
  send(event.target);
});

prepareText();
if (live) endUndo(live);
