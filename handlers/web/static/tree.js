// Unfolds the tree of units in place; without this script the names are links to the same figures.

const prepare = (root) => {
  for (const button of root.querySelectorAll(".unfold[hidden]")) button.hidden = false;
};

document.addEventListener("click", async (event) => {
  const button = event.target.closest(".unfold");
  if (!button) return;
  const item = button.closest("li");
  const open = button.getAttribute("aria-expanded") === "true";
  button.setAttribute("aria-expanded", String(!open));
  const below = item.querySelector(":scope > .tree, :scope > .fault");
  if (open) {
    below?.remove();
    return;
  }
  try {
    const answer = await fetch(button.dataset.unfold);
    if (!answer.ok || answer.redirected) throw new Error(`status ${answer.status}`);
    const parsed = new DOMParser().parseFromString(await answer.text(), "text/html");
    const tree = document.importNode(parsed.querySelector(".tree"), true);
    prepare(tree);
    item.append(tree);
  } catch (error) {
    console.info("unfolding failed", error);
    const fault = document.createElement("p");
    fault.className = "fault";
    fault.textContent = "没有取到下级单位，请收起后再试";
    item.append(fault);
  }
});

prepare(document);
