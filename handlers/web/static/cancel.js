// Cancelling a broadcast can be taken back for some seconds: it pauses at once, and ends when nobody objects.
// Whoever closes the page meanwhile leaves it paused. Without this script it ends at once.

const form = document.querySelector("form[data-undo]");

async function step(name) {
  const fields = new URLSearchParams({ csrf: form.elements.csrf.value });
  return (await fetch(`/alerts/${form.dataset.undo}/${name}`, { method: "POST", body: fields })).ok;
}

function button(label, press, kind = "") {
  const made = Object.assign(document.createElement("button"), { type: "button", textContent: label, className: kind });
  made.addEventListener("click", press, { once: true });
  return made;
}

function hold(running) {
  const box = Object.assign(document.createElement("div"), { className: "notice warn" });
  const said = Object.assign(document.createElement("p"), { textContent: "推送已暂停，就要取消。" });
  said.setAttribute("role", "status");
  const left = document.createElement("p");
  const buttons = Object.assign(document.createElement("div"), { className: "actions" });
  let seconds = 15;
  const count = () => { left.textContent = `还有 ${seconds} 秒可以反悔。`; };
  const ticking = setInterval(() => { seconds -= 1; count(); if (seconds <= 0) go(); }, 1000);
  const go = () => {
    clearInterval(ticking);
    form.dataset.sure = "yes";
    form.requestSubmit();
  };
  const back = async () => {
    clearInterval(ticking);
    if (running) await step("resume");
    location.assign(`/alerts/${form.dataset.undo}`); // a reload would send a refused step once more
  };
  count();
  buttons.append(button(running ? "不取消了，继续推送" : "不取消了", back, "primary"), button("现在就取消", go, "danger"));
  box.append(said, left, buttons);
  form.hidden = true;
  const state = document.querySelector("h1 + .state");
  Object.assign(state, { textContent: "已暂停", className: "state paused" });
  form.after(box);
  buttons.firstChild.focus();
}

form?.addEventListener("submit", async (event) => {
  const wrong = form.elements.number.value.trim() !== form.dataset.number;
  if (form.dataset.sure || wrong) return; // the server says what is wrong
  event.preventDefault();
  document.body.dataset.held = "yes"; // the page is not drawn anew while it asks
  const running = form.dataset.running === "yes";
  if (running && !(await step("pause"))) location.assign(`/alerts/${form.dataset.undo}`);
  else hold(running);
});
