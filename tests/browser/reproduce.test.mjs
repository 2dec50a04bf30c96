// The papers' figures and claims, reproduced in the page.

import assert from "node:assert/strict";
import { test } from "node:test";

import { AxeBuilder } from "@axe-core/playwright";

import { withPage } from "./harness.mjs";
import { changed, digest, numbers, open, share } from "./lab.mjs";

const DONE = '#reproduce [data-state="done"]';

test("published figures stand beside measured ones, and open as a scenario with the same digest", async () => {
  await withPage(async ({ page, url }) => {
    await open(page, url);
    assert.equal(page.workers().length, 1, "begun before it was asked for");
    await page.getByRole("button", { name: "Reproduce", exact: true }).click();
    await page.locator(DONE).waitFor();
    // What the data were fitted to, or chosen for, does not count as agreeing.
    const said = await page.locator(DONE).innerText();
    assert.match(said, /^11 readings .* which shows nothing: 9\. Free: 2, of which agree: 1, differ: 1,/);
    const row = page.locator("#reproduce tr", { hasText: "Llama-3.2-3B: mean reward" }).first();
    const cells = await row.locator("td").allInnerTexts();
    const [published] = numbers(cells[1]);
    const [measured] = numbers(cells[3]);
    assert.equal(published, 0.62);
    assert.ok(cells.some((cell) => cell === "· fitted"), cells.join(" | "));
    assert.ok(Math.abs(measured - published) < 0.02, `${measured}`);
    // Three claims and five, each on two datasets.
    assert.equal(await page.locator("#reproduce .claims > ol > li").count(), 16);
    const text = await page.locator("#reproduce").innerText();
    for (const words of [
      "It holds.",
      "It does not hold.",
      "It is put in by the fit.",
      "It cannot be told.",
      "of its 3 parts hold.",
    ]) {
      assert.ok(text.includes(words), words);
    }
    // Folded away.
    const all = await page.locator("#reproduce").textContent();
    assert.match(all, /minilm-reference reads the reference, ce-relevance the prompt; minilm-prompt, a bi encoder/);
    const told = (await page.locator("#reproduce .quiet").first().innerText()).match(/[0-9a-f]{64}/)[0];
    await page.getByRole("button", { name: "Open as the scenario" }).first().click();
    await page.locator(`[data-digest="${told}"]`).waitFor({ state: "attached" });
    // What was found is kept, and its place is in a link.
    await page.getByRole("button", { name: "Reproduce", exact: true }).click();
    await page.locator(DONE).waitFor();
    assert.equal(page.workers().length, 1, "its worker ended, and was not started again");
    const link = await share(page);
    await page.goto("about:blank");
    await page.goto(link);
    await page.locator(DONE).waitFor();
  });
});

test("the paper's preset runs on its own dataset, and another preset on the shipped one again", async () => {
  await withPage(async ({ page, url }) => {
    await open(page, url);
    const before = await digest(page);
    await changed(page, () => page.locator("#preset").selectOption("paper-2512.16317"));
    assert.match(await page.locator(".headline").innerText(), /Llama-3\.2-3B/);
    await changed(page, () => page.locator("#preset").selectOption("paper-2601.21189"));
    await changed(page, () => page.locator("#preset").selectOption("default"));
    assert.equal(await digest(page), before);
  });
});

for (const width of [320, 1280]) {
  test(`the reproduction fits ${width} px and has no finding of axe`, async () => {
    await withPage(
      async ({ page, url }) => {
        await open(page, url);
        await page.getByRole("button", { name: "Reproduce", exact: true }).click();
        await page.locator(DONE).waitFor();
        for (const details of await page.locator("#reproduce details").all()) {
          await details.evaluate((element) => element.setAttribute("open", ""));
        }
        const [content, view] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
        assert.ok(content <= view, `${content} px in ${view}`);
        const { violations } = await new AxeBuilder({ page }).include("#reproduce").analyze();
        assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`), []);
      },
      { context: { viewport: { width, height: 900 } } },
    );
  });
}
