// Asks a codec for what the server could not read, where an operator lets the browser do so. All is text: never HTML.

const codec = document.getElementById("codec");
// What is known already, by what was asked: live pages bring the same again.
const known = new Map();

function plain(encoded) {
  return Uint8Array.from(atob(encoded || ""), (letter) => letter.charCodeAt(0));
}

function waiting() {
  return [...document.querySelectorAll(".payload[data-encoded]")].slice(0, 500);
}

function show() {
  for (const view of waiting()) {
    const found = known.get(view.dataset.encoded);
    if (!found) continue;
    view.removeAttribute("data-encoded");
    view.querySelector("pre").textContent = found.text;
    view.querySelector(".meta code").textContent = `${found.encoding}, decoded`;
  }
}

async function decode() {
  show();
  const asked = [...new Set(waiting().map((view) => view.dataset.encoded))];
  if (!asked.length) return;
  try {
    const answer = await fetch(codec.dataset.url, {
      method: "POST",
      headers: { "content-type": "application/json", "x-namespace": codec.dataset.namespace },
      credentials: codec.dataset.credentials === "true" ? "include" : "omit",
      redirect: "error",
      body: `{"payloads":[${asked.join(",")}]}`,
    });
    if (!answer.ok) throw new Error(`the codec answered ${answer.status}`);
    const { payloads } = await answer.json();
    if (!Array.isArray(payloads) || payloads.length !== asked.length) throw new Error("its answer makes no sense");
    payloads.forEach((payload, at) => {
      const text = new TextDecoder().decode(plain(payload.data));
      const encoding = new TextDecoder().decode(plain(payload.metadata && payload.metadata.encoding));
      known.set(asked[at], { text, encoding });
    });
    codec.hidden = true;
    show();
  } catch (error) {
    codec.textContent = `Payloads are shown as they are stored: ${error.message}.`;
    codec.hidden = false;
  }
}

if (codec) {
  decode();
  document.addEventListener("patched", decode);
}
