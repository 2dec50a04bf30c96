// A static file server on the loopback interface, for `lab open` and for the browser tests.
// As a program: node scripts/serve.mjs FOLDER PORT [--mount NAME=FOLDER] [--opener PROGRAM], where a mounted folder is served
// under its name, and the program is called with the address.

import { spawn } from "node:child_process";
import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { createServer } from "node:http";
import { basename, extname, join, resolve, sep } from "node:path";
import { pipeline } from "node:stream/promises";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

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

/**
 * The file that a request's target names, or null where it names none that may be served. `roots` are folders by the path
 * under which they are served, the longest first.
 */
async function findFile(roots, target) {
  let root, path;
  try {
    const wanted = decodeURIComponent(target.split("?", 1)[0]);
    const [prefix, folder] = roots.find(([prefix]) => wanted.startsWith(prefix)) ?? ["/", null];
    if (folder === null) return null;
    root = folder;
    path = resolve(root, `./${wanted.slice(prefix.length)}`);
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

/** The bytes that a request asks for of a file of `size`: all, those from some byte on, or null for a range that is not there. */
function range(header, size) {
  const asked = /^bytes=(\d+)-(\d*)$/.exec(header ?? "");
  if (!asked) return { start: 0, end: size - 1, whole: true };
  const start = Number(asked[1]);
  const end = asked[2] === "" ? size - 1 : Math.min(Number(asked[2]), size - 1);
  return start <= end ? { start, end, whole: false } : null;
}

/** The files of each folder in `folder` and in its folders, by its name; those without a byte are not there yet. */
async function listing(folder) {
  const files = {};
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    if (!entry.isDirectory()) continue;
    const names = await readdir(join(folder, entry.name), { recursive: true });
    // One that is renamed meanwhile, as what is being written is, is not there.
    const found = await Promise.all(
      names.map(async (name) => [name, await stat(join(folder, entry.name, name)).catch(() => null)]),
    );
    const whole = found.filter(([, file]) => file?.isFile() && file.size > 0);
    files[entry.name] = whole.map(([name]) => name.split(sep).join("/")).sort();
  }
  return files;
}

/** Whether what is not there is still being built: then `NAME.building` lies beside the files `NAME-…`. */
async function isBeingBuilt(folder, target) {
  const name = basename(target.split("?", 1)[0]);
  const [family, rest] = name.split(/-(.*)/s);
  if (rest === undefined || !/^[\w]+$/.test(family)) return false;
  return stat(join(folder, `${family}.building`)).then((found) => found.isFile(), () => false);
}

async function answer(roots, request, response) {
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.writeHead(405, { Allow: "GET, HEAD" }).end();
    return;
  }
  // What a mounted folder holds is said under its name, in place of a list that the page brings.
  const listed = roots.find(([prefix]) => prefix !== "/" && request.url === `${prefix.slice(0, -1)}.json`);
  if (listed) {
    response.writeHead(200, { "Content-Type": MEDIA_TYPES.get(".json"), "Cache-Control": "no-cache" });
    response.end(JSON.stringify(await listing(listed[1])));
    return;
  }
  const file = await findFile(roots, request.url);
  if (file === null && (await isBeingBuilt(roots.at(-1)[1], request.url))) {
    response.writeHead(202, { "Content-Type": "text/plain; charset=utf-8", "Retry-After": "1" }).end("Being built\n");
    return;
  }
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
  const part = range(request.headers.range, file.size);
  if (part === null) {
    response.writeHead(416, { "Content-Range": `bytes */${file.size}` }).end();
    return;
  }
  response.writeHead(part.whole ? 200 : 206, {
    ...caching,
    "Accept-Ranges": "bytes",
    "Content-Length": part.end - part.start + 1,
    ...(part.whole ? {} : { "Content-Range": `bytes ${part.start}-${part.end}/${file.size}` }),
    "Content-Type": MEDIA_TYPES.get(extname(file.path).toLowerCase()) ?? "application/octet-stream",
    "X-Content-Type-Options": "nosniff",
  });
  if (request.method === "HEAD") {
    response.end();
    return;
  }
  if (file.size === 0) response.end();
  else await pipeline(createReadStream(file.path, { start: part.start, end: part.end }), response);
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
 * @param {Record<string, string>} mounts other folders, by the name under which they are served
 * @returns {Promise<{url: string, close: () => Promise<void>}>}
 */
export async function serve(folder, firstPort = 0, mounts = {}) {
  const mounted = Object.entries(mounts).map(([name, path]) => [`/${name}/`, resolve(path)]);
  const roots = [...mounted, ["/", resolve(folder)]];
  const server = createServer((request, response) => {
    answer(roots, request, response).catch(() => response.destroy());
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
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { mount: { type: "string", multiple: true, default: [] }, opener: { type: "string" } },
  });
  const [folder, port] = positionals;
  const mounts = Object.fromEntries(values.mount.map((mount) => mount.split(/=(.*)/s).slice(0, 2)));
  const { url } = await serve(folder, Number(port), mounts);
  console.log(`PoQ Lab: ${url}`);
  console.error("press Ctrl-C to stop");
  if (values.opener) {
    spawn(values.opener, [url], { stdio: "ignore", detached: true })
      .on("error", () => console.error(`no browser opened: open ${url} in one`))
      .unref();
  }
}
