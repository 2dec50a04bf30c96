// What several tests do with the page.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { deflateRawSync, inflateRawSync } from "node:zlib";

/** Opens the page and waits for its first whole result. */
export async function open(page, url) {
  await page.goto(url);
  await settled(page);
}

/** Waits until the run that the controls ask for has ended; gives its digest. */
export async function settled(page, phase = "done") {
  await page.locator(`[data-phase="${phase}"]`).waitFor();
  return digest(page);
}

/** The digest on view. */
export function digest(page) {
  return page.locator("[data-digest]").getAttribute("data-digest");
}

/** Does something that changes the result; gives the new digest. */
export async function changed(page, act) {
  const before = await digest(page);
  await act();
  await page.waitForFunction(
    (old) => {
      const now = document.querySelector("[data-digest]")?.dataset.digest;
      return now !== old && document.querySelector('[data-phase="done"]') !== null;
    },
    before,
  );
  return digest(page);
}

/** Chooses the dataset beside the page. */
export async function onDataset(page, id) {
  // On a narrow page the settings are folded.
  const toggle = page.locator(".panel-toggle");
  const isFolded = await toggle.isVisible();
  if (isFolded) await toggle.click();
  await page.locator("#dataset").selectOption(id);
  if (isFolded) await toggle.click();
  await page.locator(`[data-phase="done"][data-dataset="${id}"]`).waitFor();
}

/** What a `poq` command that the page shows prints, run by a shell with the binary that POQ names. */
export function poq(command) {
  assert.ok(process.env.POQ, "POQ names a native `poq` of the same source");
  assert.match(command, /^poq [a-z]+/);
  return execFileSync("sh", ["-c", command.replace(/^poq/, '"$POQ"')], { encoding: "utf8", maxBuffer: 1 << 28 });
}

/** Shares what is on view; gives the link. */
export async function share(page) {
  await page.getByRole("button", { name: "Share", exact: true }).click();
  return page.getByRole("textbox", { name: "Share link" }).inputValue();
}

/** What a link's fragment holds. */
export function unpack(link) {
  const payload = link.slice(link.indexOf("#1.") + 3);
  return JSON.parse(inflateRawSync(Buffer.from(payload, "base64url")).toString());
}

/** A fragment that holds `payload`. */
export function pack(payload) {
  return `#1.${deflateRawSync(Buffer.from(JSON.stringify(payload))).toString("base64url")}`;
}

/** The numbers in a text, its true minus signs read as such. */
export function numbers(text) {
  const found = text.replaceAll("−", "-").replaceAll(",", "").match(/(?<![\d.])-?\d+(\.\d+)?/g) ?? [];
  return found.map(Number);
}

/** Asserts that two numbers agree to `tolerance`. */
export function close(got, want, tolerance, what) {
  assert.ok(Math.abs(got - want) <= tolerance, `${what}: ${got} is not ${want}`);
}

/**
 * The longest task of the page's main thread while `act` runs, in ms of that thread's CPU time: unlike the time that
 * passes, it does not grow when the machine has other work.
 */
export async function longestTask(page, act) {
  const browser = page.context().browser();
  await browser.startTracing(page, { categories: ["toplevel"] });
  await act();
  const { traceEvents } = JSON.parse(await browser.stopTracing());
  const main = new Set(
    traceEvents.filter(({ name, args }) => name === "thread_name" && args.name === "CrRendererMain").map(threadOf),
  );
  const tasks = traceEvents.filter((event) => event.tdur !== undefined && main.has(threadOf(event)));
  assert.ok(tasks.length > 0, "no task was seen");
  return Math.max(...tasks.map(({ tdur }) => tdur / 1000));
}

const threadOf = ({ pid, tid }) => `${pid}.${tid}`;
