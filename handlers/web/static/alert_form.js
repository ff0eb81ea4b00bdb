// Writing an alert: the live preview, the counters, the picture, and what the audience comes to.
import { startPickers } from "./picker.js";

const form = document.getElementById("alert-form");
const max = Number(form.dataset.max);
const characters = (text) => [...text].length;
const part = (name) => form.querySelector(`[data-preview="${name}"]`);
const checked = (name) => form.querySelector(`input[name="${name}"]:checked`);

/** Fill the frame's holes; each by a function, so that "$&" in a text stays "$&". */
function rendered(body, number = "00000000-00") {
  const severity = checked("severity")?.dataset.label ?? "〇色";
  const title = form.elements.title.value.trim();
  const related = form.elements.related_id?.selectedOptions[0]?.dataset.number ?? "";
  return form.dataset.frame
    .replace("{severity}", () => severity)
    .replace("{title}", () => title)
    .replace("{related}", () => related)
    .replace("{number}", () => number)
    .replace("{body}", () => body);
}

function showCount(name, used, room) {
  const counter = form.querySelector(`[data-counter="${name}"]`);
  counter.textContent = `${used} / ${room} 字`;
  counter.classList.toggle("over", used > room);
}

function showText() {
  const body = form.elements.body.value.trim();
  part("text").textContent = rendered(body || "（正文）", "（编号自动生成）");
  showCount("title", characters(form.elements.title.value.trim()), 40);
  showCount("body", characters(body), max - characters(rendered("")));
  const kind = checked("kind").value;
  part("link").hidden = kind !== "link";
  part("link_title").textContent = form.elements.link_title.value || "链接标题";
  part("link_url").textContent = form.elements.link_url.value;
  part("picture").hidden = kind !== "picture" || !part("picture").src;
}

/* ── picture: choose, drop, paste ───────────────────────────────────────── */

const MAX_BYTES = 2 * 1024 * 1024;
const file = form.elements.picture;

/** Photographs of a phone are too large for a chat: make them fit before they travel. */
async function fitting(picture) {
  if (picture.size <= MAX_BYTES) return picture;
  const bitmap = await createImageBitmap(picture);
  const scale = Math.min(1, 1920 / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(bitmap.width * scale);
  canvas.height = Math.round(bitmap.height * scale);
  canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.85));
  return new File([blob], "picture.jpg", { type: "image/jpeg" });
}

async function take(picture) {
  if (!picture?.type.startsWith("image/")) return;
  let fitted = picture;
  try {
    fitted = await fitting(picture);
  } catch (error) {
    console.info("picture kept as it is", error); // the server says what is wrong with it
  }
  const transfer = new DataTransfer();
  transfer.items.add(fitted);
  file.files = transfer.files;
  if (part("picture").src.startsWith("blob:")) URL.revokeObjectURL(part("picture").src);
  part("picture").src = URL.createObjectURL(fitted);
  form.querySelector('input[name="kind"][value="picture"]').checked = true;
  showText();
}

file.addEventListener("change", () => take(file.files[0]));
document.addEventListener("paste", (event) => {
  const picture = [...(event.clipboardData?.files ?? [])].find((one) => one.type.startsWith("image/"));
  if (picture) take(picture);
});
for (const type of ["dragover", "drop"]) {
  form.addEventListener(type, (event) => {
    if (![...(event.dataTransfer?.types ?? [])].includes("Files")) return;
    event.preventDefault();
    if (type === "drop") take(event.dataTransfer.files[0]);
  });
}

/* ── audience ───────────────────────────────────────────────────────────── */

const outcome = document.getElementById("outcome");
const ASKED = ["scope", "unit", "level", "kind_of_unit", "tag", "exclude_unit", "exclude_group", "severity", "when", "scheduled_at"];
let asking;
let timer;

const element = (name, text, className = "") => {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
};
const grouped = (number) => Number(number).toLocaleString("en-US");

function tile(number, label) {
  const made = element("div", undefined, "tile");
  made.append(element("b", grouped(number)), element("span", label));
  return made;
}

function line(text, end, state) {
  const made = element("li", undefined, "line");
  made.append(text);
  if (state) made.append(element("span", state.label, `state ${state.state}`));
  made.append(element("small", end, "end"));
  return made;
}

function drawOutcome(view) {
  const tiles = element("div", undefined, "tiles small-tiles");
  tiles.append(tile(view.groups, "群"), tile(view.members, "人"), tile(view.pushed, "群由机器人推送"), tile(view.relayed, "群靠人转发"));
  const parts = [element("h2", "会发给"), tiles];
  for (const warning of view.warnings) parts.push(element("p", warning, "notice warn"));
  if (view.finish) {
    const time = element("p", "推送用时 ");
    time.append(element("b", view.finish));
    parts.push(time);
  }
  const loads = element("ul", undefined, "rows compact");
  loads.append(...view.loads.map((load) => line(load.name, `${grouped(load.groups)} 群`, load)));
  parts.push(loads);
  if (view.left_out_count) {
    const details = element("details");
    details.open = outcome.querySelector("details")?.open ?? false;
    const list = element("ul", undefined, "rows compact");
    list.append(...view.left_out.map((left) => line(left.name, left.reason)));
    const more = view.left_out_count - view.left_out.length;
    if (more > 0) list.append(element("li", `还有 ${grouped(more)} 个`, "muted"));
    details.append(element("summary", `机器人推送不到的 ${grouped(view.left_out_count)} 个群和单位`), list);
    parts.push(details);
  }
  outcome.replaceChildren(...parts);
}

async function askOutcome() {
  asking?.abort();
  asking = new AbortController();
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (ASKED.includes(name)) query.append(name, value);
  try {
    const answer = await fetch(`/alerts/audience?${query}`, { headers: { Accept: "application/json" }, signal: asking.signal });
    const view = await answer.json();
    if (answer.ok) drawOutcome(view);
    else outcome.replaceChildren(element("h2", "会发给"), element("p", view.error.message, "muted"));
  } catch (error) {
    if (error.name !== "AbortError") outcome.replaceChildren(element("h2", "会发给"), element("p", "暂时算不出来，请检查网络", "notice bad"));
  }
}

function soon() {
  if (!outcome) return;
  clearTimeout(timer);
  timer = setTimeout(askOutcome, 300);
}

form.addEventListener("input", (event) => {
  showText();
  if (ASKED.includes(event.target.name)) soon();
});
form.elements.related_id?.addEventListener("change", showText);
startPickers(form, soon);
showText();
soon();
