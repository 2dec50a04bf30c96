// The page's worker computes the same bits as the native build.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { withPage } from "./harness.mjs";
import { digest, onDataset, open } from "./lab.mjs";

const GOLDEN = new URL("../golden/digests.json", import.meta.url);

test("golden scenarios give their native digests in the page's worker", async () => {
  const golden = JSON.parse(await readFile(GOLDEN, "utf8"));
  assert.ok(golden.length >= 20, `${golden.length} scenarios`);
  await withPage(async ({ page, url }) => {
    await open(page, url);
    for (const { name, dataset = "poq-lab-1", scenario, digest: want } of golden) {
      await onDataset(page, dataset);
      const got = await page.evaluate((json) => window.poqLab.digest(json), JSON.stringify(scenario));
      assert.equal(got, want, name);
    }
  });
});

test("the console's digest is the page's, and refuses in words", async () => {
  await withPage(async ({ page, url }) => {
    await open(page, url);
    assert.equal(await page.evaluate(() => window.poqLab.digest("{}")), await digest(page));
    assert.equal(await page.evaluate(() => window.poqLab.digest({ seed: 42, reward: {} })), await digest(page));
    const refusal = page.evaluate(() => window.poqLab.digest('{"rounds": 0}'));
    await assert.rejects(refusal, /`rounds`: 0 is out of range/);
  });
});
