// The result that a visitor meets: the sentence, the opened round's sums, the tables, the files.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { withPage } from "./harness.mjs";
import { changed, close, digest, numbers, open, poq } from "./lab.mjs";

test("the first result appears by itself and names who earns most", async () => {
  await withPage(async ({ page, url }) => {
    await open(page, url);
    const headline = await page.locator(".headline").innerText();
    const table = page.locator("#earnings details.table");
    await table.locator("summary").click();
    const best = await table.locator("tbody tr").first().locator("th").innerText();
    assert.match(headline, /^Over 5,000 rounds /);
    assert.ok(headline.includes(best), `${headline} names ${best}`);
    assert.match(await digest(page), /^[0-9a-f]{64}$/);
    assert.doesNotMatch(await page.locator("body").innerText(), /NaN|undefined|Infinity/);
  });
});

test("the sentence is told to a screen reader when the run has ended", async () => {
  await withPage(async ({ page, url }) => {
    await open(page, url);
    const spoken = page.locator('.status [role="status"].visually-hidden');
    await spoken.filter({ hasText: "Over" }).waitFor({ state: "attached" });
    assert.equal(await spoken.textContent(), await page.locator(".headline").textContent());
  });
});

test("the command that a result shows prints a report of the same digest in a terminal", async () => {
  await withPage(async ({ page, url }) => {
    await open(page, url);
    const same = async () => {
      const report = JSON.parse(poq(await page.locator(".take-away pre").last().innerText()));
      assert.equal(report.digest, await digest(page));
    };
    await same();
    // Attackers drawn by share, a rule with memory, stakes at risk, another draw, money, and words that a shell would split.
    await changed(page, () => page.getByRole("button", { name: "+ attack" }).click());
    await changed(page, () => page.locator("#consensus-rule").selectOption("ema_trust"));
    await changed(page, () => page.locator("#inference_draw").selectOption("softmax"));
    await changed(page, () => page.getByLabel("stakes at risk").check());
    await changed(page, () => page.getByLabel("profit in money").check());
    await same();
    await changed(page, () => page.locator("#preset").selectOption("paper-2512.16317"));
    await same();
  });
});

test("the opened round adds up", async () => {
  await withPage(async ({ page, url }) => {
    await open(page, url);
    for (let round = 0; round < 4; round += 1) {
      const answer = page.locator(".opened .answer").first();
      const [dividend, result] = (await answer.locator('[data-sum="consensus"]').innerText()).split(" = ").slice(1);
      const scores = numbers(dividend);
      const k = scores.pop();
      close(numbers(result)[0], scores.reduce((a, b) => a + b, 0) / k, 2e-4, "consensus");

      const [, filled, paid] = (await answer.locator('[data-sum="inference"]').innerText()).split(" = ");
      const [alpha, consensus, ten, beta, cost] = numbers(filled);
      close(numbers(paid)[0], (alpha * consensus) / ten - beta * cost, 2e-4, "the node's reward");

      const rewards = await answer.locator('[data-sum="evaluator"]').allInnerTexts();
      assert.equal(rewards.length, k);
      for (const text of rewards) {
        const [sum, reward] = text.split(" = ");
        const [a, one, s, c, tenth, b, e] = numbers(sum.replaceAll(" − ", " ; "));
        close(numbers(reward)[0], a * (one - Math.abs(s - c) / tenth) - b * e, 2e-4, "an evaluator's reward");
      }
      await page.getByRole("button", { name: "Next round" }).click();
      await page.waitForFunction((n) => document.querySelector("#round-number").value === String(n), round + 2);
      await page.locator('.opened [aria-busy="false"]').waitFor();
    }
  });
});

test("arrow keys step through rounds and a square of the density opens one", async () => {
  await withPage(async ({ page, url }) => {
    await open(page, url);
    const square = page.locator('#trust [role="button"]').nth(3);
    const wanted = numbers((await square.getAttribute("aria-label")).split("open round")[1])[0];
    await square.focus();
    await page.keyboard.press("Enter");
    const number = page.locator("#round-number");
    await page.waitForFunction((n) => document.querySelector("#round-number").value === String(n), wanted);
    assert.equal(await page.evaluate(() => document.activeElement.id), "opened-round");
    await page.keyboard.press("ArrowRight");
    await page.waitForFunction((n) => document.querySelector("#round-number").value === String(n), wanted + 1);
    await page.keyboard.press("ArrowLeft");
    await page.waitForFunction((n) => document.querySelector("#round-number").value === String(n), wanted);
    await number.fill("9999999");
    await number.blur();
    assert.equal(await number.inputValue(), String(wanted), "a round that is not there is not opened");
  });
});

test("each plot is one tab stop, and arrow keys go from point to point", async () => {
  await withPage(async ({ page, url }) => {
    await open(page, url);
    const points = page.locator("#earnings [data-point]");
    await points.first().focus();
    const first = await points.first().getAttribute("aria-label");
    await page.keyboard.press("ArrowDown");
    const now = await page.evaluate(() => document.activeElement.getAttribute("aria-label"));
    assert.notEqual(now, first);
    assert.equal(now, await points.nth(1).getAttribute("aria-label"));
    for (const id of ["earnings", "quality", "trust", "audit"]) {
      const stop = page.locator(`#${id} [data-point][tabindex="0"]`);
      await stop.waitFor();
      assert.equal(await stop.count(), 1, id);
    }
  });
});

test("every plot has a real table beside it", async () => {
  await withPage(async ({ page, url }) => {
    await open(page, url);
    for (const id of ["earnings", "quality", "trust", "audit", "settling"]) {
      const details = page.locator(`#${id} details.table`);
      await details.locator("summary").click();
      assert.ok((await details.locator("table tbody tr").count()) > 0, id);
      assert.equal(await details.locator('table thead th:not([scope="col"])').count(), 0, id);
    }
  });
});

test("CSV, JSON and SVG come out whole", async () => {
  await withPage(async ({ page, url }) => {
    await open(page, url);
    const save = async (button) => {
      const [download] = await Promise.all([page.waitForEvent("download"), button.click()]);
      return { name: download.suggestedFilename(), text: await readFile(await download.path(), "utf8") };
    };
    const json = await save(page.getByRole("button", { name: "JSON of the report" }));
    const report = JSON.parse(json.text);
    assert.equal(report.digest, await digest(page));
    assert.equal(report.rounds, 5000);

    const csv = await save(page.getByRole("button", { name: "CSV of the nodes" }));
    const rows = csv.text.trimEnd().split("\r\n");
    const nodes = [...report.inference_nodes, ...report.evaluator_nodes];
    assert.equal(rows.length, nodes.length + 1);
    const mean = rows[0].split(",").indexOf("reward_mean");
    nodes.forEach((node, index) => assert.equal(Number(rows[index + 1].split(",")[mean]), node.reward_mean, node.id));

    for (const id of ["earnings", "quality", "trust", "audit", "settling"]) {
      const svg = await save(page.locator(`#${id}`).getByRole("button", { name: /SVG/ }));
      assert.equal(svg.name, `poq-${id}.svg`);
      const parsed = await page.evaluate((text) => {
        const document = new DOMParser().parseFromString(text, "image/svg+xml");
        return { root: document.documentElement.nodeName, errors: document.querySelectorAll("parsererror").length };
      }, svg.text);
      assert.deepEqual(parsed, { root: "svg", errors: 0 }, id);
      assert.doesNotMatch(svg.text, /var\(|NaN|undefined/, id);
    }
  });
});
