// Keeps states and login codes fresh: a code lives for a minute or two, and whoever scans wants to see it work.

const SECONDS = 2;

async function refresh(list) {
  if (!document.hidden) {
    try {
      const answer = await fetch(list.dataset.refresh, { headers: { Accept: "text/html" } });
      if (answer.redirected || answer.status === 401 || answer.status === 403) return location.reload();
      const html = answer.ok ? await answer.text() : list.innerHTML;
      if (html !== list.shown) list.innerHTML = list.shown = html;
    } catch {
      // The server is away for a moment; the next look will tell.
    }
  }
  setTimeout(refresh, SECONDS * 1000, list);
}

for (const list of document.querySelectorAll("[data-refresh]")) setTimeout(refresh, SECONDS * 1000, list);
