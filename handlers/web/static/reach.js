// An alert's reach: sections that follow the broadcast, the replay of how it spread, and reminders in place.

const QUIET = 4000; // ms between two looks, however fast groups are reached
const POLL = 20000; // for whoever may not follow the stream

// ── following ──

const root = document.querySelector("[data-reach]");
let looked = Date.now();
let planned = 0;

async function refresh() {
  planned = 0;
  looked = Date.now();
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok || answer.redirected) return;
    const news = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const section of document.querySelectorAll("[data-refresh]")) exchange(section, news.getElementById(section.id));
  } catch (error) {
    console.info("reach not refreshed", error); // the next event tries again
  }
}

/** What somebody has unfolded or is typing at stays as it is. */
function exchange(old, fresh) {
  if (!fresh || old.innerHTML === fresh.innerHTML || old.contains(document.activeElement)) return;
  if (old.querySelector("[aria-expanded=true]")) return;
  const section = document.importNode(fresh, true);
  for (const button of section.querySelectorAll(".unfold[hidden]")) button.hidden = false;
  old.replaceWith(section);
  watchPictures(section);
}

function soon() {
  planned ||= setTimeout(refresh, Math.max(0, looked + QUIET - Date.now()));
}

function follow(address) {
  const source = new EventSource(address);
  let first = true;
  source.addEventListener("message", () => {
    if (!first) soon();
    first = false;
  });
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) setTimeout(() => follow(address), 5000);
  });
  window.addEventListener("pagehide", () => source.close(), { once: true });
}

if (root?.dataset.stream) follow(root.dataset.stream);
else if (root) setInterval(() => { if (!document.hidden) soon(); }, POLL);

// ── charts ──

function watchPictures(place) {
  for (const image of place.querySelectorAll(".reach-chart img")) {
    const fail = () => {
      image.closest("picture").hidden = true;
      image.closest("figure").querySelector("figcaption").hidden = false;
    };
    if (image.complete && image.naturalWidth === 0 && image.currentSrc) fail();
    image.addEventListener("error", fail);
  }
}
watchPictures(document);

// ── reminders ──

document.addEventListener("submit", async (event) => {
  const form = event.target.closest("[data-remind]");
  if (!form) return;
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  let said = "没有提醒到，请稍后再试";
  try {
    const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)), headers: { Accept: "application/json" } });
    const told = await answer.json();
    said = told.message ?? told.error?.message ?? said;
  } catch (error) {
    console.info("not reminded", error);
  }
  const note = document.createElement("small");
  note.setAttribute("role", "status");
  note.textContent = said;
  form.replaceWith(note);
});

// ── replay ──

const SVG = "http://www.w3.org/2000/svg";
const replay = document.querySelector("[data-replay]");

function node(name, attributes, text = "") {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

const heatOf = (share) => (share <= 0 ? "heat-0" : share >= 1 ? "heat-4" : `heat-${1 + Math.floor((share * 100) / 34)}`);

/** A field of tiles, one per unit: each fills up from the left while groups are reached. */
function draw(map, strands) {
  const narrow = replay.clientWidth < 520;
  const columns = narrow ? 2 : Math.min(6, Math.max(1, strands.length));
  const width = narrow ? 360 : 1080;
  const cell = { width: width / columns, height: 74 };
  map.setAttribute("viewBox", `0 0 ${width} ${Math.ceil(strands.length / columns) * cell.height}`);
  return strands.map((strand, index) => {
    const x = (index % columns) * cell.width + 4;
    const y = Math.floor(index / columns) * cell.height + 4;
    const box = { x, y, width: cell.width - 8, height: cell.height - 8, rx: 6 };
    map.append(node("rect", { ...box, class: "cell" }));
    const fill = node("rect", { ...box, width: 0 });
    const edge = node("rect", { x, y, width: 6, height: box.height, rx: 3 });
    const most = Math.floor((cell.width - 24) / 15);
    const name = strand.name.length > most ? `${strand.name.slice(0, most - 1)}…` : strand.name;
    const count = node("text", { x: x + 14, y: y + 46, class: "count" });
    map.append(fill, edge, node("text", { x: x + 14, y: y + 25 }, name), count, node("title", {}, strand.name));
    return { strand, fill, edge, count, width: box.width };
  });
}

function show(cells, steps, at) {
  let reached = 0;
  let expected = 0;
  for (const { strand, fill, edge, count, width } of cells) {
    const groups = at ? strand.groups[at - 1] : 0;
    const share = groups / strand.expected;
    fill.setAttribute("width", Math.max(share > 0 ? 8 : 0, width * share));
    fill.setAttribute("class", `fill ${heatOf(share)}`);
    edge.setAttribute("class", heatOf(share));
    count.textContent = `${groups} / ${strand.expected} 群`;
    reached += groups;
    expected += strand.expected;
  }
  const when = at ? `发布后 ${steps[at - 1].text}` : "发布时";
  return `${when}：${reached} / ${expected} 群`;
}

async function prepareReplay() {
  const answer = await fetch(replay.dataset.replay, { headers: { Accept: "application/json" } });
  if (!answer.ok || answer.redirected) return;
  const { steps, strands } = await answer.json();
  if (!steps.length || !strands.length) return;
  replay.hidden = false;
  const slider = replay.querySelector("[data-replay-slider]");
  const button = replay.querySelector("[data-replay-play]");
  const text = replay.querySelector("[data-replay-text]");
  const cells = draw(replay.querySelector("[data-replay-map]"), strands);
  const move = () => {
    text.textContent = show(cells, steps, Number(slider.value));
    slider.setAttribute("aria-valuetext", text.textContent);
  };
  let playing = 0;
  const stop = () => {
    clearInterval(playing);
    playing = 0;
    button.textContent = "播放";
  };
  slider.max = steps.length;
  slider.value = steps.length;
  move();
  slider.addEventListener("input", () => { stop(); move(); });
  button.addEventListener("click", () => {
    if (playing) return stop();
    if (Number(slider.value) >= steps.length) slider.value = 0;
    button.textContent = "暂停";
    move();
    playing = setInterval(() => {
      slider.value = Number(slider.value) + 1;
      move();
      if (Number(slider.value) >= steps.length) stop();
    }, Math.max(60, Math.min(400, 12000 / steps.length)));
  });
}

if (replay) prepareReplay().catch((error) => console.info("no replay", error));
