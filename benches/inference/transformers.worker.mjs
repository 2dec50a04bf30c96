// The worker's side of Transformers.js: one thread, float32, files of this server alone.

import { env, pipeline } from "/packages/@huggingface/transformers/dist/transformers.min.js";

const RUNTIME = new URL("/packages/onnxruntime-web/dist/ort-wasm-simd-threaded.asyncify", location.href).href;

env.allowRemoteModels = false;
env.allowLocalModels = true;
env.localModelPath = "/onnx/";
env.useBrowserCache = false;
// The runtime that Transformers.js takes by default, from beside the page.
env.backends.onnx.wasm.wasmPaths = { mjs: `${RUNTIME}.mjs`, wasm: `${RUNTIME}.wasm` };
env.backends.onnx.wasm.numThreads = 1;

let extract;

async function load(device) {
  extract = await pipeline("feature-extraction", "all-minilm-l6-v2", { device, dtype: "fp32" });
  return {};
}

async function embed(texts) {
  const output = await extract(texts, { pooling: "mean", normalize: true });
  return { vectors: output.tolist() };
}

/** The words from `begin` on that come to just `tokens` tokens, or null where a word goes beyond. */
function piece(words, begin, tokens) {
  // Every word is a token at least, and two are the model's own.
  for (let end = begin + 1; end <= Math.min(words.length, begin + tokens - 2); end += 1) {
    const text = words.slice(begin, end).join(" ");
    const length = extract.tokenizer.encode(text).length;
    if (length === tokens) return text;
    if (length > tokens) return null;
  }
  return null;
}

function cut({ passages, tokens, count }) {
  const texts = [];
  for (let begin = 0; texts.length < count && begin < 200; begin += 7) {
    for (const passage of passages) {
      const text = piece(passage.split(/\s+/), begin, tokens);
      if (text !== null && texts.length < count) texts.push(text);
    }
  }
  return { texts };
}

self.onmessage = async ({ data }) => {
  try {
    if (data.load) self.postMessage(await load(data.load));
    else if (data.cut) self.postMessage(cut(data.cut));
    else self.postMessage(await embed(data.embed));
  } catch (error) {
    self.postMessage({ fault: String(error?.stack ?? error) });
  }
};
