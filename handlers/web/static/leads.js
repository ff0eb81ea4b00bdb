// Keeps the inbox fresh: the server says when something changed, and the list is drawn again unless somebody is
// just writing into it.

const inbox = document.querySelector("[data-leads]");
const title = document.title;

function busy() {
  const field = document.activeElement;
  const writing = inbox.contains(field) && field.matches("textarea, select, input");
  return writing || inbox.querySelector("details.step[open]") !== null;
}

async function redraw() {
  const answer = await fetch(inbox.dataset.now, { headers: { Accept: "text/html" } });
  if (answer.redirected || !answer.ok) return location.reload();
  const open = [...inbox.querySelectorAll("details.similar[open]")].map((one) => one.closest("li").id);
  inbox.innerHTML = await answer.text();
  for (const id of open) document.getElementById(id)?.querySelector("details.similar")?.setAttribute("open", "");
}

function update({ open, alarms, mark }) {
  document.title = `${alarms ? `【急 ${alarms}】` : open ? `（${open}）` : ""}${title}`;
  if (mark === inbox.dataset.mark) return;
  inbox.dataset.mark = mark;
  if (busy()) inbox.querySelector(".stale").hidden = false;
  else redraw();
}

function follow() {
  const source = new EventSource(inbox.dataset.leads);
  source.addEventListener("message", (event) => JSON.parse(event.data).leads.forEach(update));
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) setTimeout(follow, 5000);
  });
  window.addEventListener("pagehide", () => source.close(), { once: true });
}

inbox.addEventListener("click", (event) => {
  if (event.target.closest("[data-refresh-leads]")) redraw();
});

follow();
