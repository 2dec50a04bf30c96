// A static file server on the loopback interface, for `lab open` and for the browser tests.
// As a program: node scripts/serve.mjs FOLDER PORT [OPENER], where OPENER is a program to call with the address.

import { spawn } from "node:child_process";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, resolve, sep } from "node:path";
import { pipeline } from "node:stream/promises";
import { pathToFileURL } from "node:url";

const HOST = "127.0.0.1";
const PORTS_TRIED = 100;

const MEDIA_TYPES = new Map([
  [".css", "text/css; charset=utf-8"],
  [".csv", "text/csv; charset=utf-8"],
  [".html", "text/html; charset=utf-8"],
  [".ico", "image/x-icon"],
  [".js", "text/javascript; charset=utf-8"],
  [".json", "application/json; charset=utf-8"],
  [".jsonl", "application/jsonl; charset=utf-8"],
  [".mjs", "text/javascript; charset=utf-8"],
  [".png", "image/png"],
  [".svg", "image/svg+xml"],
  [".toml", "application/toml; charset=utf-8"],
  [".txt", "text/plain; charset=utf-8"],
  // Browsers compile wasm while it arrives only under this type.
  [".wasm", "application/wasm"],
  [".webmanifest", "application/manifest+json"],
  [".woff2", "font/woff2"],
]);

/** The file under `root` that a request's target names, or null where it names none that may be served. */
async function findFile(root, target) {
  let path;
  try {
    path = resolve(root, `.${decodeURIComponent(target.split("?", 1)[0])}`);
  } catch {
    return null;
  }
  if (path !== root && !path.startsWith(root + sep)) return null;
  try {
    const found = await stat(path);
    if (found.isFile()) return { path, size: found.size, mtimeMs: found.mtimeMs };
    const index = resolve(path, "index.html");
    const indexFound = await stat(index);
    return indexFound.isFile() ? { path: index, size: indexFound.size, mtimeMs: indexFound.mtimeMs } : null;
  } catch {
    return null;
  }
}

async function answer(root, request, response) {
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.writeHead(405, { Allow: "GET, HEAD" }).end();
    return;
  }
  const file = await findFile(root, request.url);
  if (file === null) {
    response.writeHead(404, { "Content-Type": "text/plain; charset=utf-8" }).end("Not found\n");
    return;
  }
  // The page's workers ask for what the page has: it is sent once. A name with a hash is another one when its content is.
  const caching = {
    "Cache-Control": /-[0-9a-f]{16}[._]/.test(file.path) ? "max-age=31536000, immutable" : "no-cache",
    ETag: `"${file.size}-${file.mtimeMs}"`,
  };
  if (request.headers["if-none-match"] === caching.ETag) {
    response.writeHead(304, caching).end();
    return;
  }
  response.writeHead(200, {
    ...caching,
    "Content-Length": file.size,
    "Content-Type": MEDIA_TYPES.get(extname(file.path).toLowerCase()) ?? "application/octet-stream",
    "X-Content-Type-Options": "nosniff",
  });
  if (request.method === "HEAD") {
    response.end();
    return;
  }
  await pipeline(createReadStream(file.path), response);
}

function listen(server, port) {
  return new Promise((done, failed) => {
    server.once("error", failed);
    server.listen(port, HOST, () => {
      server.off("error", failed);
      done(server.address().port);
    });
  });
}

/**
 * Serves `folder` on the loopback interface.
 *
 * @param {string} folder what to serve; `/` is its `index.html`
 * @param {number} firstPort the port to try first, then those above it; 0 lets the system choose
 * @returns {Promise<{url: string, close: () => Promise<void>}>}
 */
export async function serve(folder, firstPort = 0) {
  const root = resolve(folder);
  const server = createServer((request, response) => {
    answer(root, request, response).catch(() => response.destroy());
  });
  for (let port = firstPort; ; port += 1) {
    try {
      const url = `http://${HOST}:${await listen(server, port)}/`;
      const close = () =>
        new Promise((done) => {
          server.close(() => done());
          server.closeAllConnections();
        });
      return { url, close };
    } catch (error) {
      const mayTryNext = error.code === "EADDRINUSE" && port < 65535 && port < firstPort + PORTS_TRIED;
      if (!mayTryNext) throw error;
    }
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const [folder, port, opener] = process.argv.slice(2);
  const { url } = await serve(folder, Number(port));
  console.log(`PoQ Lab: ${url}`);
  console.error("press Ctrl-C to stop");
  if (opener) {
    spawn(opener, [url], { stdio: "ignore", detached: true })
      .on("error", () => console.error(`no browser opened: open ${url} in one`))
      .unref();
  }
}
