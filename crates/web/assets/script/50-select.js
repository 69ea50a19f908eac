// Picking rows: all at once, a range with Shift, and how many there are.

const pick = document.querySelector("[data-pick-all]");

function boxes() {
  return [...document.querySelectorAll("input[name=run]")];
}

function tell() {
  const all = boxes();
  const count = all.filter((box) => box.checked).length;
  for (const note of document.querySelectorAll("[data-picked]")) {
    note.textContent = count ? `${count} picked` : "";
  }
  if (pick) {
    pick.checked = count > 0 && count === all.length;
    pick.indeterminate = count > 0 && count < all.length;
  }
}

let last = null;

document.addEventListener("click", (event) => {
  const box = event.target;
  if (box.name !== "run") return;
  const all = boxes();
  if (event.shiftKey && last && all.includes(last)) {
    const [from, to] = [all.indexOf(last), all.indexOf(box)].sort((a, b) => a - b);
    for (const between of all.slice(from, to + 1)) between.checked = box.checked;
  }
  last = box;
  tell();
});

if (pick) {
  pick.closest("th").hidden = false;
  pick.addEventListener("change", () => {
    for (const box of boxes()) box.checked = pick.checked;
    tell();
  });
  tell();
}
