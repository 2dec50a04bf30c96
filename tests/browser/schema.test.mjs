// The shipped datasets and the golden scenarios against their JSON Schemas, so that the schemas which others write by are
// true.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import Ajv from "ajv/dist/2020.js";

const STATIC = new URL("../../static/", import.meta.url);
const text = (name) => readFile(new URL(name, STATIC), "utf8");
const rows = async (id, name) =>
  (await text(`datasets/${id}/${name}`)).trimEnd().split("\n").map((line) => JSON.parse(line));

const FILES = ["poq-lab-1", "poq-lab-2"].flatMap((id) => [
  [id, "manifest", async () => [JSON.parse(await text(`datasets/${id}/manifest.json`))]],
  [id, "task", () => rows(id, "tasks.jsonl")],
  [id, "output", () => rows(id, "outputs.jsonl")],
  [id, "score", () => rows(id, "scores.jsonl")],
]);

for (const [id, definition, read] of FILES) {
  test(`every ${definition} of ${id} fits the schema`, async () => {
    const schema = JSON.parse(await text("dataset.schema.json"));
    const ajv = new Ajv({ allErrors: true, strictTypes: false });
    const validate = ajv.compile({ $ref: `#/$defs/${definition}`, $defs: schema.$defs });
    const found = await read();
    assert.ok(found.length > 0);
    for (const row of found) {
      assert.ok(validate(row), `${JSON.stringify(row)}: ${ajv.errorsText(validate.errors)}`);
    }
    // A schema that lets everything pass would tell nothing.
    for (const field of schema.$defs[definition].required) {
      const { [field]: _, ...without } = found[0];
      assert.ok(!validate(without), `accepted without ${field}`);
    }
  });
}

test("a dataset that `poq precompute` makes fits the schema: each kind of node and evaluator, and replies that are no number", async () => {
  const folder = await mkdtemp(join(tmpdir(), "poq-"));
  try {
    const fixture = (path) => JSON.stringify(fileURLToPath(new URL(`../../models/tests/fixtures/${path}`, import.meta.url)));
    const decoder = fixture("tiny-llama.gguf");
    const entry = (list, id, fields) => `[[${list}]]\nid = "${id}"\nname = "${id}"\n${fields}\n`;
    const plan = [
      'id = "fits"\nlicences = "none"\n[[tasks]]\npath = "tasks.jsonl"\n',
      entry("inference_nodes", "own", `kind = "decoder"\nmodel = ${decoder}\nlayers = 1\ntemperature = 0.5\nmax_tokens = { qa = 4 }\nstop = ["\\n"]`),
      entry("inference_nodes", "lead", 'kind = "lead"'),
      entry("inference_nodes", "keyword", 'kind = "keyword"'),
      entry("evaluators", "cross", `kind = "cross_encoder"\nmodel = ${fixture("encoders/distilbert")}\nagainst = "prompt"`),
      entry("evaluators", "judge", `kind = "judge"\nmodel = ${decoder}\ntemplate = "{answer}"`),
      ...["rouge_l", "chrf", "structure"].map((kind) => entry("evaluators", kind, `kind = "${kind}"`)),
    ];
    const task = { id: "t", kind: "qa", prompt: "What purrs?", context: "Cats purr. Dogs bark.", references: ["cats"] };
    await writeFile(join(folder, "plan.toml"), plan.join(""));
    await writeFile(join(folder, "tasks.jsonl"), JSON.stringify(task) + "\n");
    const out = join(folder, "data");
    await promisify(execFile)(process.env.POQ, ["precompute", join(folder, "plan.toml"), "--out", out]);
    const schema = JSON.parse(await text("dataset.schema.json"));
    const ajv = new Ajv({ allErrors: true, strictTypes: false });
    const validate = (definition) => ajv.compile({ $ref: `#/$defs/${definition}`, $defs: schema.$defs });
    const manifest = JSON.parse(await readFile(join(out, "manifest.json"), "utf8"));
    const isManifest = validate("manifest");
    assert.ok(isManifest(manifest), ajv.errorsText(isManifest.errors));
    assert.equal(manifest.schema, 2);
    const isScore = validate("score");
    const scores = (await readFile(join(out, "scores.jsonl"), "utf8")).trimEnd().split("\n").map((line) => JSON.parse(line));
    for (const score of scores) assert.ok(isScore(score), `${JSON.stringify(score)}: ${ajv.errorsText(isScore.errors)}`);
    assert.ok(scores.some(({ raw, reply }) => raw === null && reply !== undefined));
    for (const list of ["inference_nodes", "evaluators"]) {
      for (const [index, { id, spec }] of manifest[list].entries()) {
        assert.ok(spec, id);
        const wrong = structuredClone(manifest);
        wrong[list][index].spec.later = 1;
        assert.ok(!isManifest(wrong), `accepted an unknown field of ${id}`);
      }
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("every golden scenario fits the schema, and what contradicts it does not", async () => {
  const ajv = new Ajv({ allErrors: true, strictTypes: false });
  const validate = ajv.compile(JSON.parse(await text("scenario.schema.json")));
  const golden = JSON.parse(await readFile(new URL("../golden/scenarios.json", import.meta.url), "utf8"));
  assert.ok(golden.length >= 40);
  for (const { name, scenario } of golden) {
    assert.ok(validate(scenario), `${name}: ${ajv.errorsText(validate.errors)}`);
  }
  const wrong = {
    "an unknown field": { round: 1 },
    "another rule's parameter": { consensus: { rule: "mean", kappa: 0.5 } },
    "no rule": { consensus: { kappa: 0.5 } },
    "a share above 1": { attacks: [{ nodes: { share: 2 }, kind: "boost" }] },
    "nobody who attacks": { attacks: [{ kind: "boost" }] },
    "another attack's number": { attacks: [{ nodes: ["a"], kind: "boost", sd: 1 }] },
    "nobody of its own": { attacks: [{ nodes: ["a"], kind: "cabal" }] },
    "an unknown field of a wrapped attack": { attacks: [{ nodes: ["a"], kind: "intermittent", attack: { kind: "boost", sd: 1 } }] },
    "no rounds": { rounds: 0 },
    "a group without a model": { network: { inference: [{ count: 2 }] } },
  };
  for (const [name, scenario] of Object.entries(wrong)) assert.ok(!validate(scenario), name);
});
