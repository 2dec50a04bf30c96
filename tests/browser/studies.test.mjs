// Explore's studies: two mechanisms, the attack search, which assumption matters. Each runs by itself, is told in words,
// drawn and tabled, and opens what it found.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { AxeBuilder } from "@axe-core/playwright";

import { NODES, withPage } from "./harness.mjs";
import { changed, digest, numbers, onDataset, open, poq, settled } from "./lab.mjs";

const go = (page, name) => page.getByRole("button", { name, exact: true }).click();
const part = (page, id) => page.locator(`#${id}-part`);
const done = (page, id, phase = "done") => page.locator(`#${id}-part[data-study="${phase}"]`).waitFor();

async function explore(page, url, name, ...ids) {
  if (url !== null) {
    await open(page, url);
    await onDataset(page, "poq-lab-1");
  }
  await go(page, "Explore");
  await go(page, name);
  for (const id of ids) await done(page, id);
}

/** The cells of a part's table. */
const rows = (page, id) =>
  part(page, id)
    .locator("details tbody tr")
    .evaluateAll((rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent)));

async function json(page, id) {
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    part(page, id).getByRole("button", { name: "JSON", exact: true }).click(),
  ]);
  return JSON.parse(await readFile(await download.path(), "utf8"));
}

/** The same from the command that the page shows. */
const native = async (page, id) => JSON.parse(poq(`${await part(page, id).locator("pre").innerText()} --json`));

test("two mechanisms: what B pays more or less, settled or not, the same as in a terminal, and B opens", async () => {
  await withPage(async ({ page, url }) => {
    await open(page, url);
    const before = await digest(page);
    await go(page, "Explore");
    await go(page, "Two mechanisms");
    await done(page, "compare");
    assert.match(await part(page, "compare").locator(".headline").innerText(), /^With consensus.rule = median, of \d+ nodes, \d+ (is|are) paid differently/);
    assert.equal((await rows(page, "compare")).length, NODES);
    const sentences = await part(page, "compare").locator("ul.plain").first().locator("li").allInnerTexts();
    assert.equal(sentences.length, NODES);
    for (const words of sentences) assert.match(words, /^B (pays|seems to pay) .+ (more|less) each time .*(settled|prompts)/);
    assert.deepEqual(await json(page, "compare"), await native(page, "compare"));

    // A change that cannot be is refused where it stands, and what was found stays.
    await page.locator("#change-0-value").fill("nonsense");
    assert.match(await page.locator("#change-0-fault").innerText(), /allowed: mean, median/);
    assert.ok(await part(page, "compare").locator("button[type=submit]").isDisabled());
    assert.equal((await rows(page, "compare")).length, NODES);
    await page.locator("#change-0-value").fill("mean");
    assert.match(await page.locator("#change-0-fault").innerText(), /the same as A/);

    // A second field, then B as the scenario, and the way back.
    await go(page, "another field");
    await page.locator("#change-1-path").fill("reward.beta_inference");
    await page.locator("#change-1-value").fill("1.5");
    await part(page, "compare").locator("button[type=submit]").click();
    await page.waitForFunction(() => document.querySelector("#compare-part .headline").innerText.includes("beta_inference = 1.5"));
    await part(page, "compare").getByRole("button", { name: /^Open as the scenario: Mechanism B/ }).click();
    await settled(page);
    assert.equal(await page.locator("#reward-beta_inference").inputValue(), "1.5");
    await go(page, "Back to Explore");
    assert.match(await part(page, "compare").locator(".stale").innerText(), /former scenario/);
    await go(page, "Results");
    await changed(page, () => go(page, "Back to the scenario before"));
    assert.equal(await digest(page), before);
  });
});

test("the attack search names an attack, its gain on fresh seeds, and the scenario that shows it", async () => {
  await withPage(async ({ page, url }) => {
    await open(page, url);
    await onDataset(page, "poq-lab-1");
    // A seed of the reader's own, which stays.
    await changed(page, () => page.locator("#seed").fill("7"));
    await explore(page, null, "Attack search", "attacks", "deviations");
    assert.match(await part(page, "attacks").locator(".headline").innerText(), /^The best that 1 evaluator found for themselves: .+ for a gain of .+ beyond chance/);
    assert.match(await part(page, "deviations").locator(".headline").innerText(), /equilibrium/);
    for (const id of ["attacks", "deviations"]) assert.deepEqual(await json(page, id), await native(page, id), id);
    await page.locator("#attacks-budget").fill("99");
    assert.match(await page.locator("#attacks-budget-fault").innerText(), /allowed: 1 to 5/);
    await page.locator("#attacks-budget").fill("2");
    await part(page, "attacks").locator("button[type=submit]").click();
    await page.waitForFunction(() => document.querySelector("#attacks-part .headline").innerText.includes("2 evaluators"));
    const [first] = await rows(page, "attacks");
    await part(page, "attacks").getByRole("button", { name: /^Open as the scenario/ }).first().click();
    await settled(page);
    assert.equal(await page.locator("#seed").inputValue(), "7");
    // The opened scenario shows about that gain.
    const attackers = first[0].split(" + ").length;
    assert.equal(await page.locator("#gains details.table tbody tr").count(), attackers, first.join(" | "));
    const gain = numbers(await page.locator("#gains details.table tbody tr td").nth(3).textContent())[0];
    const [wanted] = numbers(first[2]);
    assert.ok(Math.sign(gain) === Math.sign(wanted), `${gain} beside ${wanted}`);
  });
});

test("assumptions are ranked as in a terminal, and another output gives another ranking", async () => {
  await withPage(async ({ page, url }) => {
    await explore(page, url, "Assumptions", "sensitivity");
    assert.match(await part(page, "sensitivity").locator(".headline").innerText(), /matters? most of those tried/);
    assert.deepEqual(await json(page, "sensitivity"), await native(page, "sensitivity"));
    const before = (await rows(page, "sensitivity")).map(([name]) => name);
    await page.locator("#sensitivity-output").selectOption("reward_gap");
    await part(page, "sensitivity").locator("button[type=submit]").click();
    await page.waitForFunction((before) => {
      const names = [...document.querySelectorAll("#sensitivity-part details.table tbody th")].map((cell) => cell.textContent);
      return names.join() !== before.join();
    }, before);
  });
});

test("each evaluator is left out in turn, as in a terminal, and the scenario without it opens", async () => {
  await withPage(async ({ page, url }) => {
    await explore(page, url, "Without an evaluator", "without");
    assert.match(await part(page, "without").locator(".headline").innerText(), /^(The consensus would surely follow truth better without: |Of no evaluator)/);
    assert.deepEqual(await json(page, "without"), await native(page, "without"));
    const sentences = await part(page, "without").locator("ul.plain li").allInnerTexts();
    assert.equal(sentences.length, 5);
    for (const words of sentences) assert.match(words, /^Without .+ the consensus .+: r [\d.]+ in place of [\d.]+/);
    const table = await rows(page, "without");
    assert.equal(table.length, 5 + 5 * 9);
    await part(page, "without").getByRole("button", { name: "Open as the scenario: Without ROUGE-L" }).click();
    await settled(page);
    const [r] = numbers((await page.locator(".headline").first().innerText()).split("r = ")[1]);
    const [, , without] = table.find(([name]) => name === "ROUGE-L");
    assert.equal(Number(without).toFixed(2), r.toFixed(2));
  });
});

test("a study of many rounds says how far it is, can be cancelled, and begins again", async () => {
  await withPage(async ({ page, url }) => {
    await open(page, url);
    await page.locator("#rounds").fill("3000000");
    await go(page, "Explore");
    await go(page, "Two mechanisms");
    await page.waitForFunction(() => /[1-9][\d,]* of 3,000,000 rounds/.test(document.querySelector("#compare-part .progress")?.innerText));
    // Asked again, and the scenario changed, while it runs: the last question is answered.
    await page.locator("#change-0-value").fill("yuma");
    await page.locator("#reward-beta_inference").fill("0.75");
    await part(page, "compare").getByRole("button", { name: "Start again" }).click();
    await page.waitForFunction(() => /[1-9][\d,]* of 3,000,000 rounds/.test(document.querySelector("#compare-part .progress")?.innerText));
    await part(page, "compare").getByRole("button", { name: "Cancel", exact: true }).click();
    await done(page, "compare", "cancelled");
    assert.equal(await part(page, "compare").locator(".headline").count(), 0);
    await page.locator("#rounds").fill("2000");
    await part(page, "compare").locator("button[type=submit]").click();
    await done(page, "compare");
    assert.match(await part(page, "compare").innerText(), /2,000 rounds of each mechanism/);
    assert.match(await part(page, "compare").locator(".headline").innerText(), /consensus.rule = yuma/);
    // What the form asks now is not what is answered below it.
    await page.locator("#change-0-value").fill("median");
    assert.match(await part(page, "compare").locator(".stale").innerText(), /what was asked before/);
    await page.locator("#reward-beta_inference").fill("0.5");
    assert.match(await part(page, "compare").locator(".stale").innerText(), /former scenario/);
  });
});

test("a part that is first shown after the rule has become the one it would compare with takes another", async () => {
  await withPage(async ({ page, url }) => {
    await open(page, url);
    await go(page, "Explore");
    await page.locator("#consensus-rule").selectOption("median");
    await go(page, "Two mechanisms");
    await done(page, "compare");
    assert.match(await part(page, "compare").locator(".headline").innerText(), /^With consensus.rule = mean/);
  });
});

test("a study keeps what it found while other places are on view, and is accessible", async () => {
  await withPage(async ({ page, url }) => {
    await explore(page, url, "Two mechanisms", "compare");
    const words = await part(page, "compare").locator(".headline").innerText();
    await go(page, "Network");
    await go(page, "Explore");
    assert.equal(await part(page, "compare").locator(".headline").innerText(), words);
    for (const [name, id] of [["Two mechanisms", "compare"], ["Attack search", "deviations"], ["Without an evaluator", "without"], ["Assumptions", "sensitivity"]]) {
      await go(page, name);
      await done(page, id);
      const { violations } = await new AxeBuilder({ page }).analyze();
      assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`), [], name);
    }
    await page.setViewportSize({ width: 320, height: 800 });
    for (const name of ["Two mechanisms", "Attack search", "Without an evaluator", "Assumptions"]) {
      await go(page, name);
      const [wide, all] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.ok(wide <= all, `${name}: ${wide} of ${all}`);
    }
  });
});
