// Sets the engine in the page's Web Worker beside the native one: rounds a second of each, in turn, and their ratio.
//
//   ./lab bench          builds both and runs this
//   node benches/wasm.mjs RUST_BINARY [ROUNDS] [REPEATS]
//
// The default scenario on the shipped dataset. The page's time is that of a long run less that of a run of one round, so
// that what is not rounds (messages, intervals, the digest) falls out.

import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

import { withPage } from "../tests/browser/harness.mjs";

const [binary, rounds = "4000000", repeats = "21"] = process.argv.slice(2);
if (!binary) {
  console.error("usage: node benches/wasm.mjs RUST_BINARY [ROUNDS] [REPEATS]");
  process.exit(2);
}
const dataset = fileURLToPath(new URL("../static/datasets/poq-lab-2", import.meta.url));

function nativeSecs(seed) {
  const output = execFileSync(binary, [dataset, rounds, String(seed)], { encoding: "utf8" });
  return JSON.parse(output).elapsed_secs;
}

await withPage(async ({ page, url }) => {
  await page.goto(url);
  await page.locator('[data-phase="done"]').waitFor();
  const pageSecs = (seed, count) =>
    page.evaluate(
      async (scenario) => {
        const start = performance.now();
        await window.poqLab.digest(scenario);
        return (performance.now() - start) / 1000;
      },
      JSON.stringify({ rounds: count, seed }),
    );
  const ratios = [];
  for (let seed = 0; seed < Number(repeats); seed += 1) {
    const native = nativeSecs(seed);
    const wasm = (await pageSecs(seed, Number(rounds))) - (await pageSecs(seed, 1));
    ratios.push(native / wasm);
    const millions = (secs) => (Number(rounds) / secs / 1e6).toFixed(2).padStart(7);
    console.log(`native ${millions(native)} M rounds/s   wasm ${millions(wasm)} M rounds/s   ratio ${ratios.at(-1).toFixed(2)}`);
  }
  ratios.sort((a, b) => a - b);
  console.log(`median ratio of wasm to native speed: ${ratios[Math.floor(ratios.length / 2)].toFixed(2)}`);
});
