// Starts programs of the page: in a worker the one whose file the address names after its "#", and for the page what it asks.

/**
 * Loads a program by the name of its file and starts it. While the server says that it is still being built (202), `wait` is
 * called, and it is asked for again. Gives what it exports.
 */
export async function start(name, wait) {
  const program = `./${name}`;
  // What is loaded on demand may not be there; the page's own program is, or there would be nobody to ask.
  while (!name.startsWith("page-")) {
    const { status } = await fetch(program, { method: "HEAD", cache: "no-store" });
    if (status === 200) break;
    if (status !== 202) throw new Error(`${name} is not there (the server answered ${status}): ./lab build-page makes it`);
    wait();
    await new Promise((done) => setTimeout(done, 1000));
  }
  const exported = await import(program);
  await exported.default({ module_or_path: program.replace(/\.js$/, "_bg.wasm") });
  return exported;
}

const name = self.location.hash.slice(1).split("/").pop();
if (!self.document) {
  // A program may start another beside it.
  self.startProgram = (other) => start(other, () => {});
  // A message that begins so is no message of a program.
  start(name, () => postMessage("building")).catch((error) => postMessage(`!${error.message || error}`));
}
