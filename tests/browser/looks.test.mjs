// Every width and both colour schemes: nothing scrolls sideways, nothing is out of reach.

import assert from "node:assert/strict";
import { test } from "node:test";

import { AxeBuilder } from "@axe-core/playwright";

import { withPage } from "./harness.mjs";
import { changed, open } from "./lab.mjs";

const WIDTHS = [320, 768, 1920];

/** The page with everything on it that it can have: attackers of both roles, trust weights, a preset's words. */
async function openFull(page, url) {
  await open(page, url);
  await changed(page, () => page.locator("#preset").selectOption("drift-under-ema"));
  if ((await page.evaluate(() => innerWidth)) < 960) await page.getByRole("button", { name: "Settings" }).click();
  await changed(page, () => page.locator("#money").check());
  await changed(page, () => page.getByRole("button", { name: "+ attack" }).click());
  await changed(page, () => page.locator("#attack-1-kind").selectOption("downgrade"));
}

for (const colorScheme of ["light", "dark"]) {
  for (const width of WIDTHS) {
    test(`no sideways scroll and no finding of axe at ${width} px, ${colorScheme}`, async () => {
      await withPage(
        async ({ page, url }) => {
          await openFull(page, url);
          for (const place of ["Results", "Network"]) {
            await page.getByRole("button", { name: place, exact: true }).click();
            for (const details of await page.locator("details").all()) {
              if (await details.isVisible()) await details.evaluate((element) => element.setAttribute("open", ""));
            }
            const [content, view] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
            assert.ok(content <= view, `${place}: ${content} px in ${view}`);
            const { violations } = await new AxeBuilder({ page }).analyze();
            const grave = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
            const words = grave.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).slice(0, 3).join(" | ")}`);
            assert.deepEqual(words, [], place);
          }
        },
        { context: { viewport: { width, height: 900 }, colorScheme, reducedMotion: "reduce" } },
      );
    });
  }
}

/** The paper's preset with an attack, whose gain has numbers with many digits. */
async function openPaper(page, url) {
  await open(page, url);
  await changed(page, () => page.locator("#preset").selectOption("paper-2512.16317"));
  if ((await page.evaluate(() => innerWidth)) < 960) await page.getByRole("button", { name: "Settings" }).click();
  await changed(page, () => page.getByRole("button", { name: "+ attack" }).click());
  await page.locator("#gains svg").waitFor();
}

test("labels of a plot do not lie on one another", async () => {
  for (const [width, opened] of [320, 768, 1280].flatMap((width) => [open, openFull, openPaper].map((opened) => [width, opened]))) {
    await withPage(
      async ({ page, url }) => {
        await opened(page, url);
        const clashes = await page.evaluate(() => {
          const found = [];
          for (const svg of document.querySelectorAll("svg.plot[role]")) {
            const texts = [...svg.querySelectorAll("text")].filter((text) => text.textContent.trim() !== "");
            const boxes = texts.map((text) => ({ words: text.textContent.trim(), box: text.getBoundingClientRect() }));
            for (const [index, a] of boxes.entries()) {
              for (const b of boxes.slice(0, index)) {
                const wide = Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left);
                const high = Math.min(a.box.bottom, b.box.bottom) - Math.max(a.box.top, b.box.top);
                // The box of a line of text is higher than its letters.
                if (wide > 1 && high > 5) found.push(`${a.words} / ${b.words}`);
              }
            }
            const frame = svg.getBoundingClientRect();
            for (const { words, box } of boxes) {
              if (box.right > frame.right + 2 || box.left < frame.left - 2) found.push(`${words} leaves its plot`);
            }
          }
          return found;
        });
        assert.deepEqual(clashes, [], `${width} px`);
      },
      { context: { viewport: { width, height: 900 } } },
    );
  }
});

test("the chosen colours stay", async () => {
  await withPage(async ({ page, url }) => {
    await open(page, url);
    const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await paper();
    await page.getByRole("combobox", { name: "Colours" }).selectOption("dark");
    await page.waitForFunction((before) => getComputedStyle(document.body).backgroundColor !== before, light);
    await page.reload();
    assert.notEqual(await paper(), light);
  });
});

test("help opens over the page and closes with Escape", async () => {
  await withPage(async ({ page, url }) => {
    await open(page, url);
    await page.getByRole("button", { name: "Help", exact: true }).click();
    await page.getByRole("dialog").waitFor();
    assert.match(await page.getByRole("dialog").innerText(), /Kendall’s τ/);
    const { violations } = await new AxeBuilder({ page }).include("dialog").analyze();
    assert.deepEqual(violations.map(({ id }) => id), []);
    await page.keyboard.press("Escape");
    assert.equal(await page.getByRole("dialog").count(), 0);
  });
});
