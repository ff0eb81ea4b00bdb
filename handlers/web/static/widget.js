// One line embeds the question dialog on another site:
//   <script src="https://…/widget.js" async></script>
// Options on that line: data-label="反诈问一问", data-side="left". It reads nothing of the page and sends nothing of it.

(() => {
  const script = document.currentScript;
  const home = new URL(script.src).origin;
  const label = script.dataset.label || "反诈问一问";
  const side = script.dataset.side === "left" ? "left" : "right";
  const STYLE = `
    :host { all: initial; }
    * { box-sizing: border-box; }
    .open, .shut { font: 600 18px/1.2 "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif; cursor: pointer; border: 0; }
    .open {
      position: fixed; bottom: 24px; ${side}: 24px; z-index: 2147483000; display: flex; align-items: center; gap: 10px;
      min-height: 56px; padding: 8px 22px 8px 16px; border-radius: 28px; color: #fff; background: #0f5c63;
      box-shadow: 0 4px 18px rgb(0 40 45 / 35%);
    }
    .open:hover { background: #0a464c; }
    .open:focus-visible, .shut:focus-visible { outline: 3px solid #f0a500; outline-offset: 3px; }
    .open svg { width: 30px; height: 30px; fill: #fff; }
    .open svg .tick { fill: none; stroke: #0f5c63; stroke-width: 2.4; stroke-linecap: round; stroke-linejoin: round; }
    .panel {
      position: fixed; bottom: 96px; ${side}: 24px; z-index: 2147483001; width: min(440px, calc(100vw - 48px)); height: min(700px, calc(100vh - 128px));
      border-radius: 18px; overflow: hidden; background: #f4f7f6; box-shadow: 0 10px 50px rgb(0 30 35 / 40%);
    }
    .panel[hidden] { display: none; }
    iframe { display: block; width: 100%; height: 100%; border: 0; }
    .shut { display: none; }
    @media (max-width: 560px) {
      .open { bottom: 16px; ${side}: 16px; }
      .panel { inset: 0; width: 100vw; height: 100vh; height: 100dvh; border-radius: 0; padding-top: 48px; background: #0f5c63; }
      .shut { display: block; position: absolute; top: 0; right: 0; left: 0; height: 48px; color: #fff; background: #0f5c63; }
    }
    @media print { .open, .panel { display: none; } }
  `;

  const host = document.createElement("div");
  const root = host.attachShadow({ mode: "open" });
  styled();
  const button = element("button", "open", { type: "button", "aria-expanded": "false", "aria-haspopup": "dialog" });
  button.append(shield(), label);
  const panel = element("div", "panel", { role: "dialog", "aria-label": label });
  panel.hidden = true;
  const shut = element("button", "shut", { type: "button" });
  shut.append("关闭，回到网页");
  panel.append(shut);
  root.append(panel, button);

  /** Works under a policy that forbids inline styles, and in browsers that know no constructed sheets. */
  function styled() {
    if ("adoptedStyleSheets" in root && "replaceSync" in CSSStyleSheet.prototype) {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(STYLE);
      root.adoptedStyleSheets = [sheet];
    } else {
      root.append(Object.assign(document.createElement("style"), { textContent: STYLE }));
    }
  }

  function element(tag, className, attributes) {
    const made = document.createElement(tag);
    made.className = className;
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  }

  function shield() {
    const space = "http://www.w3.org/2000/svg";
    const picture = document.createElementNS(space, "svg");
    picture.setAttribute("viewBox", "0 0 24 24");
    picture.setAttribute("aria-hidden", "true");
    const shapes = [["", "M12 1 3 4.500V11c0 6 3.700 10.200 9 12 5.300-1.800 9-6 9-12V4.500z"], ["tick", "m7.500 12 3.200 3.200L16.500 9"]];
    for (const [className, line] of shapes) {
      const path = document.createElementNS(space, "path");
      path.setAttribute("class", className);
      path.setAttribute("d", line);
      picture.append(path);
    }
    return picture;
  }

  /** The dialog is loaded when somebody wants it, and kept while the page lives. */
  function frame() {
    let made = panel.querySelector("iframe");
    if (!made) {
      made = element("iframe", "", { src: `${home}/ask?embed`, title: label, referrerpolicy: "no-referrer" });
      panel.append(made);
    }
    return made;
  }

  function show(open) {
    if (open) frame();
    panel.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
    (open ? frame() : button).focus();
  }

  button.addEventListener("click", () => show(panel.hidden));
  shut.addEventListener("click", () => show(false));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !panel.hidden) show(false);
  });
  window.addEventListener("message", (event) => {
    const ours = event.source && event.source === panel.querySelector("iframe")?.contentWindow;
    if (ours && event.origin === home && event.data === "xinfang-close") show(false);
  });

  if (document.body) document.body.append(host);
  else document.addEventListener("DOMContentLoaded", () => document.body.append(host));
})();
