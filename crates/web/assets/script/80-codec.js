// Asks a codec for what the server could not read, where an operator lets the browser do so. All is text: never HTML.

const codec = document.getElementById("codec");

function plain(encoded) {
  return Uint8Array.from(atob(encoded || ""), (letter) => letter.charCodeAt(0));
}

async function decode() {
  const views = [...document.querySelectorAll(".payload[data-encoded]")].slice(0, 500);
  if (!views.length) return;
  try {
    const answer = await fetch(codec.dataset.url, {
      method: "POST",
      headers: { "content-type": "application/json", "x-namespace": codec.dataset.namespace },
      credentials: codec.dataset.credentials === "true" ? "include" : "omit",
      redirect: "error",
      body: `{"payloads":[${views.map((view) => view.dataset.encoded).join(",")}]}`,
    });
    if (!answer.ok) throw new Error(`the codec answered ${answer.status}`);
    const { payloads } = await answer.json();
    if (!Array.isArray(payloads) || payloads.length !== views.length) throw new Error("its answer makes no sense");
    payloads.forEach((payload, at) => {
      const text = new TextDecoder().decode(plain(payload.data));
      const encoding = new TextDecoder().decode(plain(payload.metadata && payload.metadata.encoding));
      const view = views[at];
      view.removeAttribute("data-encoded");
      view.querySelector("pre").textContent = text;
      view.querySelector(".meta code").textContent = `${encoding}, decoded`;
    });
  } catch (error) {
    codec.textContent = `Payloads are shown as they are stored: ${error.message}.`;
    codec.hidden = false;
  }
}

if (codec) decode();
