// Sets the models in the page beside other runtimes in a page: the same browser, machine, weights and texts, in turn.
//
//   ./lab bench          builds the page, brings what this needs and runs it
//   node benches/inference.mjs [--only cpu,decode,gpu] [--turns N] [--texts N] [--gpu-turns N] [--gpu-texts N] [--tokens N]
//   node benches/inference.mjs --only profile      where the time of a text goes on WebGPU, kernel by kernel
//
// MiniLM in float32 beside Transformers.js, on one wasm thread and on WebGPU; SmolLM2 as Q4_1 beside wllama, on one thread.
// Times are taken in the page, from the question to the answer: tokenizer and messages are in them, for both sides alike.
// It says what holds and what does not, and fails only where the two do not compute the same.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { withPage } from "../tests/browser/harness.mjs";

const CACHE = process.env.POQ_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(process.env.HOME, ".cache"), "poq-lab");
const FOLDER = fileURLToPath(new URL("inference", import.meta.url));
const MOUNTS = {
  bench: FOLDER,
  packages: join(FOLDER, "node_modules"),
  models: join(CACHE, "models"),
  onnx: join(CACHE, "onnx"),
};
const MINILM = "all-minilm-l6-v2";
const SMOLLM2 = "smollm2-135m-instruct";
const GGUF = `/models/${SMOLLM2}/SmolLM2-135M-Instruct.Q4_1.gguf`;

/** With the two that the model adds. */
const TOKENS_OF_A_TEXT = 66;
const BATCH = 32;
/** An emulated adapter computes less than a thousandth of what a real one does. */
const EMULATED = /swiftshader|llvmpipe/i;
/** A prompt of this many words has about 200 tokens. */
const WORDS_OF_A_LONG_PROMPT = 150;
const AGREE = 0.999;
/** Of wllama's programs' addresses: the newest version, and the faster one before it. */
const BITS = [64, 32];

const { values: options } = parseArgs({
  options: {
    only: { type: "string", default: "cpu,decode,gpu" },
    turns: { type: "string", default: "5" },
    texts: { type: "string", default: "32" },
    "gpu-turns": { type: "string" },
    "gpu-texts": { type: "string" },
    tokens: { type: "string", default: "32" },
  },
});
const parts = options.only.split(",");
const turns = Number(options.turns);

const verdicts = [];

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}

/** Keeps the ratios of all turns for the end. `bound` is the least that holds; with `isCost`, the most. */
function judge(what, ratios, bound = null, isCost = false) {
  verdicts.push({ what, ratios, bound, isCost });
}

function tellVerdicts() {
  console.log("\nmedian ratio (least to most over the turns)");
  for (const { what, ratios, bound, isCost } of verdicts) {
    const middle = median(ratios);
    const words = `${middle.toFixed(2)} (${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)})  ${what}`;
    if (bound === null) console.log(`  ${words}`);
    else {
      const holds = isCost ? middle <= bound : middle >= bound;
      console.log(`  ${words}: ${isCost ? "at most" : "at least"} ${bound.toFixed(2)}, ${holds ? "held" : "NOT HELD"}`);
    }
  }
}

function cosine(a, b) {
  let [dot, ofA, ofB] = [0, 0, 0];
  a.forEach((x, i) => {
    dot += x * b[i];
    ofA += x * x;
    ofB += b[i] * b[i];
  });
  return dot / Math.sqrt(ofA * ofB);
}

function checkVectors({ ours, theirs }) {
  const isOff = (length) => length !== TOKENS_OF_A_TEXT;
  if (ours.lengths.some(isOff)) throw new Error("a text is not as long as it should be");
  const least = Math.min(...ours.vectors.map((vector, i) => cosine(vector, theirs.vectors[i])));
  console.log(`  least cosine of our vectors and theirs: ${least.toFixed(6)}`);
  if (!(least > AGREE)) throw new Error(`the vectors are not those of one model: cosine ${least}`);
}

const seconds = (ms) => `${(ms / 1000).toFixed(2)} s`;
/** Calls `window.bench` in the page. */
const caller = (page) => (method, ...given) =>
  page.evaluate(([method, given]) => window.bench[method](...given), [method, given]);

/** Embeds texts in messages of `size`; gives the time of all, and their vectors. */
async function embed(call, name, texts, size) {
  let ms = 0;
  const [vectors, lengths] = [[], []];
  for (let at = 0; at < texts.length; at += size) {
    const embedded = await call("call", name, "embed", texts.slice(at, at + size));
    ms += embedded.ms;
    vectors.push(...embedded.vectors);
    lengths.push(...(embedded.tokenIds ?? []).map((ids) => ids.length));
  }
  return { ms, vectors, lengths };
}

/** How long a model takes until it has embedded its first text, where its weights are in the browser or beside it. */
async function tellStart(call, ours, theirs, text, started, startedTheirs) {
  const loaded = await call("call", ours, "load", MINILM);
  const { first_ms: first, second_ms: second } = loaded.known_answer;
  console.log(
    `  ours: program ${seconds(started.startMs)}, weights read and checked ${seconds(loaded.check_ms)}, put on the device ` +
      `${seconds(loaded.upload_ms)}, first known answer ${seconds(first)}, second ${seconds(second)}`,
  );
  const firstText = await call("call", theirs, "embed", [text]);
  console.log(`  theirs: program and weights ${seconds(startedTheirs.loadMs)}, first text ${seconds(firstText.ms)}`);
}

/** MiniLM on a device: texts one by one and in batches, in turn. */
async function embedding(call, { device, kind, texts, turns, batch }) {
  const [ours, theirs] = [`ours-${kind}`, `transformers-${device}`];
  const sizes = { alone: 1, batch };
  const play = async (texts) => {
    const turn = {};
    for (const [form, size] of Object.entries(sizes)) {
      turn[form] = { ours: await embed(call, ours, texts, size), theirs: await embed(call, theirs, texts, size) };
    }
    return turn;
  };
  await play(texts.slice(0, batch));
  const played = [];
  for (let turn = 0; turn < turns; turn += 1) {
    played.push(await play(texts));
    const speed = ({ ms }) => `${((1000 * texts.length) / ms).toPrecision(3).padStart(6)} texts/s`;
    const told = ([form, { ours, theirs }]) => `${form}: ours ${speed(ours)} theirs ${speed(theirs)}`;
    console.log(`  ${Object.entries(played[turn]).map(told).join("   ")}`);
  }
  checkVectors(played[0].alone);
  const judged = (what, ratio, ...bound) => judge(`MiniLM on ${device}${what}`, played.map(ratio), ...bound);
  const ratioOf = (form) => (turn) => turn[form].theirs.ms / turn[form].ours.ms;
  const costOf = (side) => (turn) => turn.batch[side].ms / turn.alone[side].ms;
  judged(", texts one by one: our speed to that of Transformers.js", ratioOf("alone"), 1);
  judged(`, batches of ${batch}: our speed to that of Transformers.js`, ratioOf("batch"), 1);
  judged(": our time for a text in a batch to that alone", costOf("ours"), 1, true);
  judged(": their time for a text in a batch to that alone", costOf("theirs"));
}

/** Different texts of one length, cut by the tokenizer of a runtime. */
async function textsBy(call, name, count) {
  const texts = await call("call", name, "cut", await call("passages"), TOKENS_OF_A_TEXT, count);
  if (texts.length < count) throw new Error(`only ${texts.length} texts of ${TOKENS_OF_A_TEXT} tokens were found`);
  return texts;
}

/** Megabytes that the page's worker may have. */
const MEMORY_BOUND = 400;

/** What the worker's program has of memory: it only grows. */
async function tellMemory(page, kind, what) {
  const worker = page.workers().find((worker) => worker.url().includes(`#inference-${kind}.js`));
  if (!worker) return;
  const bytes = await worker.evaluate(async (program) => {
    // The program is there already: this gives what it exports.
    const { default: init } = await import(program);
    return (await init()).memory.buffer.byteLength;
  }, new URL(`/inference-${kind}.js`, page.url()).href);
  console.log(`  memory of our program: ${Math.round(bytes / 1e6)} MB`);
  judge(`${what}: our program's memory to ${MEMORY_BOUND} MB`, [bytes / 1e6 / MEMORY_BOUND], 1, true);
}

async function cpu(page, call) {
  console.log("\nMiniLM (float32, texts of 66 tokens) on one wasm thread");
  const started = await call("startOurs", "cpu");
  await call("call", "ours-cpu", "fetch", MINILM);
  const startedTheirs = await call("startTransformers", "wasm");
  const texts = await textsBy(call, "transformers-wasm", Number(options.texts));
  await tellStart(call, "ours-cpu", "transformers-wasm", texts[0], started, startedTheirs);
  await embedding(call, { device: "wasm", kind: "cpu", texts, turns, batch: BATCH });
  await tellMemory(page, "cpu", "MiniLM on wasm");
  for (const name of ["ours-cpu", "transformers-wasm"]) await call("end", name);
}

/** MiniLM on WebGPU, kernel by kernel, ours and theirs. */
async function profile(page, call) {
  const timer = await readFile(join(FOLDER, "dispatches.js"), "utf8");
  await page.context().route(/worker\.m?js/, async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: timer + (await response.text()) });
  });
  await call("startOurs", "cpu");
  await call("call", "ours-cpu", "fetch", MINILM);
  await call("end", "ours-cpu");
  await call("startOurs", "webgpu");
  await call("call", "ours-webgpu", "load", MINILM);
  await call("startTransformers", "webgpu");
  const texts = await textsBy(call, "transformers-webgpu", 2);
  for (const [name, script] of [["ours-webgpu", "#inference-webgpu"], ["transformers-webgpu", "transformers.worker"]]) {
    const worker = page.workers().find((worker) => worker.url().includes(script));
    await call("call", name, "embed", [texts[0]]);
    await worker.evaluate(() => self.dispatches.clear());
    const { ms } = await call("call", name, "embed", [texts[1]]);
    // Timestamps come after the answer.
    await page.waitForTimeout(1000);
    const kernels = await worker.evaluate(() => [...self.dispatches]);
    if (kernels.length === 0) return console.log("\nthe adapter tells no times");
    const sum = (of) => kernels.reduce((sum, [, times]) => sum + times[of], 0);
    console.log(`\n${name}: one text of ${TOKENS_OF_A_TEXT} tokens in ${seconds(ms)}, ${sum("count")} dispatches of ${seconds(sum("ms"))}`);
    for (const [label, times] of kernels.sort(([, a], [, b]) => b.ms - a.ms).slice(0, 8)) {
      console.log(`  ${((100 * times.ms) / sum("ms")).toFixed(1).padStart(5)} %  ${String(times.count).padStart(3)} of ${label}`);
    }
  }
}

async function gpu(page, call) {
  const adapter = await call("adapter");
  if (adapter === null) return console.log("\nMiniLM on WebGPU: not measured, this browser has no adapter");
  const isEmulated = EMULATED.test(adapter);
  const count = Number(options["gpu-texts"] ?? (isEmulated ? 4 : 256));
  console.log(`\nMiniLM (float32, texts of 66 tokens) on WebGPU: ${adapter}, ${isEmulated ? "emulated, " : ""}${count} texts`);
  // Weights are brought first, so that no download is in the times.
  await call("startOurs", "cpu");
  await call("call", "ours-cpu", "fetch", MINILM);
  await call("end", "ours-cpu");
  const started = await call("startOurs", "webgpu");
  const startedTheirs = await call("startTransformers", "webgpu");
  const texts = await textsBy(call, "transformers-webgpu", count);
  await tellStart(call, "ours-webgpu", "transformers-webgpu", texts[0], started, startedTheirs);
  const gpuTurns = Number(options["gpu-turns"] ?? (isEmulated ? 1 : turns));
  await embedding(call, { device: "webgpu", kind: "webgpu", texts, turns: gpuTurns, batch: Math.min(BATCH, count) });
  await tellMemory(page, "webgpu", "MiniLM on WebGPU");
  for (const name of ["ours-webgpu", "transformers-webgpu"]) await call("end", name);
}

/** Tokens a second from the first token on. */
const decodeRate = ({ arrivals }) => (1000 * (arrivals.length - 1)) / (arrivals.at(-1) - arrivals[0]);

function agreement(ours, theirs) {
  let length = 0;
  while (length < Math.min(ours.length, theirs.length) && ours[length] === theirs[length]) length += 1;
  return length;
}

async function decode(page, call) {
  const tokens = Number(options.tokens);
  console.log(`\nSmolLM2-135M-Instruct (Q4_1) on one wasm thread, ${tokens} tokens, the best one each time`);
  await call("startOurs", "cpu");
  await call("call", "ours-cpu", "fetch", SMOLLM2);
  await call("call", "ours-cpu", "load", SMOLLM2);
  for (const bits of BITS) {
    const { threads } = await call("startWllama", bits, GGUF);
    if (threads !== 1) throw new Error(`wllama runs on ${threads} threads`);
  }
  const words = (await call("passages")).join(" ").split(/\s+/);
  const prompts = {
    "a short prompt": "The most important thing about the history of the Roman Empire is",
    "a long prompt": words.slice(0, WORDS_OF_A_LONG_PROMPT).join(" "),
  };
  for (const [what, prompt] of Object.entries(prompts)) await decodeAfter(call, what, prompt, tokens);
  await tellMemory(page, "cpu", "SmolLM2 on wasm");
  for (const name of ["ours-cpu", ...BITS.map((bits) => `wllama-${bits}`)]) await call("end", name);
}

async function decodeAfter(call, what, prompt, tokens) {
  const generate = (name) => call("call", name, "generate", prompt, tokens);
  const played = [];
  for (let turn = -1; turn < turns; turn += 1) {
    const answers = { ours: await generate("ours-cpu") };
    for (const bits of BITS) answers[bits] = await generate(`wllama-${bits}`);
    // The first turn warms up, and shows whether all compute the same.
    if (turn < 0) checkAnswers(what, answers);
    else {
      const told = (answer) => `${decodeRate(answer).toPrecision(3)} tokens/s, first after ${seconds(answer.arrivals[0])}`;
      const theirs = BITS.map((bits) => `wllama ${bits} bits ${told(answers[bits])}`);
      console.log(`    ours ${told(answers.ours)}   ${theirs.join("   ")}`);
      played.push(answers);
    }
  }
  for (const bits of BITS) {
    const speeds = played.map((answers) => decodeRate(answers.ours) / decodeRate(answers[bits]));
    judge(`SmolLM2 after ${what}: our speed in tokens to that of wllama, ${bits} bits`, speeds, 0.5);
    const first = played.map((answers) => answers[bits].arrivals[0] / answers.ours.arrivals[0]);
    judge(`SmolLM2, the first token after ${what}: our speed to that of wllama, ${bits} bits`, first);
  }
}

/** llama.cpp rounds otherwise: answers part where two tokens are about as likely. */
function checkAnswers(what, { ours, ...theirs }) {
  console.log(`  ${what}: ${ours.promptTokens} tokens`);
  for (const [bits, { text }] of Object.entries(theirs)) {
    const same = agreement(ours.text, text);
    console.log(`    our answer and that of wllama, ${bits} bits: the first ${same} of ${ours.text.length} characters agree`);
    if (same < Math.min(8, ours.text.length)) throw new Error(`the answers differ: ${ours.text} | ${text}`);
  }
}

await withPage(
  async ({ page, url, context }) => {
    // An emulated adapter takes minutes for what a real one does at once.
    context.setDefaultTimeout(0);
    await page.goto(`${url}bench/`);
    await page.waitForFunction(() => window.bench);
    const call = caller(page);
    for (const [name, part] of Object.entries({ cpu, decode, gpu, profile })) if (parts.includes(name)) await part(page, call);
  },
  { webgpu: true, mounts: MOUNTS },
);
if (verdicts.length > 0) tellVerdicts();
