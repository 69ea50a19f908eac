// Keeps "3 m ago" true while a page stands open.

const units = [[86400, "d"], [3600, "h"], [60, "m"], [1, "s"]];

function coarse(seconds) {
  const [size, name] = units.find(([size]) => seconds >= size) || units[3];
  return `${Math.floor(seconds / size)} ${name}`;
}

function exact(seconds) {
  const at = units.findIndex(([size]) => seconds >= size);
  if (at < 0 || at === 3) return `${Math.floor(seconds)} s`;
  const [size, name] = units[at];
  const [part, small] = units[at + 1];
  const rest = Math.floor((seconds % size) / part);
  return `${Math.floor(seconds / size)} ${name}${rest ? ` ${rest} ${small}` : ""}`;
}

function refresh() {
  if (document.hidden) return;
  for (const time of document.querySelectorAll("time[data-form]")) {
    const ago = (Date.now() - Date.parse(time.dateTime)) / 1000;
    let text = exact(Math.max(time.dataset.form === "left" ? -ago : ago, 0));
    if (time.dataset.form === "ago") {
      text = Math.abs(ago) < 1 ? "now" : ago > 0 ? `${coarse(ago)} ago` : `in ${coarse(-ago)}`;
    }
    if (time.textContent !== text) time.textContent = text;
  }
}

setInterval(refresh, 1000);
