// Keys. Never while somebody types, and never with Ctrl, Alt or Meta. Elements say their key with data-key.

let first = "";

function typing(target) {
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.nodeName);
}

function rows() {
  return [...document.querySelectorAll("[data-row]")];
}

function step(by) {
  const all = rows();
  const at = all.findIndex((row) => row.contains(document.activeElement));
  const next = all[at < 0 ? 0 : Math.min(Math.max(at + by, 0), all.length - 1)];
  const link = next && next.querySelector("a");
  if (link) link.focus();
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    const menu = document.activeElement.closest("details.menu[open]");
    if (menu) {
      menu.open = false;
      menu.querySelector("summary").focus();
    } else if (typing(event.target)) {
      event.target.blur();
    }
    return;
  }
  if (event.ctrlKey || event.altKey || event.metaKey || typing(event.target)) {
    if (!(event.target.type === "checkbox" && "jkx".includes(event.key))) return;
  }
  const key = first + event.key;
  first = "";
  const found = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (found) {
    event.preventDefault();
    if (/^(INPUT|TEXTAREA)$/.test(found.nodeName)) found.select();
    else if (found.nodeName === "SUMMARY") (found.parentElement.open = !found.parentElement.open), found.focus();
    else found.click();
  } else if (event.key === "g") {
    first = "g ";
    setTimeout(() => (first = ""), 1500);
  } else if (event.key === "j") {
    step(1);
  } else if (event.key === "k") {
    step(-1);
  } else if (event.key === "x") {
    const row = document.activeElement.closest("[data-row]");
    const box = row && row.querySelector("input[type=checkbox]");
    if (box) box.click();
  }
});

// A menu closes when something else is clicked.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
