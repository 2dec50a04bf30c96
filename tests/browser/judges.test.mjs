// Models that only the dataset names: judges that were trained on it, from beside the page and from a folder.

import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { withPage } from "./harness.mjs";
import { poq } from "./lab.mjs";
import { LONG_MS, becomes, click, go, pick, row, score } from "./score.mjs";

const REPOSITORY = fileURLToPath(new URL("../../", import.meta.url));
const DIST = resolve(process.env.POQ_DIST ?? join(REPOSITORY, "web/dist"));

/** The dataset that the page shows first. */
const SHIPPED = "datasets/poq-lab-2";

const TASKS = 12;

/** What both plans have: a few of the shipped tasks, answered without a model. */
const NODES = `id = "judged"
licences = "as the shipped dataset"
[[tasks]]
path = "tasks.jsonl"
[[inference_nodes]]
id = "lead"
name = "First sentences"
kind = "lead"
[[inference_nodes]]
id = "keyword"
name = "Keyword span"
kind = "keyword"
[[evaluators]]
id = "structure"
name = "Length"
kind = "structure"
`;

const judge = (id) => `[[evaluators]]
id = "${id}"
name = "Judge ${id}"
kind = "cross_encoder"
model = "models/${id}"
against = "prompt"
normalization = "unit"
`;

/** A folder with a dataset that two kinds of judges learnt from and score, the judges, and a page that shows it. */
async function judged() {
  const folder = await mkdtemp(join(tmpdir(), "poq-judged-"));
  const tasks = (await readFile(join(REPOSITORY, "static", SHIPPED, "tasks.jsonl"), "utf8")).split("\n").slice(0, TASKS);
  await writeFile(join(folder, "tasks.jsonl"), `${tasks.join("\n")}\n`);
  await writeFile(join(folder, "answers.toml"), NODES);
  await writeFile(join(folder, "scores.toml"), NODES + judge("transformer") + judge("text-cnn"));
  poq(`poq precompute '${folder}/answers.toml' --out '${folder}/data'`);
  const learning = 'dataset = "judged"\nbase = "all-minilm-l6-v2"\nobjective = "quality"\nfolds = 3\nepochs = 1\n';
  for (const [id, fields] of [["transformer", ""], ["text-cnn", 'architecture = "text_cnn"\n']]) {
    await writeFile(join(folder, `${id}.toml`), learning + fields);
    poq(`poq train '${folder}/${id}.toml' --dataset '${folder}/data' --out '${folder}/models/${id}'`);
  }
  poq(`poq precompute '${folder}/scores.toml' --out '${folder}/data' --resume`);
  await cp(DIST, join(folder, "dist"), { recursive: true });
  await cp(join(folder, "data"), join(folder, "dist", SHIPPED), { recursive: true });
  return folder;
}

test("judges that were trained on the dataset score in the page as they did for it", async () => {
  const folder = await judged();
  const models = join(folder, "models");
  try {
    await withPage(async ({ page, url }) => {
      await page.goto(url);
      await go(page, "Score");
      await page.getByLabel("Recorded task").waitFor();
      await becomes(page, "transformer", "absent");

      // One from beside the page.
      await click(row(page, "transformer"), "Load");
      await becomes(page, "transformer", "loaded");
      assert.match(await row(page, "transformer").innerText(), /Its scores of the answers that it was tried on are within \S/);
      assert.ok(Number((await row(page, "transformer").getAttribute("data-difference")) ?? 1) < 1e-3);

      // The other from a folder; that of another model is not taken for it.
      const label = "Choose a folder: text-cnn";
      await pick(page, label, join(models, "transformer"));
      await row(page, "text-cnn").getByText(/this training\.json is not that of text-cnn in the dataset: its SHA-256 is/).waitFor();
      await pick(page, label, join(models, "text-cnn"));
      await becomes(page, "text-cnn", "loaded");

      const scores = await score(page);
      for (const id of ["transformer", "text-cnn"]) {
        const { raw, difference } = scores[id];
        assert.ok(Number.isFinite(raw) && Math.abs(Number(difference)) < 1e-3, `${id}: ${raw} ${difference}`);
      }

      // Each passage goes to the judge that did not see it.
      await page.getByLabel("Evaluator", { exact: true }).selectOption("transformer");
      await click(page, "Score every answer");
      const told = page.locator('#score [data-rescored="true"]');
      await told.waitFor({ timeout: LONG_MS });
      assert.match(await told.innerText(), /^24 of 24 answers by Judge transformer: correlation with the recorded scores (1\.0|0\.9999)/);
      assert.ok(Number((await told.getAttribute("data-largest")) ?? 1) < 1e-3, await told.innerText());
    }, { dist: join(folder, "dist"), mounts: { models } });

    // Weights of another training than the record's.
    await cp(join(models, "transformer/fold-1/model.safetensors"), join(models, "transformer/fold-2/model.safetensors"));
    await withPage(async ({ page, url }) => {
      await page.goto(url);
      await go(page, "Score");
      await becomes(page, "transformer", "absent");
      await click(row(page, "transformer"), "Load");
      await row(page, "transformer").getByText(/fold-2\/model\.safetensors: not the weights that were trained/).waitFor({ timeout: LONG_MS });
      await becomes(page, "transformer", "absent");
    }, { dist: join(folder, "dist"), mounts: { models } });
  } finally {
    await rm(folder, { recursive: true });
  }
});
