// Share links: the same result elsewhere, and every damaged link told apart in words.

import assert from "node:assert/strict";
import { test } from "node:test";

import { withPage } from "./harness.mjs";
import { changed, digest, open, pack, settled, share, unpack } from "./lab.mjs";

test("a link opened by somebody else gives the same digest and says so", async () => {
  await withPage(async ({ page, url, context }) => {
    await open(page, url);
    await changed(page, () => page.locator("#reward-beta_inference").fill("0.25"));
    await changed(page, () => page.locator("#seed").fill("9007199254740991"));
    await page.locator("#round-number").fill("17");
    await page.locator("#round-number").blur();
    const link = await share(page);
    assert.ok(link.length < 1500, `${link.length} characters`);
    assert.equal(page.url(), link, "the address is the link");
    const want = await digest(page);

    const other = await context.browser().newContext();
    const visitor = await other.newPage();
    await visitor.goto(link);
    await visitor.locator('[data-outcome="reproduced"]').waitFor();
    assert.equal(await settled(visitor), want);
    assert.match(await visitor.locator("[data-outcome]").innerText(), /Reproduced: the same result to the last bit/);
    assert.equal(await visitor.locator("#round-number").inputValue(), "17");
    assert.equal(await visitor.locator("#reward-beta_inference").inputValue(), "0.25");
    // The words go when the visitor goes on, and so does the link in the address.
    await changed(visitor, () => visitor.locator("#seed").fill("1"));
    assert.equal(await visitor.locator("[data-outcome]").count(), 0);
    assert.equal(new URL(visitor.url()).hash, "");
    await other.close();
  });
});

test("the link goes into the clipboard where the browser allows it", async () => {
  await withPage(
    async ({ page, url, context }) => {
      await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: new URL(url).origin });
      await open(page, url);
      const link = await share(page);
      await page.getByText("Link copied.").waitFor();
      assert.equal(await page.evaluate(() => navigator.clipboard.readText()), link);
    },
  );
});

test("links that do not give the same result are told apart in words", async () => {
  await withPage(async ({ page, url }) => {
    await open(page, url);
    const payload = unpack(await share(page));
    const hash = "0".repeat(64);
    const outcomes = {
      other_digest: [{ ...payload, digest: hash }, /Not reproduced: the link says 000000000000/],
      other_dataset: [{ ...payload, dataset: { ...payload.dataset, hash } }, /another version of the dataset/],
      other_engine: [{ ...payload, engine: "0" }, /engine version 0/],
      no_digest: [{ ...payload, digest: undefined }, /no result to compare with/],
      reproduced: [payload, /Reproduced/],
    };
    for (const [outcome, [changedPayload, words]] of Object.entries(outcomes)) {
      await page.goto("about:blank");
      await page.goto(url + pack(changedPayload));
      assert.match(await page.locator(`[data-outcome="${outcome}"]`).innerText(), words);
      await settled(page);
    }
    // The same document, another link: pasted into the address bar.
    await page.goto(url + pack({ ...payload, digest: hash }));
    await page.locator('[data-outcome="other_digest"]').waitFor();
  });
});

test("links that are none are refused in words, with the default scenario's result beneath", async () => {
  await withPage(async ({ page, url }) => {
    await open(page, url);
    const want = await digest(page);
    const link = await share(page);
    const payload = unpack(link);
    const fragment = link.slice(link.indexOf("#"));
    const noise = Buffer.from(Array.from({ length: 200 }, (_, index) => (index * 97 + 31) % 256)).toString("base64url");
    const broken = {
      "cut short": [fragment.slice(0, fragment.length / 2), /damaged or cut short/],
      "random bytes": [`#1.${noise}`, /damaged or cut short/],
      "a future version": ["#7.abc", /version 7, made by a newer PoQ Lab/],
      "no link at all": ["#hello", /not a share link/i],
      "a range": [pack({ ...payload, rounds: 0 }), /`rounds`: 0 is out of range; allowed: 1 to 1000000000/],
      "a field": [pack({ ...payload, scenario: { reward: { gamma: 1 } } }), /`reward.gamma`/],
      "a K beyond the pool": [pack({ ...payload, scenario: { evaluators_per_round: 1000 } }), /1000 evaluators a round; allowed: 1 to/],
      "an unknown node": [pack({ ...payload, scenario: { network: { inference: [{ model: "nobody" }] } } }), /`nobody` is unknown/],
      "too many nodes": [
        pack({
          ...payload,
          scenario: {
            network: { inference: [{ model: "keyword-span", count: 100000 }], evaluators: [{ model: "chrf", count: 100000 }] },
            attacks: [0.1, 0.2].map((share) => ({ nodes: { share }, kind: "noise" })),
          },
        }),
        /200,000 nodes; the page runs up to 133,333/,
      ],
      "a huge unpacked size": [pack({ ...payload, pad: "x".repeat(3_000_000) }), /unpacks to more than/],
    };
    for (const [name, [text, words]] of Object.entries(broken)) {
      await page.goto("about:blank");
      await page.goto(url + text);
      assert.match(await page.locator('[data-outcome="refused"]').innerText(), words, name);
      assert.equal(await settled(page), want, `${name}: the default's result`);
    }
    // The page still works.
    await changed(page, () => page.locator("#seed").fill("5"));
    assert.equal(await page.locator("[data-outcome]").count(), 0);
  });
});
