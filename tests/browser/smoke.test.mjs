import { test } from "node:test";

import { withPage } from "./harness.mjs";

test("the page opens and names itself", async () => {
  await withPage(async ({ page, url }) => {
    await page.goto(url);
    await page.waitForFunction(() => document.title.includes("PoQ Lab"));
  });
});
