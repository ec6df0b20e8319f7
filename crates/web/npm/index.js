// The package's start: chooses and compiles a module, reads the weights, and fills.

/** Of the module that `load` chose; none before. */
export let Inpainter, Photograph, onProgress, panicMessage;

let loaded = null;
let tried = null;
let weights = null; // kept until the graphics card has them

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
  const filled = await inpainter.fillPixels(data, width, height, hidden);
  return typeof ImageData === "undefined" ? { data: filled, width, height } : new ImageData(filled, width, height);
}

export function tryWebGpu() {
  tried ??= startOnCard();
  return tried;
}

async function start({ webgpu = false, wasm, weights: given } = {}) {
  const bytes = given ?? read(new URL("photo-128.safetensors", import.meta.url));
  const module = await (webgpu ? import("./context_encoder_webgpu.js") : import("./context_encoder.js"));
  await module.default({ module_or_path: wasm });
  ({ Inpainter, Photograph, onProgress, panicMessage } = module);
  weights = new Uint8Array(await bytes);
  const inpainter = new Inpainter(weights);
  if (!webgpu) weights = null;
  return inpainter;
}

async function startOnCard() {
  const processor = await loaded;
  if (!weights) throw new Error("the first `load` must be `load({ webgpu: true })`");
  const card = await Inpainter.onWebGpu(weights);
  weights = null;
  // What is run first is compiled then, for both.
  for (const inpainter of [processor, card]) await trial(inpainter);
  const [expected, got] = [await trial(processor), await trial(card)];
  const apart = expected.filled.reduce((most, value, at) => Math.max(most, Math.abs(value - got.filled[at])), 0);
  if (apart > 2) throw new Error(`the graphics card computes otherwise than the processor, by ${apart} of 255`);
  return { inpainter: card, speedup: expected.seconds / got.seconds };
}

async function read(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`cannot load ${url}: ${response.status} ${response.statusText}`);
  return response.arrayBuffer();
}

/** What a network predicts for four holes in noise, and the seconds that it takes. */
async function trial(inpainter) {
  const [side, hole] = [384, 48];
  const pixels = Uint8Array.from({ length: 4 * side * side }, (_, at) => Math.imul(at, 2654435761) >>> 24);
  const mask = new Uint8Array(side * side);
  for (const top of [64, 256]) {
    for (let y = top; y < top + hole; y++) {
      for (const left of [64, 256]) mask.fill(255, y * side + left, y * side + left + hole);
    }
  }
  const start = performance.now();
  const filled = await inpainter.fillPixels(pixels, side, side, mask, false);
  return { filled, seconds: (performance.now() - start) / 1000 };
}
