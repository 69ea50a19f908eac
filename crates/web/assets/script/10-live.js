// One event stream for a page that is being looked at. Its messages are elements of the page as they are now; they
// are worked into the page so that focus, selection, open panels and what is typed stay.

const banner = document.getElementById("banner");
let url = document.body.dataset.live;
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
  if (source) tell("closed");
  if (source) source.close();
  source = null;
}

function open() {
  close();
  if (document.hidden) return;
  later.clear();
  resting = false;
  source = new EventSource(url);
  tell("opened");
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

// A browser has six connections to a server over HTTP/1.1, and a stream holds one. So of more than four windows that
// can be seen at once, those that were opened or used last are followed, and others can still be loaded.
const STREAMS_MAX = 4;
const me = `${Date.now()} ${Math.random()}`;
const others = url ? new BroadcastChannel("steadfast") : {};
const later = new Set();
let resting = false;

function tell(what) {
  others.postMessage([what, me]);
}

others.onmessage = ({ data: [what, who] }) => {
  if (what === "opened") later.add(who);
  else later.delete(who);
  if (source && later.size >= STREAMS_MAX) {
    close();
    resting = true;
    say("Four other windows are followed. What is shown here may be old until you come back to it.");
  } else if (resting && later.size < STREAMS_MAX) {
    open();
  }
};

if (url) {
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  addEventListener("focus", () => resting && open());
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => event.persisted && open());
  // After the first frame: nothing that comes is newer than the page itself.
  requestAnimationFrame(() => setTimeout(open));
}

// What is new is worked into the page when it is asked for. The focus goes to the first of it if it was where that was
// asked for; a row that has it keeps it.
let asked = false;

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-stream]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  url = link.dataset.stream;
  asked = true;
  open();
});

document.addEventListener("patched", (event) => {
  if (!asked || event.detail !== "run-history") return;
  asked = false;
  const focused = document.activeElement;
  if (focused !== document.body && !focused.closest(".fresh-rows")) return;
  const first = document.querySelector("[data-row] a");
  if (first) first.focus();
});
