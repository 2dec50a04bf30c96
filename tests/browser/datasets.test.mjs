// The shipped datasets side by side: chosen by hand, by a preset, or by a link that was made on an older one.

import assert from "node:assert/strict";
import { test } from "node:test";

import { withPage } from "./harness.mjs";
import { changed, digest, onDataset, open, poq, settled, share, unpack } from "./lab.mjs";

/** Of the nodes that may be in the network: whether each is. Results are on view before and after. */
async function inferenceNodes(page) {
  await page.getByRole("button", { name: "Network", exact: true }).click();
  const rows = page.locator('section[aria-labelledby="network-inference"] .groups input[type="checkbox"]');
  await rows.first().waitFor();
  const checked = await rows.evaluateAll((boxes) => boxes.map((box) => box.checked));
  await page.getByRole("button", { name: "Results", exact: true }).click();
  return checked;
}

test("an older dataset is chosen, its link finds it again, and its command names it", async () => {
  await withPage(async ({ page, url }) => {
    await open(page, url);
    const newest = await digest(page);
    await onDataset(page, "poq-lab-1");
    const older = await settled(page);
    assert.notEqual(older, newest);
    const command = await page.locator("code", { hasText: "poq simulate" }).first().innerText();
    assert.match(command, / --dataset poq-lab-1$/);
    assert.equal(JSON.parse(poq(command)).digest, older);
    const link = await share(page);
    assert.equal(unpack(link).dataset.id, "poq-lab-1");

    await page.goto("about:blank");
    await page.goto(link);
    assert.equal(await settled(page), older);
    assert.equal(await page.locator('[data-outcome="reproduced"]').count(), 1);
    assert.equal(await page.locator("#dataset").inputValue(), "poq-lab-1");
    assert.equal((await inferenceNodes(page)).length, 5);
    await onDataset(page, "poq-lab-2");
    assert.equal(await settled(page), newest);
  });
});

test("the nodes that run no model stay out until a preset, or the reader, has them in", async () => {
  await withPage(async ({ page, url }) => {
    await open(page, url);
    const plain = await digest(page);
    assert.deepEqual(await inferenceNodes(page), [true, true, true, true, false, false]);
    const ridden = await changed(page, () => page.locator("#preset").selectOption("free-riders"));
    assert.equal(await page.locator("#dataset").count(), 0, "the preset has a dataset of its own");
    assert.deepEqual(await inferenceNodes(page), Array(6).fill(true));
    assert.match(await page.locator(".place-view").innerText(), /First sentences of the context/);
    assert.equal(JSON.parse(poq("poq simulate --preset free-riders --json")).digest, ridden);
    assert.equal(await changed(page, () => page.locator("#preset").selectOption("default")), plain);
  });
});

test("a dataset that does not come leaves the page usable: the other one can be chosen, and it is asked for again", async () => {
  await withPage(
    async ({ page, url, context }) => {
      await open(page, url);
      const newest = await digest(page);
      await context.route("**/datasets/poq-lab-1/outputs.jsonl", (route) => route.fulfill({ status: 404 }));
      await page.locator("#dataset").selectOption("poq-lab-1");
      assert.match(await page.locator('[data-fault="dataset"]').innerText(), /outputs\.jsonl could not be fetched/);
      await page.locator("#dataset").selectOption("poq-lab-2");
      await page.locator('[data-fault="dataset"]').waitFor({ state: "detached" });
      assert.equal(await settled(page), newest);
      await context.unroute("**/datasets/poq-lab-1/outputs.jsonl");
      await onDataset(page, "poq-lab-1");
      assert.notEqual(await settled(page), newest);
    },
    { allow: [/outputs\.jsonl/, /404/] },
  );
});
