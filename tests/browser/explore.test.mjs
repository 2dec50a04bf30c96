// Explore: the map fills in, can be stopped, is told in words, and each of its cells is the run of its scenario.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { AxeBuilder } from "@axe-core/playwright";

import { NODES, withPage } from "./harness.mjs";
import { changed, longestTask, numbers, onDataset, open, poq, settled, share, unpack } from "./lab.mjs";

const go = (page, name) => page.getByRole("button", { name, exact: true }).click();
const phase = (page, name) => page.locator(`[data-map-phase="${name}"]`).waitFor();

/** Opens the page at Explore; the map there runs by itself. */
async function explore(page, url) {
  await open(page, url);
  await onDataset(page, "poq-lab-1");
  await go(page, "Explore");
  await phase(page, "done");
}

/** Fills in the form and makes the map. */
async function make(page, { x = {}, y = {}, rounds } = {}, want = "done") {
  for (const [index, axis] of [x, y].entries()) {
    for (const part of ["path", "from", "to", "steps", "words"]) {
      if (axis[part] === undefined) continue;
      await page.locator(`#axis-${index}-${part}`).fill(String(axis[part]));
      if (part === "path") await page.keyboard.press("Tab");
    }
  }
  if (rounds !== undefined) await page.locator("#map-rounds").fill(String(rounds));
  await page.locator(".map-form button[type=submit]").click();
  if (want !== null) await phase(page, want);
}

/** What a button saves, as text. */
async function saved(page, name) {
  const [download] = await Promise.all([page.waitForEvent("download"), go(page, name)]);
  return readFile(await download.path(), "utf8");
}

const cellWords = (page) => page.locator(".cell-words").innerText();

/** The rows of a CSV without quotes, each as an object. */
function parseCsv(text) {
  const [heading, ...lines] = text.trimEnd().split(/\r?\n/).map((line) => line.split(","));
  return lines.map((fields) => Object.fromEntries(heading.map((name, index) => [name, fields[index]])));
}

test("the map fills in by itself, says what it shows, and every way to show it has words, colours and a table", async () => {
  await withPage(async ({ page, url }) => {
    await explore(page, url);
    assert.match(await page.locator(".map-sentence").innerText(), /^Over 1,024 cells .+ earns most in [\d.]+%/);
    const seen = new Set();
    for (const [shows, words] of Object.entries({
      winner: /earns most in/,
      losers: /number of nodes below 0 goes from \d+ .* to \d+/,
      flips: /the other way round goes from 0 .*; the ranking is the scenario’s own in/,
      node: /’s mean reward goes from −?[\d.]+ \(α quality .*, β cost .*\) to/,
      pearson: /r of consensus with truth is [\d.]+ throughout/,
      kendall: /τ of reward with efficiency goes from/,
      gain: /no such value: nobody attacks/,
    })) {
      await page.locator("#map-shows").selectOption(shows);
      await page.waitForFunction((chosen) => document.querySelector("#map-shows").value === chosen, shows);
      const sentence = await page.locator(".map-sentence").innerText();
      assert.match(sentence, words);
      seen.add(sentence);
      // Every cell has a colour: what the areas cover is the whole grid.
      const covered = await page.locator("#map .ground .area").evaluateAll((areas) =>
        areas.flatMap((area) => [...area.getAttribute("d").matchAll(/h(\d+)v1/g)]).reduce((sum, [, length]) => sum + Number(length), 0),
      );
      assert.equal(covered, 1024, shows);
      assert.equal(await page.locator("#map details.table tbody tr").count(), 32);
    }
    assert.equal(seen.size, 7);
  });
});

test("a field that is chosen brings a range of its own; K goes up to the evaluators there are, in whole numbers", async () => {
  await withPage(async ({ page, url }) => {
    await explore(page, url);
    const axis = (parts) => Promise.all(parts.map((part) => page.locator(`#axis-0-${part}`).inputValue()));
    const choose = async (path) => {
      await page.locator("#axis-0-path").fill(path);
      await page.keyboard.press("Tab");
      return axis(["from", "to", "steps"]);
    };
    assert.deepEqual(await choose("staking.slash_distance"), ["0", "10", "32"]);
    assert.deepEqual(await choose("evaluators_per_round"), ["1", "5", "5"]);
    await make(page, { y: { steps: 3 }, rounds: 100 });
    const ticks = await page.locator("#map svg .tick").allTextContents();
    assert.deepEqual(ticks.slice(0, 5), ["1", "2", "3", "4", "5"]);
    const refused = async (change, words) => {
      await make(page, { x: change }, null);
      assert.match(await page.locator("#axis-0-fault").innerText(), words);
    };
    await refused({ to: 6, steps: 6 }, /^6 evaluators a round; allowed: 1 to 5/);
    await refused({ to: 5, steps: 9 }, /^1\.5 is between two whole numbers/);
  });
});

test("keys and the pointer tell a cell, and Enter opens it as the scenario, whose result is the cell's", async () => {
  await withPage(async ({ page, url }) => {
    await explore(page, url);
    await make(page, { x: { steps: 5 }, y: { steps: 5 }, rounds: 700 });
    const cursor = page.locator("#map [data-point]");
    await cursor.focus();
    for (const key of ["Home", "PageDown"]) await page.keyboard.press(key);
    assert.match(await cellWords(page), /^α quality 0, β cost 0: every inference node earns 0;/);
    for (const key of ["ArrowRight", "ArrowRight", "ArrowRight", "ArrowUp"]) await page.keyboard.press(key);
    const words = await cellWords(page);
    assert.match(words, /^α quality 1\.5, β cost 0\.5: .+ earns most, [\d.]+; \d+ of \d+ nodes below 0\.$/);
    assert.equal(await cursor.getAttribute("aria-label"), words);
    assert.equal(await cursor.evaluate((element) => element === document.activeElement), true);
    // The pointer over the same cell tells the same.
    const plane = await page.locator("[data-map]").boundingBox();
    await page.mouse.move(plane.x + 4, plane.y + 4);
    await page.waitForFunction((old) => document.querySelector(".cell-words").innerText !== old, words);
    assert.match(await cellWords(page), /^α quality 0, β cost 2:/);
    await page.mouse.move(plane.x + plane.width * 0.7, plane.y + plane.height * 0.7);
    await page.waitForFunction((old) => document.querySelector(".cell-words").innerText === old, words);

    const former = await page.evaluate(() => window.poqLab.digest("{}"));
    await cursor.focus();
    await page.keyboard.press("Enter");
    await page.locator("[data-digest]").waitFor();
    await page.waitForFunction((old) => document.querySelector("[data-digest]")?.dataset.digest !== old, former);
    const now = await settled(page);
    const scenario = { rounds: 700, reward: { alpha_inference: 1.5, beta_inference: 0.5 } };
    assert.equal(now, await page.evaluate((json) => window.poqLab.digest(json), JSON.stringify(scenario)));
    assert.equal(await page.locator("#reward-alpha_inference").inputValue(), "1.5");
    assert.equal(await page.locator("#rounds").inputValue(), "700");
    await page.locator("#earnings details.table summary").click();
    const best = (await page.locator("#earnings tbody tr").first().locator("td").nth(1).innerText()).trim();
    assert.ok(words.includes(`earns most, ${best};`), `${words} / ${best}`);
    const { scenario: shared } = unpack(await share(page));
    assert.deepEqual(shared, { reward: { alpha_inference: 1.5 } });

    // There is a way back to the map, which is still of this scenario, and to the scenario before.
    await go(page, "Back to Explore");
    await phase(page, "done");
    assert.equal(await page.locator(".stale").count(), 0);
    await go(page, "Results");
    assert.equal(await changed(page, () => go(page, "Back to the scenario before")), former);
    assert.equal(await page.locator(".way-back").count(), 0);
  });
});

test("a long map is cancelled, keeps what it has, and the page never blocks meanwhile", async (test) => {
  await withPage(async ({ page, url }) => {
    await explore(page, url);
    const longest = await longestTask(page, async () => {
      await make(page, { x: { steps: 64 }, y: { steps: 64 }, rounds: 5000 }, null);
      await page.waitForFunction(() => /^Over [\d,]+ of 4,096 cells/.test(document.querySelector(".map-sentence").innerText));
      await page.locator("#map-shows").selectOption("node");
      await page.locator("#map [data-point]").focus();
      for (let step = 0; step < 10; step += 1) await page.keyboard.press("ArrowLeft");
      await page.waitForFunction(() => parseInt(document.querySelector(".progress span").innerText.replace(",", ""), 10) > 400);
    });
    test.diagnostic(`longest task: ${longest.toFixed(1)} ms while the map fills in`);
    assert.ok(longest <= 50, `a task of ${longest} ms`);
    await make(page, { rounds: 100000 }, null);
    await page.waitForFunction(() => /^Over [\d,]+ of 4,096 cells/.test(document.querySelector(".map-sentence").innerText));
    await go(page, "Cancel the map");
    await phase(page, "cancelled");
    const [done, all] = numbers(await page.locator(".progress.cancelled").innerText());
    assert.ok(done > 0 && done < all && all === 4096, `${done} of ${all}`);
    // Nothing comes after.
    await page.waitForTimeout(500);
    assert.equal(numbers(await page.locator(".progress.cancelled").innerText())[0], done);
    const rows = parseCsv(await saved(page, "CSV of the cells"));
    const cells = new Set(rows.map((row) => `${row["reward.alpha_inference"]} ${row["reward.beta_inference"]}`));
    assert.equal(cells.size, done);
    // The next map runs as ever.
    await make(page, { x: { steps: 3 }, y: { steps: 3 }, rounds: 50 });
    assert.match(await page.locator(".map-sentence").innerText(), /^Over 9 cells/);
  });
});

test("CSV and JSON hold the engine's own numbers, and the command makes the same grid", async () => {
  await withPage(async ({ page, url }) => {
    await open(page, url);
    await changed(page, () => page.getByRole("button", { name: "+ attack" }).click());
    await go(page, "Explore");
    await make(page, {
      x: { path: "consensus.rule", words: "mean,median" },
      y: { path: "attacks.0.by", from: 1, to: 5, steps: 3 },
      rounds: 300,
    });
    const json = JSON.parse(await saved(page, "JSON of the map"));
    assert.equal(json.cells.length, 6);
    assert.equal(json.scenario.rounds, 300);
    assert.deepEqual(json.axes.map(({ path }) => path), ["consensus.rule", "attacks.0.by"]);
    assert.match(json.dataset.hash, /^[0-9a-f]{64}$/);
    const command = await page.locator(".map pre").innerText();
    assert.match(command, /^poq sweep .*--vary consensus.rule=mean,median --vary attacks.0.by=1:5:3$/);
    const csv = parseCsv(await saved(page, "CSV of the cells"));
    assert.equal(csv.length, 6 * NODES);
    for (const row of csv) {
      const cell = json.cells.find(({ set }) => set["consensus.rule"] === row["consensus.rule"] && set["attacks.0.by"] === Number(row["attacks.0.by"]));
      const nodes = row.role === "inference" ? cell.inference_nodes : cell.evaluator_nodes;
      assert.equal(Number(row.reward_mean), nodes.find(({ id }) => id === row.id).reward_mean);
    }
    // The same cell as a run of its own: its report says the same to the bit.
    await page.locator("#map [data-point]").focus();
    for (const key of ["End", "PageUp", "Enter"]) await page.keyboard.press(key);
    await page.locator("[data-digest]").waitFor();
    await page.locator(".way-back").waitFor();
    await settled(page);
    const report = JSON.parse(await saved(page, "JSON of the report"));
    assert.deepEqual([report.scenario.consensus.rule, report.scenario.attacks[0].by, report.rounds], ["median", 5, 300]);
    const rows = csv.filter((row) => row["consensus.rule"] === "median" && row["attacks.0.by"] === "5");
    for (const node of [...report.inference_nodes, ...report.evaluator_nodes]) {
      const row = rows.find(({ id }) => id === node.id);
      assert.equal(Number(row.reward_mean), node.reward_mean, node.id);
      assert.equal(Number(row.negative_share), node.negative_share, node.id);
      assert.equal(Number(row.pearson_consensus_truth), report.mechanism.pearson_consensus_truth);
      assert.equal(Number(row.kendall_reward_efficiency), report.mechanism.kendall_reward_efficiency);
    }
    for (const attacker of report.attackers) {
      assert.equal(Number(rows.find(({ id }) => id === attacker.id).gain_mean), attacker.gain_mean);
    }
    // And the native sweep, by the command that the page shows.
    const native = parseCsv(poq(command));
    assert.equal(native.length, csv.length);
    for (const [index, row] of csv.entries()) {
      for (const [name, value] of Object.entries(row)) assert.equal(value, native[index][name], `${name} of row ${index}`);
    }
  });
});

test("what is filled in wrongly is refused at its field, and the map stays", async () => {
  await withPage(async ({ page, url }) => {
    await explore(page, url);
    const before = await page.locator(".map-sentence").innerText();
    const refused = async (axis, index, words) => {
      await make(page, index === 0 ? { x: axis } : { y: axis }, null);
      const fault = page.locator(`#axis-${index}-fault`);
      await fault.waitFor();
      assert.match(await fault.innerText(), words);
      assert.equal(await page.locator(`#axis-${index}-path`).getAttribute("aria-invalid"), "true");
      assert.equal(await page.locator(`#axis-${index}-path`).getAttribute("aria-describedby"), `axis-${index}-fault`);
    };
    await refused({ steps: 65 }, 0, /65 values; allowed: 1 to 64/);
    await refused({ steps: 8, to: "much" }, 0, /`much` is not a number/);
    await refused({ to: 2000 }, 0, /2000 is out of range; allowed: 0 to 1000/);
    await make(page, { x: { to: 2 }, y: { path: "reward.gamma" } }, null);
    await page.locator("#axis-1-fault").waitFor();
    assert.match(await page.locator("#axis-1-fault").innerText(), /unknown field `gamma`|no such field/);
    await refused({ path: "consensus.rule", words: "mean,magic" }, 1, /unknown consensus rule `magic`|magic/);
    await page.locator("#map-rounds").fill("0");
    await make(page, { y: { words: "mean" } }, null);
    await page.locator("#map-rounds-fault").waitFor();
    assert.match(await page.locator("#map-rounds-fault").innerText(), /0 is out of range/);
    assert.equal(await page.locator(".map-sentence").innerText(), before);
  });
});

test("a change of the scenario leaves the map, marked as of the former one, with a button to make it again", async () => {
  await withPage(async ({ page, url, context }) => {
    await explore(page, url);
    await make(page, { x: { steps: 4 }, y: { steps: 4 }, rounds: 60 });
    const before = await page.locator(".map-sentence").innerText();
    // Along an axis it is still the same map.
    await page.locator("#reward-alpha_inference").fill("0.4");
    await page.locator('[data-phase="done"]').waitFor();
    assert.equal(await page.locator(".stale").count(), 0);
    await page.locator("#evaluators_per_round").fill("1");
    await page.getByText("This map is of the former scenario.").waitFor();
    assert.equal(await page.locator(".map-sentence").innerText(), before);
    await page.locator(".stale").getByRole("button", { name: "Make it again" }).click();
    await page.waitForFunction(() => document.querySelector(".stale") === null);
    await phase(page, "done");
    // The place travels in the link.
    const link = await share(page);
    assert.equal(unpack(link).view.place, "explore");
    const other = await context.newPage();
    await other.goto(link);
    await other.locator('[data-map-phase="done"]').waitFor();
    assert.equal(await other.locator("#evaluators_per_round").inputValue(), "1");
    await other.close();
  });
});

test("workers that cannot start are told in words, with a button to try again", async () => {
  await withPage(
    async ({ page, url }) => {
      await open(page, url);
      await page.evaluate(() => {
        window.poqWorkerScript = "./nowhere.js";
      });
      await go(page, "Explore");
      await phase(page, "failed");
      assert.match(await page.locator(".map .fault.banner").innerText(), /The map stopped after 0 of 1,024 cells: .*could not be loaded/);
      await page.evaluate(() => {
        const program = document.querySelector("link[rel=modulepreload]").getAttribute("href").split("/").pop();
        window.poqWorkerScript = `./worker.js#${program}`;
      });
      await go(page, "Make it again");
      await phase(page, "done");
    },
    { allow: [/nowhere\.js/, /404/] },
  );
});

for (const colorScheme of ["light", "dark"]) {
  for (const width of [320, 1280]) {
    test(`no sideways scroll, no label on another and no finding of axe at ${width} px, ${colorScheme}`, async () => {
      await withPage(
        async ({ page, url }) => {
          await explore(page, url);
          for (const shows of ["winner", "node", "losers"]) {
            await page.locator("#map-shows").selectOption(shows);
            await page.waitForFunction((chosen) => document.querySelector("#map-shows").value === chosen, shows);
            for (const details of await page.locator(".map details").all()) {
              await details.evaluate((element) => element.setAttribute("open", ""));
            }
            const [content, view] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
            assert.ok(content <= view, `${content} px in ${view}`);
            const outside = await page.locator("#map svg text").evaluateAll((texts) => {
              const frame = texts[0].closest("svg").getBoundingClientRect();
              const boxes = texts.map((text) => [text.textContent, text.getBoundingClientRect()]);
              return boxes.filter(([, box]) => box.right > frame.right + 2 || box.left < frame.left - 2).map(([words]) => words);
            });
            assert.deepEqual(outside, []);
            const { violations } = await new AxeBuilder({ page }).analyze();
            const grave = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
            assert.deepEqual(grave.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).slice(0, 3).join(" | ")}`), [], shows);
          }
        },
        { context: { viewport: { width, height: 900 }, colorScheme, reducedMotion: "reduce" } },
      );
    });
  }
}
