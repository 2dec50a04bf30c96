// Transformers.js, in a worker of its own.

/** Starts it on `wasm` or `webgpu` with MiniLM loaded; `loadMs` is the time until then. */
export async function start(device) {
  const begun = performance.now();
  const script = new URL("transformers.worker.mjs", import.meta.url);
  const worker = new Worker(script, { type: "module", name: `transformers-${device}` });
  const ask = (message) =>
    new Promise((done, failed) => {
      worker.onmessage = ({ data }) => (data.fault ? failed(new Error(data.fault)) : done(data));
      worker.onerror = (event) => failed(new Error(event.message || "the worker of Transformers.js was not loaded"));
      worker.postMessage(message);
    });
  await ask({ load: device });
  const loadMs = performance.now() - begun;
  const embed = async (texts) => {
    const begun = performance.now();
    const { vectors } = await ask({ embed: texts });
    return { ms: performance.now() - begun, vectors };
  };
  /** Pieces of `passages` that are `tokens` tokens long, at most `count`. */
  const cut = async (passages, tokens, count) => (await ask({ cut: { passages, tokens, count } })).texts;
  return { loadMs, embed, cut, end: () => worker.terminate() };
}
