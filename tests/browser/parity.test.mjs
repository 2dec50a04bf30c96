// The same numbers everywhere: the inference worker of the page beside the reference values, which the native tests hold
// the worker's models to, and beside `poq` itself.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { withPage } from "./harness.mjs";
import { LONG_MS, MINILM, MODELS, SMOLLM2, download, place } from "./score.mjs";

const reference = (name) => JSON.parse(readFileSync(new URL(`../../models/reference/${name}.json`, import.meta.url), "utf8"));

/** Tokens that all must agree on. */
const STEPS = 16;

/** Two logits nearer than this may change places by rounding. */
const TIE = 0.01;

/** Starts an inference worker of the test's own in the page, with the model that the place has brought. */
async function start(page, kind, model) {
  await page.evaluate(
    async ([kind, model]) => {
      const worker = new Worker(`./worker.js#inference-${kind}.js`, { type: "module" });
      const waiting = [];
      worker.onmessage = ({ data }) => {
        const message = JSON.parse(data);
        const of = waiting.findIndex(({ name }) => name in Object(message) || "Lost" in Object(message) || "LoadFailed" in Object(message));
        if (of >= 0) waiting.splice(of, 1)[0].done(message);
      };
      window.ask = (message, name) =>
        new Promise((done) => {
          waiting.push({ name, done });
          if (message) worker.postMessage(JSON.stringify(message));
        });
      const ready = await window.ask(null, "Ready");
      if (!ready.Ready) throw new Error(JSON.stringify(ready));
      const loaded = await window.ask({ Load: { model } }, "Loaded");
      if (!loaded.Loaded) throw new Error(JSON.stringify(loaded));
    },
    [kind, model],
  );
}

/** Asks it; what it answers under that name. */
async function ask(page, message, name) {
  const answer = await page.evaluate(([message, name]) => window.ask(message, name), [message, name]);
  assert.ok(answer[name]?.outcome.Ok, JSON.stringify(answer).slice(0, 300));
  return answer[name].outcome.Ok;
}

/** What `poq` writes when it reads these rows. */
function poq(command, rows) {
  assert.ok(process.env.POQ, "POQ names a native `poq` of the same source");
  const input = rows.map((row) => JSON.stringify(row)).join("\n");
  const output = execFileSync(process.env.POQ, command, { input, encoding: "utf8", maxBuffer: 1 << 28, stdio: ["pipe", "pipe", "ignore"] });
  return output.trimEnd().split("\n").map((line) => JSON.parse(line));
}

/** Both are of unit length. */
const cosine = (a, b) => a.reduce((sum, x, at) => sum + x * b[at], 0);

async function compareVectors(page, cases) {
  const texts = cases.map(({ text }) => text);
  const { token_ids, vectors } = await ask(page, { Embed: { work: 1, texts } }, "Embedded");
  cases.forEach(({ text, ids, vector }, at) => {
    assert.deepEqual(token_ids[at], ids, text.slice(0, 60));
    const like = cosine(vectors[at], vector);
    assert.ok(like > 0.9999, `${text.slice(0, 60)}: cosine ${like}`);
  });
  return vectors;
}

test("MiniLM on the CPU of a page reads the reference's tokens and gives its vectors, and so does `poq`", async () => {
  await withPage(async ({ page, url }) => {
    page.setDefaultTimeout(LONG_MS);
    await place(page, url);
    await download(page, MINILM);
    await start(page, "cpu", MINILM);
    const { cases } = reference("encoder");
    assert.equal(cases.length, 50);
    const vectors = await compareVectors(page, cases);
    const rows = poq(["embed", "--model", join(MODELS, MINILM)], cases.map(({ text }) => ({ text })));
    assert.equal(rows.length, cases.length);
    rows.forEach(({ embedding, tokens }, at) => {
      assert.ok(cosine(embedding, vectors[at]) > 0.9999, cases[at].text.slice(0, 60));
      assert.equal(tokens, cases[at].ids.length);
    });
  }, { mounts: { models: MODELS } });
});

test("MiniLM on WebGPU gives the reference's vectors", async () => {
  await withPage(async ({ page, url }) => {
    page.setDefaultTimeout(LONG_MS);
    await place(page, url);
    await page.getByRole("radio", { name: /^CPU/ }).check();
    await download(page, MINILM);
    await start(page, "webgpu", MINILM);
    // Short ones, as the adapter is emulated: the shortest, and some of a sentence.
    const { cases } = reference("encoder");
    cases.sort((a, b) => a.ids.length - b.ids.length);
    const sentences = cases.filter(({ ids }) => ids.length >= 12).slice(0, 2);
    assert.equal(sentences.length, 2);
    await compareVectors(page, [...cases.slice(0, 3), ...sentences]);
  }, { webgpu: true, mounts: { models: MODELS } });
});

/** Asks for the reference's texts, and compares token by token; gives what came, null where a tie was decided otherwise. */
async function compareTokens(page, cases) {
  const answers = [];
  for (const [at, { prompt, prompt_ids, tokens, margins }] of cases.entries()) {
    const request = { prompt: prompt.text, chat: false, max_tokens: STEPS, temperature: 0, seed: 0 };
    const seen = await ask(page, { Generate: { work: at, request } }, "Generated");
    assert.equal(seen.tokens_in, prompt_ids.length, prompt.text);
    const right = tokens.slice(0, STEPS).findIndex((token, step) => seen.token_ids[step] !== token);
    const isTie = right >= 0 && margins[right] < TIE;
    assert.ok(right < 0 || isTie, `${prompt.text}: token ${right} of ${seen.token_ids}, expected ${tokens.slice(0, STEPS)}`);
    answers.push(isTie ? null : seen);
  }
  return answers;
}

const decoderCases = () => reference("smollm2-135m-instruct").cases.filter(({ layers, prompt }) => layers === null && prompt.text);

test("SmolLM2 on the CPU of a page takes the reference's tokens, and `poq` gives the same text", async () => {
  await withPage(async ({ page, url }) => {
    page.setDefaultTimeout(LONG_MS);
    await place(page, url);
    await download(page, SMOLLM2);
    await start(page, "cpu", SMOLLM2);
    const cases = decoderCases().slice(0, 10);
    assert.equal(cases.length, 10);
    const seen = await compareTokens(page, cases);
    const rows = poq(["generate", "--model", join(MODELS, SMOLLM2), "--max-tokens", String(STEPS)], cases.map(({ prompt }) => ({ prompt: prompt.text })));
    assert.equal(rows.length, cases.length);
    rows.forEach(({ text, token_ids }, at) => {
      if (seen[at] !== null) assert.deepEqual({ text, token_ids }, { text: seen[at].text, token_ids: seen[at].token_ids });
    });
  }, { mounts: { models: MODELS } });
});

test("SmolLM2 on WebGPU takes the reference's tokens", async () => {
  await withPage(async ({ page, url }) => {
    page.setDefaultTimeout(LONG_MS);
    await place(page, url);
    await page.getByRole("radio", { name: /^CPU/ }).check();
    await download(page, SMOLLM2);
    await start(page, "webgpu", SMOLLM2);
    // The shortest: the adapter is emulated. Native tests take the same kernels further.
    const cases = decoderCases().sort((a, b) => a.prompt_ids.length - b.prompt_ids.length);
    await compareTokens(page, cases.slice(0, 1));
  }, { webgpu: true, mounts: { models: MODELS } });
});
