// Keeps pages in step with broadcasts: an element with `data-live` names the stream; inside it, each
// `[data-alert]` belongs to one alert and each `[data-show]` shows one of its figures.

const places = (alert) => document.querySelectorAll(`[data-alert="${alert.id}"]`);

function valueOf(alert, name) {
  if (name === "done_text") return `${grouped(alert.done)} / ${grouped(alert.audience)}`;
  return name.split(".").reduce((value, key) => value?.[key], alert);
}

const grouped = (number) => Number(number).toLocaleString("en-US");

function show(element, value) {
  if (value === null || value === undefined) return;
  if (element.tagName === "PROGRESS") {
    const scale = element.dataset.show.endsWith("share") ? 1000 : 1;
    element.value = value * scale;
    return;
  }
  const text = typeof value === "number" ? grouped(value) : String(value);
  if (element.textContent !== text) element.textContent = text;
}

// A refused step is shown under the step's own address: to load that anew would take the step once more.
function drawAnew() {
  const page = location.pathname.replace(/^(\/alerts\/\d+)\/(?!reach$|edit$).*$/, "$1");
  if (page === location.pathname) location.reload();
  else location.replace(page);
}

function update(alert) {
  if (document.body.dataset.held) return; // somebody is being asked whether to cancel
  for (const place of places(alert)) {
    // Another state means other buttons and other lists: the server draws them.
    if (place.dataset.state && place.dataset.state !== alert.state) return drawAnew();
    for (const element of place.querySelectorAll("[data-show]")) show(element, valueOf(alert, element.dataset.show));
  }
}

// A broadcast that has begun since the page was drawn: the server draws the list anew, and it is said aloud.
const drawn = new Set(); // once for each alert, whether the list has it or not

async function draw(root, alert) {
  if (drawn.has(alert.id)) return;
  drawn.add(alert.id);
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(root.dataset.whole);
    if (!answer.ok || !fresh) return;
    document.getElementById(root.dataset.whole).replaceWith(fresh);
    const title = fresh.querySelector(`[data-alert="${alert.id}"] a`)?.textContent ?? "";
    root.querySelector("[data-announce]").textContent = `开始推送：${title}`;
  } catch {
    drawn.delete(alert.id); // no connection: the next figures try again
  }
}

function follow(root) {
  const source = new EventSource(root.dataset.live);
  source.addEventListener("message", (event) => {
    for (const alert of JSON.parse(event.data).alerts) {
      if (root.dataset.whole && places(alert).length === 0) draw(root, alert);
      else update(alert);
    }
  });
  // The stream ends by itself now and then, and EventSource calls again; only a refusal is final.
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) setTimeout(() => follow(root), 5000);
  });
  window.addEventListener("pagehide", () => source.close(), { once: true });
}

for (const root of document.querySelectorAll("[data-live]")) follow(root);
