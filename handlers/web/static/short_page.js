// The copy button: the words that hold now and the address of their page, ready for a group.

const button = document.getElementById("copy");
const said = document.getElementById("copied");

function copyByHand(text) {
  // Browsers inside chat programs often refuse the clipboard on pages without TLS.
  const field = document.createElement("textarea");
  field.value = text;
  field.readOnly = true;
  field.className = "unseen";
  document.body.append(field);
  field.select();
  field.setSelectionRange(0, text.length);
  const done = document.execCommand("copy");
  field.remove();
  return done;
}

async function copy() {
  const text = `${button.dataset.words}\n${location.origin}${button.dataset.path}`;
  let done = false;
  try {
    await navigator.clipboard.writeText(text);
    done = true;
  } catch {
    done = copyByHand(text);
  }
  said.textContent = done ? "已复制，到群里粘贴即可" : "没有复制成功，请长按上面的文字复制";
}

button?.addEventListener("click", copy);
