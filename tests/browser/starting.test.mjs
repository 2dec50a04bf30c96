// What is missing is named, with what to do: the page's own programs, WebAssembly, and what is loaded on demand.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { serve } from "../../scripts/serve.mjs";
import { withPage } from "./harness.mjs";
import { open } from "./lab.mjs";

const told = async (page) => {
  await page.locator("#starting[role=alert]").waitFor();
  return page.locator("#starting").innerText();
};

const MISSING = {
  "its JavaScript": ["**/page-*.js", /^PoQ Lab could not start: page-[0-9a-f]+\.js could not be loaded\..*build-page/s],
  "its wasm": ["**/page-*_bg.wasm", /^PoQ Lab could not start: page-[0-9a-f]+_bg\.wasm could not be loaded\..*build-page/s],
  both: ["**/page-*", /page-[0-9a-f]+\.js and page-[0-9a-f]+_bg\.wasm could not be loaded/],
};

for (const [what, [pattern, words]] of Object.entries(MISSING)) {
  test(`without ${what} the page says what is missing and what to do`, async () => {
    for (const answer of [{ status: 404, body: "gone" }, null]) {
      await withPage(
        async ({ page, url, context }) => {
          await context.route(pattern, (route) => (answer ? route.fulfill(answer) : route.abort("connectionrefused")));
          await page.goto(url);
          assert.match(await told(page), words);
        },
        { allow: [/page-/, /404/, /ERR_CONNECTION_REFUSED/, /uncaught error/] },
      );
    }
  });
}

test("a program that is another than it should be is refused in words", async () => {
  await withPage(
    async ({ page, url, context }) => {
      await context.route("**/page-*_bg.wasm", (route) => route.fulfill({ contentType: "application/wasm", body: "<!doctype html>" }));
      await page.goto(url);
      assert.match(await told(page), /^PoQ Lab could not start: its program was refused \(.+\)\. Reload/s);
    },
    { allow: [/page-/, /uncaught error/, /integrity|digest/i] },
  );
});

test("without WebAssembly the page says so and what to do", async () => {
  await withPage(
    async ({ page, url, context }) => {
      await context.addInitScript(() => delete window.WebAssembly);
      await page.goto(url);
      assert.match(await told(page), /no WebAssembly, or it is switched off\. Switch it on/);
    },
    { allow: [/WebAssembly/] },
  );
});

test("without the workers' script the page says that the simulation could not be started", async () => {
  await withPage(
    async ({ page, url, context }) => {
      await context.route("**/worker.js", (route) => route.fulfill({ status: 404 }));
      await page.goto(url);
      assert.match(await page.locator(".status .fault").innerText(), /simulation worker stopped: .+ Reload the page/);
    },
    { allow: [/worker\.js/, /404/, /^uncaught error: $/] },
  );
});

test("a part that is not there is told in its place, and one that is still being built starts when it is there", async () => {
  const score = (page) => page.getByRole("button", { name: "Score", exact: true }).click();
  await withPage(
    async ({ page, url, context }) => {
      await context.route("**/score.js", (route) => route.fulfill({ status: 404 }));
      await open(page, url);
      await score(page);
      assert.match(await page.locator("#score-root .fault").innerText(), /score\.js is not there .*404.*build-page/);

      // Its program comes at once, that of its models later.
      await context.unroute("**/score.js");
      let isBuilt = false;
      await context.route("**/inference-cpu.js", (route) => (isBuilt ? route.continue() : route.fulfill({ status: 202 })));
      await page.reload();
      await score(page);
      await page.locator("#score").getByText("is still being built", { exact: false }).waitFor();
      assert.equal(await page.locator("#score .fault").count(), 0);
      isBuilt = true;
      await page.locator("#score [data-device=cpu]").waitFor();
      assert.equal(await page.locator("#score").getByText("still being built").count(), 0);

      // Nobody builds it, and it is not there.
      await context.route("**/inference-cpu.js", (route) => route.fulfill({ status: 404 }));
      await page.reload();
      await score(page);
      assert.match(await page.locator('#score [data-fault="program"]').innerText(), /inference-cpu\.js is not there .*404.*build-page/);
    },
    { allow: [/score\.js/, /inference-cpu\.js/, /404/] },
  );
});

test("the server tells what is being built from what is not there, and lists what it mounts", async () => {
  const folder = await mkdtemp(join(tmpdir(), "poq-serve-"));
  try {
    const [page, models] = [join(folder, "page"), join(folder, "models")];
    for (const made of [page, models, join(models, "one"), join(models, "two"), join(models, "one", "in")]) await mkdir(made);
    await writeFile(join(page, "models.json"), "{}");
    await writeFile(join(models, "one", "a.gguf"), "weights");
    await writeFile(join(models, "one", "in", "c.json"), "{}");
    await writeFile(join(models, "two", "b.gguf"), "");
    const [alone, beside] = [await serve(page), await serve(page, 0, { models })];
    try {
      const status = async (name) => (await fetch(alone.url + name, { method: "HEAD" })).status;
      assert.deepEqual([await status("inference-cpu.js"), await status("other.js")], [404, 404]);
      await writeFile(join(page, "inference.building"), "");
      assert.deepEqual([await status("inference-cpu.js"), await status("other.js"), await status("other-cpu.js")], [202, 404, 404]);
      await writeFile(join(page, "inference-cpu.js"), "whole");
      assert.equal(await status("inference-cpu.js"), 200);
      const list = async ({ url }) => (await fetch(`${url}models.json`)).json();
      assert.deepEqual([await list(alone), await list(beside)], [{}, { one: ["a.gguf", "in/c.json"], two: [] }]);
      assert.equal(await (await fetch(`${beside.url}models/one/a.gguf`)).text(), "weights");
    } finally {
      await alone.close();
      await beside.close();
    }
    assert.equal(await readFile(join(page, "models.json"), "utf8"), "{}");
  } finally {
    await rm(folder, { recursive: true });
  }
});
