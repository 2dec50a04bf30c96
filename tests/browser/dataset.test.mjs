// A dataset that is missing, cut short or changed gives an error that says where.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { withPage } from "./harness.mjs";

async function fault(page, url) {
  await page.goto(url);
  return page.locator('[data-fault="dataset"]').innerText();
}

/** Answers the request for a file of the dataset with a changed copy of it. */
async function replace(context, file, change) {
  await context.route(`**/datasets/poq-lab-2/${file}`, async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: change(await response.text()) });
  });
}

test("a missing dataset is told with its file", async () => {
  await withPage(
    async ({ page, url, context }) => {
      await context.route("**/datasets/poq-lab-2/tasks.jsonl", (route) => route.fulfill({ status: 404, body: "gone" }));
      const words = await fault(page, url);
      assert.match(words, /tasks\.jsonl could not be fetched: the server answered 404/);
      assert.match(words, /poq-lab-2/);
      assert.equal(await page.locator("[data-digest]").count(), 0);
    },
    { allow: [/tasks\.jsonl/, /404/] },
  );
});

test("a server that cannot be reached is told", async () => {
  await withPage(
    async ({ page, url, context }) => {
      await context.route("**/datasets/poq-lab-2/outputs.jsonl", (route) => route.abort("connectionrefused"));
      assert.match(await fault(page, url), /outputs\.jsonl could not be fetched/);
    },
    { allow: [/outputs\.jsonl/, /ERR_CONNECTION_REFUSED/] },
  );
});

const CHANGES = {
  "a row cut short": ["outputs.jsonl", (text) => text.slice(0, text.length - 40), /outputs\.jsonl/],
  "a row changed": ["scores.jsonl", (text) => text.replace(/"raw":\s*[^,]+/, '"raw":0.123'), /scores\.jsonl.*SHA-256/s],
  "no JSON": ["manifest.json", () => "<!doctype html>", /manifest\.json.*expected value/s],
  "a future format": ["manifest.json", (text) => text.replace(/"schema":\s*2/, '"schema":9'), /manifest\.json.*`schema`: 9; allowed: 1/s],
  "a field missing": ["manifest.json", (text) => text.replace(/"hardware"/, '"hardwares"'), /manifest\.json.*hardware/s],
};

for (const [name, [file, change, words]] of Object.entries(CHANGES)) {
  test(`a dataset with ${name} is refused with file and field`, async () => {
    await withPage(async ({ page, url, context }) => {
      await replace(context, file, change);
      assert.match(await fault(page, url), words);
    });
  });
}

test("a row that cannot be, in a file with the right hash, is refused with file, row and field", async () => {
  const latency = (text) => text.replace(/"latency_ms":\s*[\d.]+/, '"latency_ms":-5');
  await withPage(async ({ page, url, context }) => {
    await replace(context, "outputs.jsonl", latency);
    await replace(context, "manifest.json", (text) => {
      const shipped = readFileSync(new URL("../../static/datasets/poq-lab-2/outputs.jsonl", import.meta.url), "utf8");
      const manifest = JSON.parse(text);
      manifest.files["outputs.jsonl"].sha256 = createHash("sha256").update(latency(shipped)).digest("hex");
      return JSON.stringify(manifest);
    });
    assert.match(await fault(page, url), /outputs\.jsonl.*row 1.*`latency_ms`.*-5/s);
  });
});
