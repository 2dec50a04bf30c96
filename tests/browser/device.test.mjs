// This device in the network: what the Score place scored anew takes part; large datasets; devices that go away.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { withPage } from "./harness.mjs";
import { changed, open, poq, settled, share } from "./lab.mjs";
import { LONG_MS, MINILM, MODELS, SMOLLM2, becomes, click, download, go, pick, place, row, score } from "./score.mjs";

const REPOSITORY = fileURLToPath(new URL("../../", import.meta.url));
const DIST = resolve(process.env.POQ_DIST ?? join(REPOSITORY, "web/dist"));

/** The dataset that the page shows first. */
const SHIPPED = "datasets/poq-lab-2";

/** Scores the whole dataset anew. */
async function rescore(page, evaluator) {
  await page.getByLabel("Evaluator", { exact: true }).selectOption(evaluator);
  await click(page, "Score every answer");
  const told = page.locator('#score [data-rescored="true"]');
  await told.waitFor({ timeout: LONG_MS });
  return told.innerText();
}

/** A copy of the page with another dataset: `files` are lists of rows, `manifest` what its manifest says besides them. */
async function distWith(files, manifest) {
  const dist = await mkdtemp(join(tmpdir(), "poq-dist-"));
  await cp(DIST, dist, { recursive: true });
  const listed = {};
  for (const [name, rows] of Object.entries(files)) {
    const bytes = rows.map((row) => `${JSON.stringify(row)}\n`).join("");
    listed[`${name}.jsonl`] = { rows: rows.length, sha256: createHash("sha256").update(bytes).digest("hex") };
    await writeFile(join(dist, SHIPPED, `${name}.jsonl`), bytes);
  }
  await writeFile(join(dist, SHIPPED, "manifest.json"), JSON.stringify({ ...manifest, files: listed }));
  return dist;
}

/** The shipped dataset's first tasks. */
async function firstTasks(count) {
  const read = async (name) => (await readFile(join(REPOSITORY, "static", SHIPPED, name), "utf8")).trimEnd();
  const rows = async (name) => (await read(`${name}.jsonl`)).split("\n").map((row) => JSON.parse(row));
  const tasks = (await rows("tasks")).slice(0, count);
  const ids = new Set(tasks.map(({ id }) => id));
  const of = async (name) => (await rows(name)).filter(({ task }) => ids.has(task));
  const manifest = { ...JSON.parse(await read("manifest.json")), id: "first-tasks" };
  return distWith({ tasks, outputs: await of("outputs"), scores: await of("scores") }, manifest);
}

test("an evaluator of this device takes part, its dataset can be taken away and replayed, and it goes again", async () => {
  const dist = await firstTasks(4);
  const whole = async ({ page, url, context }) => {
    await open(page, url);
    const before = await settled(page);
    await go(page, "Score");
    await page.getByLabel("Recorded task").waitFor();
    await download(page, MINILM);
    const told = await rescore(page, "minilm-reference");
    assert.match(told, /^24 of 24 answers by MiniLM, answer against reference: correlation with the recorded scores (1\.0|0\.99999)/);
    const largest = await page.locator('#score [data-rescored="true"]').getAttribute("data-largest");
    assert.ok(Number(largest) < 1e-3, largest);
    await click(page, "Let it take part in the network");
    await page.getByText("It was handed to Results and Explore", { exact: false }).waitFor();
    const banner = page.locator('[data-evaluator="minilm-reference@device"]');
    assert.match(await banner.innerText(), /One more evaluator takes part: .*MiniLM.*, on this device/);

    // It is a node like the others.
    await go(page, "Results");
    await page.waitForFunction((old) => document.querySelector("[data-digest]")?.dataset.digest !== old, before);
    const joined = await settled(page);
    assert.match(await page.locator(".place-view").innerText(), /MiniLM, answer against reference, on this device/);
    await go(page, "Explore");
    await page.locator('[data-map-phase="done"]').waitFor({ timeout: LONG_MS });
    await page.getByRole("button", { name: "Without an evaluator", exact: true }).click();
    const study = page.locator("[data-study]:visible");
    await study.getByText("MiniLM, answer against reference, on this device", { exact: true }).first().waitFor({ timeout: LONG_MS });
    assert.match(await study.locator("pre").innerText(), /^poq audit .* --dataset FOLDER$/);
    await go(page, "Results");

    const link = await share(page);
    const other = await context.browser().newContext();
    const visitor = await other.newPage();
    await visitor.goto(link);
    await visitor.locator('[data-outcome="other_dataset"]').waitFor();
    await other.close();

    const folder = await mkdtemp(join(tmpdir(), "poq-dataset-"));
    try {
      await cp(join(dist, SHIPPED), folder, { recursive: true });
      await click(page, "Write the dataset down");
      for (const name of ["manifest.json", "scores.jsonl"]) {
        const [saved] = await Promise.all([page.waitForEvent("download"), click(page, `Save ${name}`)]);
        await saved.saveAs(join(folder, name));
      }
      const report = JSON.parse(poq(`poq simulate --dataset '${folder}' --json`));
      assert.equal(report.digest, joined);
    } finally {
      await rm(folder, { recursive: true });
    }

    assert.equal(await changed(page, () => click(page, "Take it out")), before);
    assert.equal(await banner.count(), 0);
  };
  try {
    await withPage(whole, { dist, mounts: { models: MODELS } });
  } finally {
    await rm(dist, { recursive: true });
  }
});

/** A dataset of 10,000 answers; one of its evaluators is of no kind that a device has. */
function large() {
  const words = ["red", "green", "blue", "grey", "plum", "rose", "teal", "gold"];
  const text = (number) => Array.from({ length: 40 + (number % 5) }, (_, at) => words[(number * (at + 3)) % words.length]).join(" ");
  const evaluators = ["chrf", "a-judge"];
  const [tasks, outputs, scores] = [[], [], []];
  for (let task = 0; task < 2000; task += 1) {
    tasks.push({ id: `t${task}`, kind: "qa", prompt: `Which colours has ${task}?`, references: [text(task)] });
    for (let node = 0; node < 5; node += 1) {
      const of = { task: `t${task}`, node: `n${node}` };
      outputs.push({ ...of, text: text(task + node), tokens_in: 4, tokens_out: 3, latency_ms: 10 + node });
      for (const evaluator of evaluators) scores.push({ ...of, evaluator, raw: ((task + node) % 10) / 10, latency_ms: 1 });
    }
  }
  // Kinds say what runs here, not ids.
  const entry = (id, kind = "made_up", name = id) => ({ id, name, kind });
  return distWith({ tasks, outputs, scores }, {
    ...{ schema: 1, id: "large", hardware: "none", licences: "none", made_by: "a test" },
    inference_nodes: Array.from({ length: 5 }, (_, node) => entry(`n${node}`)),
    evaluators: [entry("chrf", "chrf", "chrF"), entry("a-judge")].map((of) => ({ ...of, normalization: "unit" })),
  });
}

test("10,000 answers are scored anew while the page can be used, stop when told to, and take part", async () => {
  const dist = await large();
  try {
    await withPage(async ({ page, url }) => {
      // Two evaluators: a round draws both.
      await page.goto(url);
      await go(page, "Score");
      await page.getByLabel("Recorded task").waitFor();
      await page.getByText("Of this dataset's evaluators these do not run here: a-judge.").waitFor();
      assert.deepEqual(await page.getByLabel("Evaluator", { exact: true }).locator("option").allInnerTexts(), ["chrF"]);
      await click(page, "Score every answer");
      const section = page.locator("#score section", { hasText: "Score the whole dataset anew" });
      await click(section, "Stop");
      await page.locator('#score [data-rescored="true"]').waitFor();
      assert.match(await page.locator('#score [data-rescored="true"]').innerText(), /^Stopped\. \d[\d,]* of 10,000 answers/);
      assert.equal(await page.getByRole("button", { name: "Let it take part in the network" }).count(), 0);

      await click(page, "Score every answer");
      await page.locator("#score progress").waitFor();
      // Meanwhile the rest of the page answers.
      await go(page, "Network");
      await go(page, "Score");
      await page.getByText(/^10,000 of 10,000 answers/).waitFor({ timeout: LONG_MS });
      await click(page, "Let it take part in the network");
      await page.locator('[data-evaluator="chrf@device"]').waitFor();
    }, { dist });
  } finally {
    await rm(dist, { recursive: true });
  }
});

test("a long prompt is stopped while it is read", async () => {
  await withPage(async ({ page, url }) => {
    await place(page, url);
    await download(page, SMOLLM2);
    await page.getByLabel("Prompt", { exact: true }).last().fill("The owl judges. ".repeat(400));
    await click(page, "Ask");
    const section = page.locator("#score section", { hasText: "Ask a language model" });
    await section.getByText(/Reading the prompt: \d+ of \d+ tokens/).waitFor({ timeout: LONG_MS });
    // The simulator does not wait for it.
    await go(page, "Results");
    await settled(page);
    await changed(page, () => page.getByRole("button", { name: "+ attack" }).click());
    await go(page, "Score");
    await section.getByText(/Reading the prompt: \d+ of \d+ tokens/).waitFor();
    await click(section, "Stop");
    const told = page.locator('#score [data-ask="done"]');
    await told.waitFor();
    assert.match(await told.innerText(), /^0 tokens \(stopped\)/);
  }, { mounts: { models: MODELS } });
});

test("a GPU that goes away is said, and the CPU takes over with its models", async () => {
  await withPage(async ({ page, url, context }) => {
    await place(page, url);
    await download(page, MINILM);
    await page.locator('#score [data-device="webgpu"]').waitFor();
    const session = await context.browser().newBrowserCDPSession();
    const { processInfo } = await session.send("SystemInfo.getProcessInfo");
    process.kill(processInfo.find(({ type }) => type === "GPU").id);
    await page.locator('#score [data-fault="gpu"]').waitFor({ timeout: LONG_MS });
    const told = await page.locator('#score [data-fault="gpu"]').innerText();
    assert.match(told, /^The CPU took over from \S.*: it went away, as when its driver starts anew/);
    assert.doesNotMatch(told, /from (this GPU|:)/);
    await page.locator('#score [data-device="cpu"]').waitFor();
    await becomes(page, MINILM, "loaded");
    assert.equal(Object.keys(await score(page)).length, 5);
  }, { webgpu: true, mounts: { models: MODELS } });
});

test("a GPU that computes something else is named, and the CPU takes over", async () => {
  await withPage(async ({ page, url, context }) => {
    await context.route("**/inference-webgpu.js", async (route) => {
      const answer = await route.fetch();
      // Half of each sum of products.
      const alter = `
        const create = GPUDevice.prototype.createShaderModule;
        GPUDevice.prototype.createShaderModule = function (options) {
          return create.call(this, { ...options, code: options.code.replaceAll("dot(", "0.5 * dot(") });
        };\n`;
      await route.fulfill({ response: answer, body: alter + (await answer.text()) });
    });
    await place(page, url);
    await row(page, MINILM).getByRole("button", { name: /^Download/ }).click();
    const fault = page.locator('#score [data-fault="gpu"]');
    await fault.waitFor({ timeout: LONG_MS });
    assert.match(await fault.innerText(), /^The CPU took over from \S.*: it computes wrongly: .* for the known answer/);
    await becomes(page, MINILM, "loaded");
    await page.locator('#score [data-device="cpu"]').waitFor();
    assert.equal(Object.keys(await score(page)).length, 5);
  }, { webgpu: true, mounts: { models: MODELS } });
});

test("a GPU whose memory is full is said, and the CPU takes over", async () => {
  await withPage(async ({ page, url, context }) => {
    // No adapter here runs out of memory by itself: the device tells so, as the browser would, when the weights come.
    await context.route("**/inference-webgpu.js", async (route) => {
      const answer = await route.fetch();
      const full = `
        const create = GPUDevice.prototype.createBuffer;
        GPUDevice.prototype.createBuffer = function (options) {
          if (options.size > 10_000_000) {
            const error = new GPUOutOfMemoryError("no room for " + options.size);
            this.dispatchEvent(new GPUUncapturedErrorEvent("uncapturederror", { error }));
          }
          return create.call(this, options);
        };\n`;
      await route.fulfill({ response: answer, body: full + (await answer.text()) });
    });
    await place(page, url);
    await row(page, MINILM).getByRole("button", { name: /^Download/ }).click();
    await page.locator('#score [data-fault="gpu"]').waitFor({ timeout: LONG_MS });
    assert.match(await page.locator('#score [data-fault="gpu"]').innerText(), /^The CPU took over from \S.*: its memory is full/);
    await becomes(page, MINILM, "loaded");
  }, { webgpu: true, mounts: { models: MODELS } });
});

test("a file that is opened on a GPU must compute there what the CPU does, and goes to another device with the reader", async () => {
  await withPage(async ({ page, url }) => {
    await place(page, url);
    const tiny = await readFile(new URL("../../models/tests/fixtures/tiny-llama.gguf", import.meta.url));
    await pick(page, "Open a model in GGUF", [{ name: "tiny.gguf", mimeType: "application/octet-stream", buffer: tiny }]);
    const section = page.locator("#score section", { hasText: "Ask a language model" });
    await section.getByText(/tiny.gguf is ready. On this device its scores are those of the CPU \(cosine (1|0\.9999)/).waitFor({ timeout: LONG_MS });
    await page.locator('#score [data-device="webgpu"]').waitFor();
    await page.getByRole("radio", { name: /^CPU/ }).check();
    await page.locator('#score [data-device="cpu"]').waitFor();
    await section.getByText(/tiny.gguf is ready.$/).waitFor();
  }, { webgpu: true, mounts: { models: MODELS } });
});
