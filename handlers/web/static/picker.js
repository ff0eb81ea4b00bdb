// Search fields that add what one chooses as a chip with a hidden field.

function pick(list, name, id, label) {
  if (list.querySelector(`input[value="${CSS.escape(id)}"]`)) return;
  const chip = document.createElement("span");
  chip.className = "picked";
  const field = document.createElement("input");
  Object.assign(field, { type: "hidden", name, value: id });
  const remove = document.createElement("button");
  Object.assign(remove, { type: "button", className: "unpick", textContent: "✕" });
  remove.setAttribute("aria-label", `去掉 ${label}`);
  chip.append(field, label, remove);
  list.append(chip);
}

function startPicker(input, changed) {
  const found = input.closest("label").nextElementSibling;
  const list = found.nextElementSibling;
  let timer;
  let asking;

  async function ask() {
    const text = input.value.trim();
    asking?.abort();
    if (!text) return close();
    asking = new AbortController();
    try {
      const answer = await fetch(`${input.dataset.search}?q=${encodeURIComponent(text)}`, {
        headers: { Accept: "application/json" },
        signal: asking.signal,
      });
      if (answer.ok) draw((await answer.json()).found);
    } catch (error) {
      if (error.name !== "AbortError") close();
    }
  }

  function draw(rows) {
    found.replaceChildren(...(rows.length ? rows.map(choice) : [nothing()]));
    found.hidden = false;
  }

  function choice(row) {
    const item = document.createElement("li");
    const button = document.createElement("button");
    const hint = document.createElement("small");
    button.type = "button";
    hint.textContent = row.hint;
    button.append(row.name, hint);
    button.addEventListener("click", () => {
      pick(list, input.dataset.name, String(row.id), row.name);
      input.value = "";
      close();
      input.focus();
      changed();
    });
    item.append(button);
    return item;
  }

  function nothing() {
    const item = document.createElement("li");
    item.className = "muted";
    item.textContent = "没有找到";
    return item;
  }

  function close() {
    found.hidden = true;
    found.replaceChildren();
  }

  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, 200);
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
    if (event.key === "Enter") {
      event.preventDefault(); // it would send the whole form
      found.querySelector("button")?.click();
    }
    if (event.key === "ArrowDown") found.querySelector("button")?.focus();
  });
  list.addEventListener("click", (event) => {
    if (!event.target.matches(".unpick")) return;
    event.target.closest(".picked").remove();
    changed();
  });
}

export function startPickers(form, changed) {
  for (const input of form.querySelectorAll("input[data-search]")) startPicker(input, changed);
}
