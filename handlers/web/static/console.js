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
  if (event.defaultPrevented || event.target.method === "get") return;
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

/** Choosing in a filter is enough: <select data-submit>. */
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
});

/** A click beside the phone's menu closes it. */
document.addEventListener("click", (event) => {
  const menu = document.querySelector(".tabs .more[open]");
  if (menu && !menu.contains(event.target)) menu.open = false;
});

/** "/" goes to the page's search. */
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select");
  const search = document.querySelector("input[type=search]");
  if (event.key === "/" && !typing && search) {
    event.preventDefault();
    search.focus();
  }
});
