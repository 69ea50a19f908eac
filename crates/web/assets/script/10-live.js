// One event stream for a page that is being looked at. Its messages are elements of the page as they are now; they
// are worked into the page so that focus, selection, open panels and what is typed stay.

const banner = document.getElementById("banner");
const url = document.body.dataset.live;
let source = null;
let waiting = 0;
let pause = 1000;

function say(text) {
  if (!banner) return;
  banner.textContent = text;
  banner.hidden = !text;
}

// What belongs to the reader and not to the server.
const own = new Set(["open", "checked", "value", "data-own"]);

function adopt(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) {
    old.replaceWith(fresh);
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  if (old.isEqualNode(fresh)) return;
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !own.has(name)) old.removeAttribute(name);
  }
  for (const { name, value } of [...fresh.attributes]) {
    if (!own.has(name) && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  const known = new Map();
  for (const child of old.children) if (child.id) known.set(child.id, child);
  let place = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    const same = child.id ? known.get(child.id) : place && !(place.id && known.has(place.id)) ? place : null;
    if (!same) {
      old.insertBefore(child, place);
    } else if (same === place) {
      place = place.nextSibling;
      adopt(same, child);
    } else {
      old.insertBefore(same, place);
      adopt(same, child);
    }
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

function patch(event) {
  const cut = event.data.indexOf("\n");
  const target = document.getElementById(event.data.slice(0, cut));
  if (!target) return;
  const holder = document.createElement("template");
  holder.innerHTML = event.data.slice(cut + 1).trim();
  const fresh = holder.content.firstElementChild;
  if (fresh) adopt(target, fresh);
  document.dispatchEvent(new CustomEvent("patched", { detail: target.id }));
}

function close() {
  clearTimeout(waiting);
  if (source) source.close();
  source = null;
}

function open() {
  close();
  if (document.hidden) return;
  source = new EventSource(url);
  source.addEventListener("hello", (event) => {
    pause = 1000;
    const script = document.querySelector("script[src]").getAttribute("src");
    say(script.endsWith(event.data) ? "" : "The server has a new version: reload this page to see it.");
  });
  source.addEventListener("patch", patch);
  source.onerror = () => {
    say("The connection to the server is lost. What is shown may be old; trying again …");
    close();
    waiting = setTimeout(open, pause);
    pause = Math.min(pause * 1.5, 10000);
  };
}

if (url) {
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => event.persisted && open());
  open();
}
