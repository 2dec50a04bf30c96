// wllama: llama.cpp in a worker that it starts itself, on one thread.

import { LoggerWithoutDebug, Wllama } from "/packages/@wllama/wllama/esm/index.js";

const CONTEXT = 1024;

/** Starts it with a GGUF loaded. */
export async function start(address) {
  const wllama = new Wllama(
    { default: "/packages/@wllama/wllama/esm/wasm/wllama.wasm" },
    { suppressNativeLog: true, logger: LoggerWithoutDebug },
  );
  const begun = performance.now();
  const file = await (await fetch(address)).blob();
  await wllama.loadModel([file], { n_threads: 1, n_gpu_layers: 0, n_ctx: CONTEXT, n_parallel: 1 });
  const loadMs = performance.now() - begun;

  /** Continues a prompt with the best token each time, without what it kept of a prompt before. */
  const generate = async (prompt, maxTokens) => {
    const arrivals = [];
    let text = "";
    let timings = null;
    const begun = performance.now();
    const hear = (chunk) => {
      timings = chunk.timings ?? timings;
      const part = chunk.choices[0]?.text ?? "";
      if (part === "") return;
      arrivals.push(performance.now() - begun);
      text += part;
    };
    const options = { prompt, max_tokens: maxTokens, temperature: 0, cache_prompt: false, stream: true, onData: hear };
    await wllama.createCompletion(options);
    return { arrivals, text, timings };
  };
  const threads = wllama.getNumThreads();
  return { loadMs, threads, generate, end: () => wllama.exit() };
}
