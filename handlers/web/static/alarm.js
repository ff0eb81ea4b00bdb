// On every page: somebody is being defrauded and nobody takes care of it. Silent, but it cannot be overlooked.

const SECONDS = 15;

function show(alarms) {
  let bar = document.querySelector(".alarm-bar");
  if (!alarms || document.querySelector("[data-leads]")) return bar?.remove(); // the inbox has its own
  if (!bar) {
    bar = Object.assign(document.createElement("a"), { className: "alarm-bar", href: "/questions" });
    bar.setAttribute("role", "alert");
    document.body.prepend(bar);
  }
  bar.textContent = `${alarms} 人可能正在被骗，点这里处理`;
}

async function look() {
  if (!document.hidden) {
    try {
      const answer = await fetch("/leads/alarms", { headers: { Accept: "application/json" } });
      if (answer.ok) show((await answer.json()).alarms);
    } catch {
      // The server is away for a moment; the next look will tell.
    }
  }
  setTimeout(look, SECONDS * 1000);
}

look();
