// The package's start: compiles the module, reads the weights, and fills.

import init, { Inpainter } from "./context_encoder.js";

export { Inpainter, Photograph, onProgress, panicMessage } from "./context_encoder.js";

let loaded = null;

export function load(options) {
  loaded ??= start(options).catch((error) => {
    loaded = null; // the next call tries again
    throw error;
  });
  return loaded;
}

export async function fill(image, mask) {
  const inpainter = await load();
  const { data, width, height } = image;
  const hidden = "data" in mask ? mask.data.filter((_, at) => at % 4 === 0) : mask;
  const filled = inpainter.fillPixels(data, width, height, hidden);
  return typeof ImageData === "undefined" ? { data: filled, width, height } : new ImageData(filled, width, height);
}

async function start({ wasm, weights } = {}) {
  const bytes = weights ?? read(new URL("photo-128.safetensors", import.meta.url));
  await init({ module_or_path: wasm ?? new URL("context_encoder_bg.wasm", import.meta.url) });
  return new Inpainter(new Uint8Array(await bytes));
}

async function read(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`cannot load ${url}: ${response.status} ${response.statusText}`);
  return response.arrayBuffer();
}
