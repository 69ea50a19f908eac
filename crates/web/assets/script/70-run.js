// A run: dragging over its timeline zooms, and #e17 finds event 17 in whatever window it is.

function timeAt(bends, x) {
  for (let at = 1; at < bends.length; at += 1) {
    const [[t0, x0], [t1, x1]] = [bends[at - 1], bends[at]];
    if (x <= x1) return Math.round(x1 === x0 ? t1 : t0 + ((t1 - t0) * (x - x0)) / (x1 - x0));
  }
  return bends[bends.length - 1][0];
}

let drag = null;

function place(svg, event) {
  const box = svg.getBoundingClientRect();
  return ((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width;
}

document.addEventListener("pointerdown", (event) => {
  const svg = event.target.closest(".timeline .chart");
  if (!svg || event.button || event.pointerType === "touch") return;
  drag = { svg, from: place(svg, event), brush: null };
});

document.addEventListener("pointermove", (event) => {
  if (!drag) return;
  const to = place(drag.svg, event);
  if (!drag.brush && Math.abs(to - drag.from) < 8) return;
  if (!drag.brush) {
    drag.brush = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    drag.brush.setAttribute("class", "brush");
    drag.brush.setAttribute("y", "22");
    drag.brush.setAttribute("height", drag.svg.viewBox.baseVal.height);
    drag.svg.append(drag.brush);
  }
  drag.brush.setAttribute("x", Math.min(to, drag.from));
  drag.brush.setAttribute("width", Math.abs(to - drag.from));
});

document.addEventListener("pointerup", (event) => {
  const { svg, from, brush } = drag || {};
  drag = null;
  if (!brush) return;
  brush.remove();
  const holder = svg.closest(".timeline");
  const bends = holder.dataset.bends.split(" ").map((bend) => bend.split(":").map(Number));
  const ends = [from, place(svg, event)].sort((a, b) => a - b).map((x) => timeAt(bends, x));
  const url = new URL(holder.dataset.here, location.href);
  url.searchParams.set("from", ends[0]);
  url.searchParams.set("to", Math.max(ends[1], ends[0] + 1));
  location.assign(url);
});

// A drag that ends on a mark is no click on it.
document.addEventListener("dragstart", (event) => event.target.closest(".timeline") && event.preventDefault());

const anchor = /^#e(\d+)$/.exec(location.hash);
if (anchor && /\/history$/.test(location.pathname) && !document.getElementById(location.hash.slice(1))) {
  const url = new URL(location.href);
  if (url.searchParams.get("event") !== anchor[1]) {
    url.searchParams.set("event", anchor[1]);
    url.searchParams.delete("from");
    location.replace(url);
  }
}

// What is shown is copied as it stands: the page need not hold it twice. Runs before the script that copies.
document.addEventListener(
  "click",
  (event) => {
    const button = event.target.closest("[data-copy-shown]");
    const shown = button && button.closest(".payload, details").querySelector("pre");
    if (shown) button.dataset.copy = shown.textContent;
  },
  true,
);
