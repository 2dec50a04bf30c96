// The shipped dataset against its JSON Schema, so that the schema which others write datasets by is true.

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
