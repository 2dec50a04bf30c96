// Sets the map of Explore, on all of the page's workers, beside `poq sweep` on all cores: 64 x 64 cells of 5,000 rounds, in
// turn, and the ratio of their times.
//
//   node benches/map.mjs POQ_BINARY [REPEATS]
//
// The page's time goes from the button to the last cell; the workers are there from a map before. The command's goes from
// its start to its end, the reading of the dataset included.

import { execFileSync } from "node:child_process";

import { withPage } from "../tests/browser/harness.mjs";

const [binary, repeats = "5"] = process.argv.slice(2);
if (!binary) {
  console.error("usage: node benches/map.mjs POQ_BINARY [REPEATS]");
  process.exit(2);
}
const AXES = ["reward.alpha_inference=0:2:64", "reward.beta_inference=0:2:64"];

function nativeSecs() {
  const start = performance.now();
  execFileSync(binary, ["sweep", ...AXES.flatMap((axis) => ["--vary", axis])], { maxBuffer: 1 << 30, stdio: ["ignore", "pipe", "ignore"] });
  return (performance.now() - start) / 1000;
}

await withPage(async ({ page, url }) => {
  await page.goto(url);
  await page.locator('[data-phase="done"]').waitFor();
  await page.getByRole("button", { name: "Explore", exact: true }).click();
  await page.locator('[data-map-phase="done"]').waitFor();
  for (const axis of [0, 1]) await page.locator(`#axis-${axis}-steps`).fill("64");
  const ratios = [];
  for (let repeat = 0; repeat < Number(repeats); repeat += 1) {
    const native = nativeSecs();
    await page.locator(".map-form button[type=submit]").click();
    await page.locator('[data-map-phase="running"]').waitFor();
    await page.locator('[data-map-phase="done"]').waitFor({ timeout: 600_000 });
    const web = Number(await page.locator("[data-elapsed]").getAttribute("data-elapsed")) / 1000;
    ratios.push(web / native);
    console.log(`poq sweep ${native.toFixed(2)} s   the page ${web.toFixed(2)} s   ratio ${ratios.at(-1).toFixed(2)}`);
  }
  ratios.sort((a, b) => a - b);
  console.log(`median ratio of the page's time to the command's: ${ratios[Math.floor(ratios.length / 2)].toFixed(2)}`);
});
