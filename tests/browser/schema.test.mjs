// The shipped dataset and the golden scenarios against their JSON Schemas, so that the schemas which others write by are
// true.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import Ajv from "ajv/dist/2020.js";

const STATIC = new URL("../../static/", import.meta.url);
const text = (name) => readFile(new URL(name, STATIC), "utf8");
const rows = async (name) => (await text(`dataset/${name}`)).trimEnd().split("\n").map((line) => JSON.parse(line));

const FILES = [
  ["manifest", async () => [JSON.parse(await text("dataset/manifest.json"))]],
  ["task", () => rows("tasks.jsonl")],
  ["output", () => rows("outputs.jsonl")],
  ["score", () => rows("scores.jsonl")],
];

for (const [definition, read] of FILES) {
  test(`every ${definition} of the shipped dataset fits the schema`, async () => {
    const schema = JSON.parse(await text("dataset.schema.json"));
    const ajv = new Ajv({ allErrors: true });
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
