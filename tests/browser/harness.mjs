// Opens the built page in a real browser for one test, and fails that test on whatever went wrong behind its back.

import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

import { serve } from "../../scripts/serve.mjs";

const REPOSITORY = fileURLToPath(new URL("../../", import.meta.url));

const { inference_nodes: inference, evaluators } = JSON.parse(
  readFileSync(resolve(REPOSITORY, "static/datasets/poq-lab-2/manifest.json"), "utf8"),
);

/** Nodes of the network that the page begins with, of both kinds. */
export const NODES =
  inference.filter(({ in_default_network: isIn }) => isIn !== false).length + evaluators.filter(({ kind }) => kind !== "judge").length;

/** How long one wait in a test may take; a loaded machine runs Chromium slowly. */
const WAIT_MS = 60_000;

const CHROMIUM_FLAGS = [
  "--no-sandbox",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** The flag that gives headless Chromium a WebGPU adapter, emulated on the CPU. Without it there is none. */
const WEBGPU_FLAG = "--enable-unsafe-webgpu";

/** The folder of the built page: the option, else `$POQ_DIST`, else `web/dist`. */
function distFolder(option) {
  const folder = resolve(option ?? process.env.POQ_DIST ?? resolve(REPOSITORY, "web/dist"));
  if (!existsSync(resolve(folder, "index.html"))) {
    throw new Error(`no built page in ${folder}: run ./lab build-page`);
  }
  return folder;
}

/** Collects what a page reports besides what a test looks at. */
function watch(context, origin, problems) {
  context.on("console", (message) => {
    if (message.type() !== "error") return;
    const { url, lineNumber } = message.location();
    problems.push(`console error: ${message.text()} (${url}:${lineNumber})`);
  });
  context.on("weberror", (webError) => {
    const error = webError.error();
    problems.push(`uncaught error: ${error.stack ?? error}`);
  });
  context.on("page", (page) => {
    page.on("crash", () => problems.push("the page crashed"));
  });
  context.on("request", (request) => {
    const url = request.url();
    const own = url.startsWith(origin) || /^(blob|data|about):/.test(url);
    if (!own) problems.push(`request to another host: ${url}`);
  });
  context.on("requestfailed", (request) => {
    const reason = request.failure()?.errorText;
    // The page, or a navigation, gave the request up: that is no failure.
    if (reason !== "net::ERR_ABORTED") problems.push(`failed request: ${request.url()} (${reason})`);
  });
  context.on("response", (response) => {
    if (response.status() >= 400) problems.push(`failed request: ${response.url()} (${response.status()})`);
  });
}

/**
 * Runs `body` with a blank page of a fresh browser and the URL at which the built page is served.
 *
 * Fails on any console error, uncaught error, failed request, crash, or request to another host, unless its text matches
 * one of `allow`. Server and browser are gone when this returns or throws.
 *
 * @param {(given: {page: import("playwright-core").Page, url: string,
 *   context: import("playwright-core").BrowserContext}) => Promise<void>} body
 * @param {object} [options]
 * @param {string} [options.dist] the folder to serve
 * @param {Record<string, string>} [options.mounts] other folders to serve, by name
 * @param {boolean} [options.webgpu] whether the browser has a WebGPU adapter
 * @param {RegExp[]} [options.allow] problems that this test provokes on purpose
 * @param {import("playwright-core").BrowserContextOptions} [options.context] viewport, colour scheme and the like
 */
export async function withPage(body, { dist, mounts, webgpu = false, allow = [], context: contextOptions = {} } = {}) {
  const server = await serve(distFolder(dist), 0, mounts);
  const problems = [];
  try {
    const browser = await chromium.launch({
      executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
      args: webgpu ? [...CHROMIUM_FLAGS, WEBGPU_FLAG] : CHROMIUM_FLAGS,
    });
    try {
      const context = await browser.newContext(contextOptions);
      context.setDefaultTimeout(WAIT_MS);
      watch(context, server.url, problems);
      const page = await context.newPage();
      await body({ page, url: server.url, context });
    } catch (error) {
      // What the page reported is most often why the test's own check failed.
      if (problems.length > 0) error.message += `\nThe page reported:\n${problems.join("\n")}`;
      throw error;
    } finally {
      await browser.close();
    }
  } finally {
    await server.close();
  }
  const unexpected = problems.filter((problem) => !allow.some((pattern) => pattern.test(problem)));
  if (unexpected.length > 0) throw new Error(`The page reported:\n${unexpected.join("\n")}`);
}
