// Copying. An element with data-copy copies that text, one with data-copy-link a whole URL: that of the page if none is
// given. Plain HTTP has no clipboard API, so there is a second way.

function byHand(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return byHand(text);
  }
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy], [data-copy-link]");
  if (!button) return;
  event.preventDefault();
  const { copy: text, copyLink: link } = button.dataset;
  const done = await copy(text ?? new URL(link || location.href, location.href).href);
  const label = button.textContent;
  button.textContent = done ? "Copied" : "Not copied";
  setTimeout(() => (button.textContent = label), 1200);
});
