// A Web Worker of the page runs the page's own program, which finds out by itself where it runs; the worker's address names
// the program after its `#`, since that name goes with the program's content.
const program = new URL(self.location.hash.slice(1), self.location.href).href;
const { default: start } = await import(program);
await start({ module_or_path: program.replace(/\.js$/, "_bg.wasm") });
