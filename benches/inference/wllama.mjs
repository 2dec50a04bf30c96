// wllama: llama.cpp in a worker that it starts itself, on one thread. Two of its versions: the newest, whose program has
// addresses of 64 bits, and the last one with 32 bits, which browsers run faster.

import { LoggerWithoutDebug, Wllama } from "/packages/@wllama/wllama/esm/index.js";
import { Wllama as Wllama32 } from "/packages/wllama-wasm32/esm/index.js";

const CONTEXT = 1024;
const QUIET = { suppressNativeLog: true, logger: LoggerWithoutDebug };

/** The newest: continues a prompt with the best token each time, without what it kept of a prompt before. */
async function generate64(wllama, prompt, maxTokens, hear) {
  const onData = ({ choices }) => choices[0]?.text && hear(choices[0].text);
  await wllama.createCompletion({
    prompt,
    max_tokens: maxTokens,
    temperature: 0,
    cache_prompt: false,
    stream: true,
    onData,
  });
}

/** The same as the one with 32 bits is asked. */
async function generate32(wllama, prompt, maxTokens, hear) {
  let before = "";
  const onNewToken = (_token, _piece, text) => {
    hear(text.slice(before.length));
    before = text;
  };
  await wllama.createCompletion(prompt, { nPredict: maxTokens, sampling: { temp: 0 }, useCache: false, onNewToken });
}

const VERSIONS = {
  64: {
    make: () => new Wllama({ default: "/packages/@wllama/wllama/esm/wasm/wllama.wasm" }, QUIET),
    generate: generate64,
  },
  32: {
    make: () => new Wllama32({ "single-thread/wllama.wasm": "/packages/wllama-wasm32/esm/single-thread/wllama.wasm" }, QUIET),
    generate: generate32,
  },
};

/** Starts the version with addresses of `bits`, with a GGUF loaded. */
export async function start(bits, address) {
  const { make, generate } = VERSIONS[bits];
  const wllama = make();
  const file = await (await fetch(address)).blob();
  await wllama.loadModel([file], { n_threads: 1, n_gpu_layers: 0, n_ctx: CONTEXT });
  const answer = async (prompt, maxTokens) => {
    const arrivals = [];
    let text = "";
    const begun = performance.now();
    await generate(wllama, prompt, maxTokens, (part) => {
      arrivals.push(performance.now() - begun);
      text += part;
    });
    return { arrivals, text };
  };
  return { threads: wllama.getNumThreads(), generate: answer, end: () => wllama.exit() };
}
