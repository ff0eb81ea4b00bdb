// Suggests units while one types; the server understands names and codes without it.

for (const input of document.querySelectorAll("input[data-suggest]")) {
  let timer;
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      const text = input.value.trim();
      if (!text) return;
      const answer = await fetch(`${input.dataset.suggest}?q=${encodeURIComponent(text)}`, { headers: { Accept: "application/json" } });
      if (!answer.ok) return;
      const { found } = await answer.json();
      input.list.replaceChildren(
        ...found.map((row) => Object.assign(document.createElement("option"), { value: row.code, label: `${row.name} · ${row.hint}` })),
      );
    }, 200);
  });
}
