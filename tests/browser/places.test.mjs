// Every place at every width: nothing lies on anything else, the head stays low, nothing scrolls sideways.

import assert from "node:assert/strict";
import { test } from "node:test";

import { withPage } from "./harness.mjs";
import { changed, digest, open } from "./lab.mjs";

const WIDTHS = [320, 600, 768, 900, 1280, 1920];
const HEAD_PX = 160;

/** What tells that a place has on it what it can have. */
const PLACES = {
  Network: (page) => page.locator("#network-evaluators").waitFor(),
  Results: (page) => page.locator("#settling svg").waitFor(),
  Explore: (page) => page.locator('[data-map-phase="done"]').waitFor(),
  Score: (page) => page.locator("#score [data-device=cpu]").waitFor(),
  Reproduce: (page) => page.locator("#reproduce table").first().waitFor(),
};

const go = (page, name) => page.getByRole("button", { name, exact: true }).click();

/** Pairs of things on view of which neither is part of the other, and that lie on one another, in words. */
function overlaps(page) {
  return page.evaluate(() => {
    const WHAT = "button, input, select, textarea, label, legend, summary, h1, h2, h3, h4, p, dt, dd, th, td, caption, svg.plot, progress, pre";
    const words = (element) => `${element.localName} “${(element.innerText ?? element.id ?? "").trim().slice(0, 40) || element.id}”`;
    /** What of an element is on view: not what a box that scrolls hides of it. */
    const seen = (element) => {
      let { left, top, right, bottom } = element.getBoundingClientRect();
      for (let around = element.parentElement; around; around = around.parentElement) {
        if (getComputedStyle(around).overflowX === "visible") continue;
        const box = around.getBoundingClientRect();
        [left, top] = [Math.max(left, box.left), Math.max(top, box.top)];
        [right, bottom] = [Math.min(right, box.right), Math.min(bottom, box.bottom)];
      }
      return { element, left, top, right, bottom };
    };
    const boxes = [...document.querySelectorAll(WHAT)]
      .filter((element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true }))
      .filter((element) => !element.closest(".visually-hidden, .skip"))
      .map(seen)
      .filter(({ left, top, right, bottom }) => right - left > 1 && bottom - top > 1);
    const found = [];
    for (const [index, a] of boxes.entries()) {
      for (const b of boxes.slice(0, index)) {
        const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (wide <= 1 || high <= 2 || a.element.contains(b.element) || b.element.contains(a.element)) continue;
        found.push(`${words(b.element)} and ${words(a.element)}: ${Math.round(wide)} by ${Math.round(high)} px`);
      }
    }
    return found;
  });
}

const headHeight = (page) => page.evaluate(() => document.querySelector("header.top").getBoundingClientRect().height);

for (const width of WIDTHS) {
  test(`nothing lies on anything else at ${width} px, in any place`, async (test) => {
    await withPage(
      async ({ page, url }) => {
        await open(page, url);
        // A changed scenario with a preset's words: the head has on it all that it can have.
        const narrow = width < 960;
        await changed(page, () => page.locator("#preset").selectOption("drift-under-ema"));
        if (narrow) await page.locator(".panel-toggle").click();
        await changed(page, () => page.locator("#seed").fill("9007199254740991"));
        await changed(page, () => page.locator("#rounds").fill("300"));
        for (const [place, isThere] of Object.entries(PLACES)) {
          await go(page, place);
          await isThere(page);
          const height = await headHeight(page);
          test.diagnostic(`${place}: the head is ${height} px high`);
          assert.ok(height <= HEAD_PX, `${place}: the head is ${height} px high`);
          const [content, view] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
          assert.ok(content <= view, `${place}: ${content} px in ${view}`);
          assert.deepEqual(await overlaps(page), [], place);
        }
      },
      { context: { viewport: { width, height: 900 } } },
    );
  });
}

/** What the test above would miss, if boxes were not seen or not measured. */
test("things that do lie on one another are caught", async () => {
  await withPage(async ({ page, url }) => {
    await open(page, url);
    assert.deepEqual(await overlaps(page), []);
    await page.addStyleTag({ content: ".share { margin-left: -6rem; } h1 { padding-bottom: 100px; }" });
    assert.ok((await overlaps(page)).some((words) => words.includes("Share")));
    assert.ok((await headHeight(page)) > 160);
  });
});

test("a page at double zoom is one of half its width: the head stays low", async () => {
  await withPage(
    async ({ page, url }) => {
      await open(page, url);
      const height = await headHeight(page);
      assert.ok(height <= HEAD_PX, `${height} px`);
    },
    { context: { viewport: { width: 720, height: 450 }, deviceScaleFactor: 2 } },
  );
});

test("a number box shows every digit of the largest number it takes", async () => {
  for (const width of [320, 1280]) {
    await withPage(
      async ({ page, url }) => {
        await open(page, url);
        if (width < 960) await page.locator(".panel-toggle").click();
        await page.locator("#seed").fill("9007199254740991");
        await page.locator("#rounds").fill("1000000000");
        await page.locator("progress").waitFor();
        await page.getByRole("button", { name: "Cancel" }).click();
        await page.locator('[data-phase="cancelled"]').waitFor();
        const last = await page.locator("#round-number").getAttribute("max");
        await page.locator("#round-number").fill(last);
        for (const [id, digits] of [["seed", 16], ["rounds", 10], ["round-number", last.length]]) {
          const box = await page.locator(`#${id}`).evaluate((input) => {
            // A box with room for its text scrolls no part of it away.
            const cut = input.scrollWidth - input.clientWidth;
            const narrow = input.cloneNode();
            narrow.value = input.value;
            narrow.style.width = "3rem";
            input.after(narrow);
            const seen = narrow.scrollWidth > narrow.clientWidth;
            narrow.remove();
            return { digits: input.value.length, cut, seen };
          });
          assert.deepEqual(box, { digits, cut: 0, seen: true }, `${id} at ${width} px`);
        }
      },
      { context: { viewport: { width, height: 900 } } },
    );
  }
});

test("a button that cannot be used looks so", async () => {
  for (const colorScheme of ["light", "dark"]) {
    await withPage(
      async ({ page, url }) => {
        await open(page, url);
        const look = (name) =>
          page.getByRole("button", { name }).evaluate((button) => {
            const { backgroundColor, borderTopStyle, color, cursor } = getComputedStyle(button);
            return { disabled: button.disabled, backgroundColor, borderTopStyle, color, cursor };
          });
        // The first round has none before it.
        const [off, on] = [await look("Previous round"), await look("Next round")];
        assert.deepEqual([off.disabled, on.disabled], [true, false]);
        for (const what of ["backgroundColor", "borderTopStyle", "color", "cursor"]) assert.notEqual(off[what], on[what], what);
      },
      { context: { colorScheme } },
    );
  }
});

test("a file that is saved stays readable, by a link in the document", async () => {
  await withPage(async ({ page, url, context }) => {
    await context.addInitScript(() => {
      window.saves = { connected: [], revoked: 0 };
      const { click } = HTMLAnchorElement.prototype;
      HTMLAnchorElement.prototype.click = function () {
        window.saves.connected.push(this.isConnected);
        return click.call(this);
      };
      const revoke = URL.revokeObjectURL;
      URL.revokeObjectURL = (address) => {
        window.saves.revoked += 1;
        revoke(address);
      };
    });
    await open(page, url);
    for (const name of ["CSV of the nodes", "JSON of the report", "Save “Who earns what” as SVG"]) {
      const [saved] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name }).click()]);
      assert.equal(await saved.failure(), null);
    }
    assert.deepEqual(await page.evaluate(() => window.saves), { connected: [true, true, true], revoked: 0 });
    assert.equal(await page.locator("body > a[download]").count(), 0);
    assert.ok(await digest(page));
  });
});
