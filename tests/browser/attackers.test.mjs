// Consensus rules and attackers: each changes the result, is spelt out in an opened round, and is refused in words where
// it cannot be.

import assert from "node:assert/strict";
import { test } from "node:test";

import { withPage } from "./harness.mjs";
import { changed, close, digest, numbers, onDataset, open, settled, share, unpack } from "./lab.mjs";

const rule = (page) => page.locator("#consensus-rule");

/** The consensus of the opened round, worked out by `of` from the scores and weights in its table, beside what is said. */
async function openedConsensus(page, of) {
  const rows = page.locator("#opened-round .answer tbody tr");
  const cells = await rows.evaluateAll((rows) => rows.map((row) => [...row.querySelectorAll("td")].map((cell) => cell.textContent)));
  const scores = cells.map((row) => numbers(row[2])[0]);
  const weights = cells.map((row) => (row.length > 4 ? numbers(row[3])[0] : 1));
  const words = await page.locator('#opened-round [data-sum="consensus"]').innerText();
  const said = numbers(words.slice(words.lastIndexOf("=")))[0];
  close(said, of(scores, weights), 2e-4, words);
}

const sorted = (scores) => scores.toSorted((a, b) => a - b);
const mean = (scores) => scores.reduce((sum, score) => sum + score, 0) / scores.length;
const weighted = (scores, weights) => mean(scores.map((score, index) => score * weights[index])) / mean(weights);

const RULES = {
  median: (scores) => sorted(scores)[(scores.length - 1) / 2],
  trimmed_mean: (scores) => mean(sorted(scores).slice(1, -1)),
  trust_weighted: weighted,
  ema_trust: weighted,
  yuma: (scores) => mean(scores.map((score) => Math.min(score, sorted(scores)[(scores.length - 1) / 2]))),
};

test("each consensus rule gives a result of its own, and an opened round shows its arithmetic", async () => {
  await withPage(async ({ page, url }) => {
    const first = await (await open(page, url), digest(page));
    const seen = new Set([first]);
    for (const [name, of] of Object.entries(RULES)) {
      const now = await changed(page, () => rule(page).selectOption(name));
      // With three scores, the trimmed mean is the median: only the scenario tells the two apart.
      assert.ok(!seen.has(now), name);
      seen.add(now);
      await page.locator("#round-number").fill("700");
      await page.keyboard.press("Enter");
      await page.waitForFunction(() => document.querySelector("#opened-round [aria-busy]").getAttribute("aria-busy") === "false");
      await openedConsensus(page, of);
      assert.equal(await page.locator("#weights").count(), name.endsWith("trust") || name.startsWith("trust") ? 1 : 0);
    }
    assert.equal(await changed(page, () => page.getByRole("button", { name: /Consensus rule is changed/ }).click()), first);
  });
});

test("a rule's parameters are controls with bounds, and what contradicts is refused where it stands", async () => {
  await withPage(async ({ page, url }) => {
    await open(page, url);
    const before = await changed(page, () => rule(page).selectOption("trust_weighted"));
    await changed(page, () => page.locator("#consensus-lambda").fill("0.9"));
    assert.equal(await changed(page, () => page.getByRole("button", { name: /λ, speed is changed/ }).click()), before);
    await page.locator("#consensus-w_min").fill("3");
    assert.match(await page.locator("#consensus-w_min-fault").innerText(), /3 is above w_max; allowed: up to 2/);
    assert.equal(await digest(page), before);
    // Two evaluators leave nothing to trim.
    await changed(page, () => page.locator("#evaluators_per_round").fill("2"));
    await rule(page).selectOption("trimmed_mean");
    await page.getByText("The rule is as before: 1 of K = 2 scores would be dropped at each end").waitFor();
    assert.equal(await rule(page).inputValue(), "trust_weighted");
  });
});

test("attackers are added, changed, shared and removed; their gain is shown", async () => {
  await withPage(async ({ page, url, context }) => {
    const first = await (await open(page, url), digest(page));
    const seen = new Set([first]);
    assert.equal(await page.locator("#gains").count(), 0);
    const step = async (name, act) => {
      const now = await changed(page, act);
      assert.ok(!seen.has(now), `${name} gives a result of its own`);
      seen.add(now);
    };
    await step("add", () => page.getByRole("button", { name: "+ attack" }).click());
    for (const kind of ["sabotage", "noise", "lazy_constant", "copycat", "cabal", "downgrade", "latency_misreport", "boost"]) {
      // From an attack on inference back to one on scores: who attacks starts anew.
      if (kind === "boost") await changed(page, () => page.locator("#attack-0-kind").selectOption("sabotage"));
      const act = () => page.locator("#attack-0-kind").selectOption(kind);
      if (kind === "boost") await changed(page, act);
      else await step(kind, act);
      await page.locator("#gains").waitFor();
    }
    await step("nodes", () => page.locator("#attack-0-nodes").selectOption({ index: 2 }));
    await step("strength", () => page.locator("#attack-0-by").fill("4.5"));
    await step("at times", () => page.getByLabel("only at times").check());
    await step("probability", () => page.locator("#attack-0-probability").fill("0.25"));
    assert.match(await page.locator(".headline").innerText(), /attack.*\(intermittent boost\)/);
    await page.locator("#gains details.table summary").click();
    const row = await page.locator("#gains tbody tr").first().locator("td").allInnerTexts();
    const [reward, honest, gain] = row.slice(1, 4).map((text) => numbers(text)[0]);
    close(gain, reward - honest, 2e-3, row.join(" | "));
    const link = await share(page);
    assert.deepEqual(unpack(link).scenario.attacks[0].attack, { kind: "boost", by: 4.5 });
    const other = await context.newPage();
    await other.goto(link);
    await settled(other);
    await other.getByText("reproduced", { exact: false }).first().waitFor();
    assert.equal(await digest(other), await digest(page));
    await other.close();
    assert.equal(await changed(page, () => page.getByRole("button", { name: "Remove attack 1" }).click()), first);
    await page.getByText("Everybody is honest.").waitFor();
  });
});

test("contradictory attackers are refused, with the last good result on view", async () => {
  await withPage(async ({ page, url }) => {
    await open(page, url);
    await onDataset(page, "poq-lab-1");
    const add = () => page.getByRole("button", { name: "+ attack" }).click();
    await changed(page, add);
    const before = await changed(page, () => page.locator("#attack-0-share").fill("0.6"));
    await page.locator("#attack-0-share").fill("7");
    assert.match(await page.locator("#attack-0-share-fault").innerText(), /allowed: 0 to 1/);
    await page.locator("#attack-0-share").fill("0.6");
    await changed(page, add);
    await page.locator("#attack-1-share").fill("0.6");
    await settled(page, "refused");
    await page.getByText("3 of 5 nodes would attack, and only 2 take part in no other attack").first().waitFor();
    assert.notEqual(await digest(page), undefined);
    await page.getByRole("button", { name: "Remove attack 2" }).click();
    assert.equal(await settled(page), before);
  });
});

test("a preset says what it shows, and its link and command carry its name", async () => {
  await withPage(async ({ page, url }) => {
    await open(page, url);
    await onDataset(page, "poq-lab-1");
    await changed(page, () => page.locator("#preset").selectOption("drift-under-clip"));
    await page.getByText("all but the plain mean").waitFor();
    assert.equal(await page.getByRole("button", { name: "● reset all" }).count(), 0);
    const final = await page.locator("#weights details.table tbody tr").last().locator("td").allTextContents();
    assert.ok(final.length === 5 && final.every((weight) => Math.abs(numbers(weight)[0] - 2) < 0.1), final.join(" "));
    assert.match(await page.locator(".take-away pre").innerText(), /^poq simulate --preset drift-under-clip --seed 42/);
    const link = await share(page);
    assert.equal(unpack(link).preset, "drift-under-clip");
    assert.deepEqual(unpack(link).scenario, {});
    const digestOfClip = await digest(page);
    await changed(page, () => page.locator("#preset").selectOption("drift-under-ema"));
    await page.getByText("no weight drifts to the top").waitFor();
    assert.notEqual(await digest(page), digestOfClip);
    await changed(page, () => rule(page).selectOption("median"));
    await changed(page, () => page.getByRole("button", { name: "● reset all" }).click());
    assert.equal(await page.locator("#preset").inputValue(), "drift-under-ema");
    assert.equal(await rule(page).inputValue(), "ema_trust");
  });
});
