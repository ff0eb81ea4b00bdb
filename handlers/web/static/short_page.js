// The copy button: the words that hold now and the address of their page, ready for a group.

import { copy } from "./copying.js";

const button = document.getElementById("copy");
const said = document.getElementById("copied");

button?.addEventListener("click", async () => {
  const done = await copy(`${button.dataset.words}\n${location.origin}${button.dataset.path}`);
  said.textContent = done ? "已复制，到群里粘贴即可" : "没有复制成功，请长按上面的文字复制";
});
