import assert from "node:assert/strict";
import { test } from "node:test";

import { withPage } from "./harness.mjs";

test("the page opens, names itself, and loads no program that its first place does not need", async () => {
  await withPage(async ({ page, url }) => {
    const requests = [];
    page.context().on("request", (request) => requests.push(new URL(request.url()).pathname));
    await page.goto(url);
    await page.waitForFunction(() => document.title.includes("PoQ Lab"));
    await page.locator('[data-phase="done"]').waitFor();
    assert.ok(requests.some((path) => path.endsWith("_bg.wasm")), `${requests}`);
    assert.deepEqual(requests.filter((path) => /\/((score|study|inference)[^/]*\.(js|wasm)|models\/.*)$/.test(path)), []);
  });
});
