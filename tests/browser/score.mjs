// What several tests do in the Score place.

import assert from "node:assert/strict";
import { copyFile, mkdir, mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const CACHE = process.env.POQ_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(process.env.HOME, ".cache"), "poq-lab");
export const MODELS = join(CACHE, "models");
export const MINILM = "all-minilm-l6-v2";
export const MPNET = "all-mpnet-base-v2";
export const SMOLLM2 = "smollm2-135m-instruct";
export const GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf";
export const FILES = ["model.safetensors", "tokenizer.json", "config.json", "sentence_bert_config.json"];
export const FIXTURES = new URL("../../models/tests/fixtures/", import.meta.url);

/** Weights that come from this machine's disk, and a network that computes, take a while on a busy machine. */
export const LONG_MS = 240_000;

export const row = (page, model) => page.locator(`#score [data-model="${model}"]`);
export const becomes = (page, model, state) =>
  page.locator(`#score [data-model="${model}"][data-state="${state}"]`).waitFor({ timeout: LONG_MS });
export const click = (scope, name) => scope.getByRole("button", { name }).click();

/** Shows a place of the page. */
export const go = (page, name) => page.getByRole("button", { name, exact: true }).click();

export async function place(page, url, device = "cpu") {
  await page.goto(url);
  await go(page, "Score");
  await page.locator(`#score [data-device="${device}"]`).waitFor();
  await page.getByLabel("Recorded task").waitFor();
  // The first row is on view.
  await page.waitForFunction(() => document.querySelector("#score-prompt").value.startsWith("How long does Venus"));
}

export async function download(page, model, state = "loaded") {
  await row(page, model).getByRole("button", { name: /^Download/ }).click();
  await becomes(page, model, state);
}

/** Deletes MiniLM from the browser, and opens the place anew. */
export async function forget(page) {
  const button = row(page, MINILM).getByRole("button", { name: "Delete all-MiniLM-L6-v2 from this browser" });
  await button.click();
  // It is there until nothing is stored.
  await button.waitFor({ state: "detached" });
  await page.reload();
  await go(page, "Score");
  await becomes(page, MINILM, "absent");
}

/** Picks files for the models or the language model by the label of its input. */
export const pick = (page, label, files) => page.getByLabel(label).setInputFiles(files);

/** Scores what is typed; gives each evaluator's raw value and its difference from the recorded score, where there is one. */
export async function score(page) {
  await click(page, "Score it");
  await page.locator('#score [data-scored="true"]').waitFor({ state: "attached", timeout: LONG_MS });
  const rows = await page.locator("#score [data-evaluator]").evaluateAll((rows) =>
    rows.map((row) => [
      row.dataset.evaluator,
      {
        raw: Number(row.querySelector("[data-raw]").dataset.raw),
        difference: row.querySelector("[data-difference]")?.dataset.difference,
        words: row.textContent,
      },
    ]),
  );
  return Object.fromEntries(rows);
}

export async function choose(page, task, node) {
  const answer = () => page.locator("#score-text").inputValue();
  const rows = (await readFile(new URL("../../static/datasets/poq-lab-2/outputs.jsonl", import.meta.url), "utf8")).split("\n");
  await page.getByLabel("Recorded task").selectOption({ index: task });
  await page.getByLabel("answered by").selectOption({ index: node });
  const { text } = JSON.parse(rows[6 * task + node]);
  for (let waited = 0; (await answer()) !== text && waited < 100; waited += 1) await page.waitForTimeout(50);
  assert.equal(await answer(), text);
}

/** A folder of MiniLM's files that a test may damage. */
export async function ownCopy() {
  const folder = await mkdtemp(join(tmpdir(), "poq-models-"));
  await mkdir(join(folder, MINILM));
  for (const file of FILES) await copyFile(join(MODELS, MINILM, file), join(folder, MINILM, file));
  return folder;
}
