// The controls: each gives a new result without a reload, and refuses in words what it cannot take.

import assert from "node:assert/strict";
import { test } from "node:test";

import { NODES, withPage } from "./harness.mjs";
import { changed, close, digest, numbers, open } from "./lab.mjs";

test("every control changes the result without a reload, and its reset brings the first one back", async () => {
  await withPage(async ({ page, url }) => {
    await open(page, url);
    await page.evaluate(() => {
      window.sameDocument = true;
    });
    const first = await digest(page);
    const seen = new Set([first]);
    const back = async () => changed(page, () => page.getByRole("button", { name: "● reset all" }).click());
    const acts = {
      "alpha of inference": () => page.locator("#reward-alpha_inference").fill("0.7"),
      "beta of evaluators": () => page.locator("#reward-beta_evaluator").fill("0.1"),
      K: () => page.locator("#evaluators_per_round").fill("2"),
      "who answers": () => page.locator("#inference_draw").selectOption("all"),
      "cost rule": () => page.locator("#cost_normalization").selectOption("log_min_max"),
      rounds: () => page.locator("#rounds").fill("800"),
      seed: () => page.locator("#seed").fill("7"),
      "new seed": () => page.getByRole("button", { name: "New seed" }).click(),
      tasks: () => page.getByLabel("summarisation").uncheck(),
      normalisation: async () => {
        const select = page.locator('select[id^="score_normalization-"]').first();
        await page.getByText("From raw values to scores").click();
        await select.selectOption("sigmoid");
      },
    };
    for (const [name, act] of Object.entries(acts)) {
      const now = await changed(page, act);
      assert.ok(!seen.has(now), `${name} gives a result of its own`);
      seen.add(now);
      assert.equal(await back(), first, `${name} goes back`);
    }
    assert.equal(await page.evaluate(() => window.sameDocument), true);
  });
});

test("a slider gives one run for its many steps", async () => {
  await withPage(async ({ page, url }) => {
    await open(page, url);
    const slider = page.getByRole("slider", { name: "α quality slider" });
    await changed(page, async () => {
      await slider.focus();
      for (let step = 0; step < 6; step += 1) await page.keyboard.press("ArrowRight");
    });
    await page.waitForFunction(() => document.querySelector("#reward-alpha_inference").value === "1.3");
  });
});

test("what a box cannot take is refused in words, and the last good result stays", async () => {
  await withPage(async ({ page, url }) => {
    await open(page, url);
    const first = await digest(page);
    const refused = async (id, text, words) => {
      const input = page.locator(`#${id}`);
      await input.fill(text);
      const fault = page.locator(`#${id}-fault`);
      assert.match(await fault.innerText(), words);
      assert.equal(await input.getAttribute("aria-invalid"), "true");
      assert.match(await input.getAttribute("aria-describedby"), new RegExp(`${id}-fault`));
    };
    await refused("rounds", "0", /0 is out of range; allowed: 1 to 1,000,000,000/);
    await refused("rounds", "1.5", /not whole/);
    await refused("reward-alpha_inference", "-1", /allowed: 0 to 1,000/);
    await refused("evaluators_per_round", "99", /99 is out of range; allowed: 1 to \d+/);
    await refused("seed", "", /nothing is filled in/);
    assert.equal(await digest(page), first);
    // The last task kind cannot be left out.
    await page.getByLabel("summarisation").uncheck();
    await page.getByLabel("question answering").click();
    await page.getByText("the list is empty").first().waitFor();
    assert.equal(await page.getByLabel("question answering").isChecked(), true);
  });
});

test("weights that all vanish are refused where they stand", async () => {
  await withPage(async ({ page, url }) => {
    await open(page, url);
    for (const id of ["alpha_inference", "beta_inference", "alpha_evaluator", "beta_evaluator"]) {
      await page.locator(`#reward-${id}`).fill("0");
    }
    await page.getByText("all weights are 0").first().waitFor();
    assert.match(await page.locator(".headline").innerText(), /^Over 5,000 rounds/);
  });
});

test("the network is edited by groups, and K is held to the pool", async () => {
  await withPage(async ({ page, url }) => {
    await open(page, url);
    const first = await digest(page);
    const go = (name) => page.getByRole("button", { name, exact: true }).click();
    await go("Network");
    await page.locator("#inference-0-count").fill("4");
    await page.locator("#evaluators-0-noise").fill("2");
    await go("Results");
    await page.locator('[data-phase="done"]').waitFor();
    assert.notEqual(await digest(page), first);
    await page.locator("#earnings details.table summary").click();
    assert.ok((await page.locator("#earnings tbody th", { hasText: "#4" }).count()) === 1);
    await go("Network");
    const resets = page.getByRole("button", { name: /back to one of each/ });
    assert.equal(await resets.count(), 2);
    await resets.last().click();
    await resets.first().click();
    const boxes = page.locator('section[aria-labelledby="network-evaluators"] input[type="checkbox"]');
    for (let index = (await boxes.count()) - 1; index >= 2; index -= 1) await boxes.nth(index).uncheck();
    // Nobody has set K: it is as large as the pool. One that was set is refused.
    await page.getByText("K is 2 here, all evaluators that there are").waitFor();
    await page.locator("#evaluators_per_round").fill("4");
    assert.match(await page.locator("#evaluators_per_round-fault").innerText(), /allowed: 1 to 2/);
    await page.locator("#evaluators_per_round").fill("2");
    await boxes.nth(1).uncheck();
    await boxes.nth(0).click();
    await page.getByText("at least one node takes part").waitFor();
    assert.equal(await boxes.nth(0).isChecked(), true);
  });
});

test("in money each node has a profit and a break-even, and the marks stand in the plot", async () => {
  await withPage(async ({ page, url }) => {
    await open(page, url);
    const first = await digest(page);
    assert.equal(await page.locator("#earnings .break-even").count(), 0);
    await changed(page, () => page.locator("#money").check());
    assert.equal(await page.locator("#earnings .break-even").count(), NODES);
    await page.locator("#earnings details.table summary").click();
    const rows = page.locator("#earnings tbody tr");
    const worth = async () => {
      for (const row of await rows.all()) {
        const cells = (await row.locator("td").allInnerTexts()).map((text) => numbers(text));
        const [mean, latency, profit] = [cells[1][0], cells[8][0], cells[9][0]];
        const price = Number(await page.locator("#money-price_per_round").inputValue());
        close(profit, price * mean - (0.001 * latency) / 1000, 6e-3 * Math.max(price, 0.01), await row.innerText());
      }
    };
    await worth();
    await changed(page, () => page.locator("#money-price_per_round").fill("0.5"));
    await worth();
    await page.locator("#money-price_per_round").fill("0");
    assert.match(await page.locator("#money-price_per_round-fault").innerText(), /0 is out of range/);
    assert.equal(await changed(page, () => page.locator("#money").uncheck()), first);
  });
});
