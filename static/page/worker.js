// Starts the program of the page, whose file the address names after its "#", as a worker.
const program = `./${self.location.hash.slice(1).split("/").pop()}`;
const { default: init } = await import(program);
await init({ module_or_path: program.replace(/\.js$/, "_bg.wasm") });
