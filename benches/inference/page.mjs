// What the benchmark's script calls in the page.

import * as ours from "./ours.mjs";
import * as transformers from "./transformers.mjs";
import * as wllama from "./wllama.mjs";

const running = {};

/** Starts a runtime under a name, in place of the one before it; gives what it tells about itself. */
async function start(name, make) {
  await running[name]?.end();
  running[name] = await make();
  return Object.fromEntries(Object.entries(running[name]).filter(([, value]) => typeof value !== "function"));
}

/** Contexts of the shipped dataset's tasks, each once. */
async function passages() {
  const rows = (await (await fetch("/datasets/poq-lab-2/tasks.jsonl")).text()).trim().split("\n");
  return [...new Set(rows.map((row) => JSON.parse(row).context).filter(Boolean))];
}

/** What the browser calls its graphics processor; null where there is none. */
async function adapter() {
  const found = await navigator.gpu?.requestAdapter();
  if (!found) return null;
  const { vendor, architecture, description } = found.info;
  return [vendor, architecture, description].filter(Boolean).join(" ");
}

window.bench = {
  running,
  passages,
  adapter,
  startOurs: (kind) => start(`ours-${kind}`, () => ours.start(kind)),
  startTransformers: (device) => start(`transformers-${device}`, () => transformers.start(device)),
  startWllama: (bits, address) => start(`wllama-${bits}`, () => wllama.start(bits, address)),
  end: async (name) => {
    await running[name].end();
    delete running[name];
  },
  call: (name, method, ...given) => running[name][method](...given),
};
