// Finding an operation: what does not contain every word that is typed is hidden; a link opens what it leads to.

const form = document.querySelector("[data-api-search]");
const count = document.querySelector("[data-api-count]");
const operations = [...document.querySelectorAll("[data-api-operation]")];
const sections = [...document.querySelectorAll("[data-api-section]")];

function find() {
  const words = form.q.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const one of operations) {
    const text = one.dataset.apiOperation.toLowerCase();
    one.hidden = !words.every((word) => text.includes(word));
    shown += one.hidden ? 0 : 1;
  }
  for (const section of sections) section.hidden = !section.querySelector("[data-api-operation]:not([hidden])");
  count.textContent = words.length ? `找到 ${shown} 个` : "";
}

function open() {
  const target = location.hash.length > 1 ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null;
  if (target instanceof HTMLDetailsElement) target.open = true;
}

form.addEventListener("input", find);
form.addEventListener("submit", (event) => event.preventDefault());
window.addEventListener("hashchange", open);
open();
