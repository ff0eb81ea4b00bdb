// Small comforts on every page. Everything works without them.

/** Ask before a step that cannot be taken back: <form data-confirm="…">. */
document.addEventListener("submit", (event) => {
  const question = event.target.dataset?.confirm;
  if (question && !window.confirm(question)) {
    event.preventDefault();
    event.stopImmediatePropagation();
  }
}, true);

/** A form is sent once, however often the button is pressed. */
document.addEventListener("submit", (event) => {
  if (event.defaultPrevented || ["get", "dialog"].includes(event.target.method)) return;
  if (event.target.dataset.sent) {
    event.preventDefault();
    return;
  }
  event.target.dataset.sent = "yes";
  const button = event.submitter;
  if (button?.dataset.busy) setTimeout(() => { // after the browser has read the form
    button.textContent = button.dataset.busy;
    button.disabled = true;
  });
});
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

/** What is being mended is no longer called wrong; the server looks again. */
document.addEventListener("input", (event) => {
  const field = event.target;
  if (field.getAttribute("aria-invalid") !== "true") return;
  field.removeAttribute("aria-invalid");
  const fault = document.getElementById(field.getAttribute("aria-describedby"));
  if (fault?.classList.contains("fault")) fault.hidden = true;
});

/** Choosing in a filter is enough: <select data-submit>. */
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
});

/** A click beside the phone's menu closes it. */
document.addEventListener("click", (event) => {
  const menu = document.querySelector(".tabs .more[open]");
  if (menu && !menu.contains(event.target)) menu.open = false;
});

/** Keys: "/" search, "n" new alert, "?" what there is. Never while one types, never with Ctrl or the like. */
const staff = document.querySelector('.side-nav a[href="/alerts"]') !== null;
const keys = [
  ["/", "到搜索框", () => {
    const search = document.querySelector("main input[type=search]");
    if (search) search.focus();
    else location.assign("/units#search");
  }],
  ...(staff ? [["n", "写预警", () => location.assign("/alerts/new")]] : []),
  ["?", "看快捷键", () => help().showModal()],
];

if (location.hash === "#search") document.querySelector("main input[type=search]")?.focus();

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, dialog, [contenteditable]");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const found = document.querySelector(".side-nav") && keys.find(([key]) => key === event.key);
  if (!found) return;
  event.preventDefault();
  found[2]();
});

/** The list of keys; Esc closes it, as everywhere. */
function help() {
  const known = document.querySelector("dialog.keys");
  if (known) return known;
  const dialog = document.createElement("dialog");
  dialog.className = "keys card";
  dialog.setAttribute("aria-labelledby", "keys-title");
  const title = Object.assign(document.createElement("h2"), { id: "keys-title", textContent: "快捷键" });
  const list = document.createElement("dl");
  list.className = "facts";
  for (const [key, meaning] of [...keys, ["Esc", "关闭"]]) {
    const row = document.createElement("div");
    const name = document.createElement("dt");
    name.append(Object.assign(document.createElement("kbd"), { textContent: key }));
    row.append(name, Object.assign(document.createElement("dd"), { textContent: meaning }));
    list.append(row);
  }
  const form = Object.assign(document.createElement("form"), { method: "dialog" });
  form.append(Object.assign(document.createElement("button"), { textContent: "关闭" }));
  dialog.append(title, list, form);
  document.body.append(dialog);
  return dialog;
}
