// The worker's life: made when training starts, ended when it is done, on Reset, and when the
// lab leaves the page. A hidden tab pauses.

// A browser that was told so by the server refuses without a word of its own.
const NO_WORKER = "the browser refused to start the worker that trains; the server of this page may forbid it (its Content-Security-Policy needs \"worker-src blob:\")";

// Whether this browser can run the engine at all: SIMD, and a way to unpack the digits.
export function canTrain(wasm) {
  if (!("WebAssembly" in window && "Worker" in window && "DecompressionStream" in window)) return false;
  return WebAssembly.validate(Uint8Array.from(atob(wasm), (letter) => letter.charCodeAt(0)));
}

// Of a text in ASCII. Not by crypto.subtle, which pages served over plain http do not have.
function adler32(text) {
  let [a, b] = [1, 0];
  for (let i = 0; i < text.length; i++) {
    a = (a + text.charCodeAt(i)) % 65521;
    b = (b + a) % 65521;
  }
  return b * 65536 + a;
}

// The digits, once for all labs of a page. A script element, as a page on disk may fetch nothing.
function loadDigits(address, checksum) {
  globalThis.bnDigitsLoading ||= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    const fail = (text) => {
      globalThis.bnDigitsLoading = null; // another try may find the file mended
      reject(new Error(text));
    };
    globalThis.bnDigits = "";
    script.src = address;
    script.onload = () => {
      script.remove();
      if (adler32(String(globalThis.bnDigits)) === checksum) resolve(globalThis.bnDigits);
      else fail("the file with the digits, " + address + ", is damaged or of another version");
    };
    script.onerror = () => {
      script.remove();
      fail("the file with the digits, " + address + ", did not load");
    };
    document.head.append(script);
  });
  return globalThis.bnDigitsLoading;
}

// "listen" hears the worker's messages and { type: "hidden" }, { type: "shown" }.
export function createTrainer(root, data, listen) {
  let worker = null;
  let address = "";
  let attempt = 0; // a start that was reset while it still loaded must not go on
  let pausedByTab = false;
  let paused = false;
  const gone = new MutationObserver(() => { if (!root.isConnected) stop(); });

  function send(message) {
    if (worker) worker.postMessage(message);
  }

  async function start(setting) {
    stop();
    const mine = ++attempt;
    gone.observe(document, { childList: true, subtree: true });
    document.addEventListener("visibilitychange", watchTab);
    try {
      const digits = await loadDigits(data.digits, data.checksum);
      if (mine !== attempt) return;
      address = URL.createObjectURL(new Blob([data.worker], { type: "text/javascript" }));
      worker = new Worker(address);
      worker.onmessage = (event) => hear(event.data);
      worker.onerror = (event) => hear({ type: "error", text: event.message || NO_WORKER });
      send({ type: "start", wasm: data.wasm, digits, trainCount: data.train_count, setting });
      watchTab();
    } catch (error) {
      if (mine === attempt) hear({ type: "error", text: error.message });
    }
  }

  function hear(message) {
    if (message.type === "done" || message.type === "error") stop();
    listen(message);
  }

  function watchTab() {
    if (document.hidden === pausedByTab || paused) return;
    pausedByTab = document.hidden;
    send({ type: pausedByTab ? "pause" : "resume" });
    listen({ type: pausedByTab ? "hidden" : "shown" });
  }

  function pause(wanted) {
    paused = wanted;
    send({ type: paused ? "pause" : "resume" });
  }

  function stop() {
    attempt += 1;
    gone.disconnect();
    document.removeEventListener("visibilitychange", watchTab);
    if (worker) worker.terminate();
    URL.revokeObjectURL(address);
    worker = null;
    paused = pausedByTab = false;
  }

  return { start, stop, pause, setRate: (lr) => send({ type: "rate", lr }) };
}
