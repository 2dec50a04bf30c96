// Half precision in the page's program for the GPU, beside single precision: the same bundle in Node, on Dawn, the WebGPU of
// Chromium, over this machine's Vulkan. The adapter that headless Chromium emulates has no half precision; GPUs have, and so has
// Mesa's Vulkan on a CPU, of a newer version than Debian 12 has (25.0 does; Dawn does not take 22.3).
//
//   ./lab bench             builds the page, brings what this needs and runs it
//   node benches/dawn.mjs [--turns N] [--texts N]
//
// It fails where either computes something else than the reference, and says so where there is no adapter with half precision.

import { fork } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const file = (path) => fileURLToPath(new URL(path, import.meta.url));
const CACHE = process.env.POQ_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(process.env.HOME, ".cache"), "poq-lab");
const MINILM = "all-minilm-l6-v2";
const SMOLLM2 = "smollm2-135m-instruct";
const LEAST_COSINE = { half: 0.999, single: 0.9999 };
/** Two logits nearer than this may change places by rounding. */
const TIE = { half: 0.1, single: 0.01 };
const STEPS = 16;
/** With the two that the model adds. */
const TOKENS_OF_A_TEXT = 66;
const WORDS = "the of and in to was is for as on with by he that at from his it an are which this also be had or has were but not".split(" ");

const { values: options } = parseArgs({ options: { turns: { type: "string", default: "3" }, texts: { type: "string", default: "32" } } });

const reference = async (name) => JSON.parse(await readFile(file(`../models/reference/${name}.json`), "utf8")).cases;
const cosine = (a, b) => a.reduce((sum, x, at) => sum + x * b[at], 0);

/** The program in a process of its own; gives what asks it, or null where there is no such adapter. */
async function start(precision) {
  const child = fork(file("dawn/worker.mjs"), [file("../web/dist"), join(CACHE, "models"), precision], { stdio: ["ignore", "inherit", "ignore", "ipc"] });
  const ask = (message, name) =>
    new Promise((done, failed) => {
      child.once("exit", (code) => failed(new Error(`the program in ${precision} precision ended with ${code}`)));
      const hear = (text) => {
        const answer = JSON.parse(text);
        const fault = answer.Lost ?? answer.LoadFailed?.words ?? answer[name]?.outcome?.Err;
        if (fault === undefined && !(name in answer) && !("NoDevice" in answer)) return;
        child.off("message", hear);
        child.removeAllListeners("exit");
        if (fault === undefined) done(answer[name] ?? null);
        else failed(new Error(fault));
      };
      child.on("message", hear);
      if (message) child.send(JSON.stringify(message));
    });
  const device = await ask(null, "Ready");
  if (device?.has_half === (precision === "half")) return { ask, device, end: () => child.kill() };
  child.kill();
  return null;
}

async function checkEncoder(precision, { ask }) {
  const { known_answer: known } = await ask({ Load: { model: MINILM } }, "Loaded");
  const cases = (await reference("encoder")).filter((_, at) => at % 5 === 0);
  const { outcome } = await ask({ Embed: { work: 1, texts: cases.map(({ text }) => text) } }, "Embedded");
  const least = Math.min(...cases.map(({ vector }, at) => cosine(outcome.Ok.vectors[at], vector)));
  console.log(`  MiniLM: cosine ${known.agreement.toFixed(6)} for the known answer, ${least.toFixed(6)} at least for ${cases.length} texts`);
  if (!(least > LEAST_COSINE[precision])) throw new Error(`${precision} precision gives other vectors: cosine ${least}`);
}

async function checkDecoder(precision, { ask }) {
  const { known_answer: known } = await ask({ Load: { model: SMOLLM2 } }, "Loaded");
  const cases = (await reference("smollm2-135m-instruct")).filter(({ layers, prompt }) => layers === null && prompt.text);
  cases.sort((a, b) => a.prompt_ids.length - b.prompt_ids.length);
  let same = 0;
  for (const { prompt, tokens, margins } of cases.slice(0, 5)) {
    const request = { prompt: prompt.text, chat: false, max_tokens: STEPS, temperature: 0, seed: 0 };
    const { outcome } = await ask({ Generate: { work: 2, request } }, "Generated");
    const seen = outcome.Ok.token_ids;
    const other = tokens.slice(0, STEPS).findIndex((token, step) => seen[step] !== token);
    if (other >= 0 && margins[other] >= TIE[precision]) throw new Error(`${prompt.text}: ${seen} for ${tokens}`);
    same += other < 0 ? STEPS : other;
  }
  console.log(`  SmolLM2: ${100 * known.agreement} % of the known answer's tokens, ${same} of ${5 * STEPS} tokens of the reference`);
}

/** Milliseconds for the texts one by one, and in one batch. */
async function time({ ask }, texts) {
  const embed = async (texts) => {
    const { outcome } = await ask({ Embed: { work: 1, texts } }, "Embedded");
    if (outcome.Ok.token_ids.some((ids) => ids.length !== TOKENS_OF_A_TEXT)) throw new Error("a text is not as long as it should be");
    return outcome.Ok.latency_ms;
  };
  let alone = 0;
  for (const text of texts) alone += await embed([text]);
  return { alone, batch: await embed(texts) };
}

function tell(what, ratios) {
  const sorted = [...ratios].sort((a, b) => a - b);
  const [least, median, most] = [sorted[0], sorted[sorted.length >> 1], sorted.at(-1)].map((ratio) => ratio.toFixed(2));
  console.log(`  ${median} (${least} to ${most})  ${what}`);
}

const programs = {};
for (const precision of ["half", "single"]) {
  const program = await start(precision);
  if (program === null) {
    console.log(`not measured: Dawn finds no adapter here that computes in ${precision} precision`);
    Object.values(programs).forEach(({ end }) => end());
    process.exit(0);
  }
  console.log(`${precision} precision: ${program.device.name}`);
  await checkEncoder(precision, program);
  await checkDecoder(precision, program);
  programs[precision] = program;
}

const word = (number, at) => WORDS[(number * 7 + at * (number + 3)) % WORDS.length];
const texts = Array.from({ length: Number(options.texts) }, (_, number) => Array.from({ length: TOKENS_OF_A_TEXT - 2 }, (_, at) => word(number, at)).join(" "));
const turns = [];
for (let turn = -1; turn < Number(options.turns); turn += 1) {
  const times = { half: await time(programs.half, texts), single: await time(programs.single, texts) };
  // The first compiles.
  if (turn >= 0) turns.push(times);
}
console.log(`MiniLM, ${texts.length} texts of ${TOKENS_OF_A_TEXT} tokens: median ratio (least to most over the turns)`);
tell("texts one by one: speed in half precision to that in single", turns.map(({ half, single }) => single.alone / half.alone));
tell("in one batch: speed in half precision to that in single", turns.map(({ half, single }) => single.batch / half.batch));
for (const precision of ["half", "single"]) {
  tell(`${precision} precision: time for a text in the batch to that alone`, turns.map((times) => times[precision].batch / times[precision].alone));
}
Object.values(programs).forEach(({ end }) => end());
