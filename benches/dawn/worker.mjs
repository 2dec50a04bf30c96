// The page's inference program for the GPU in a process of its own: Dawn, the WebGPU of Chromium, stands for the browser's, and a
// folder of weights for its storage. What the page would say and hear goes through the process's messages.
//
//   worker.mjs DIST MODELS half|single

import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";

import { create, globals } from "../inference/node_modules/webgpu/index.js";

const [dist, models, precision] = process.argv.slice(2);

/** What the program asks of a file in the browser's storage. */
async function file(path) {
  const { size } = await stat(path).catch(() => {
    throw new DOMException(path, "NotFoundError");
  });
  const arrayBuffer = async () => {
    const { buffer, byteOffset, byteLength } = await readFile(path);
    return buffer.slice(byteOffset, byteOffset + byteLength);
  };
  return { getFile: async () => ({ size, arrayBuffer }) };
}

const folder = (path) => ({
  getDirectoryHandle: async (name) => folder(join(path, name)),
  getFileHandle: (name) => file(join(path, name)),
});

const gpu = create(["backend=vulkan"]);
const requestAdapter = gpu.requestAdapter.bind(gpu);
gpu.requestAdapter = async (options) => {
  const adapter = await requestAdapter(options);
  if (adapter && precision === "single") {
    const features = new Set([...adapter.features].filter((feature) => feature !== "shader-f16"));
    Object.defineProperty(adapter, "features", { value: features });
  }
  return adapter;
};

Object.assign(globalThis, globals);
globalThis.self = globalThis;
globalThis.WorkerGlobalScope = class {};
// The program's storage has a folder `models`; here that is the folder of weights itself.
const storage = { getDirectory: async () => ({ getDirectoryHandle: async () => folder(models) }) };
Object.defineProperty(globalThis, "navigator", { value: { gpu, storage }, configurable: true });
globalThis.postMessage = (text) => process.send(text);
process.on("message", (text) => globalThis.onmessage({ data: text }));

const { default: init } = await import(join(dist, "inference-webgpu.js"));
await init({ module_or_path: await readFile(join(dist, "inference-webgpu_bg.wasm")) });
