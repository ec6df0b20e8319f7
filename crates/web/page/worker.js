// Calls the library for engine.js, which waits for answers by their number.

import { Photograph, load, onProgress, panicMessage } from "./context-encoder/index.js";

const loaded = load();
let asked = false; // for anything about a photograph
loaded.then((inpainter) => {
  onProgress((progress) => asked && postMessage({ progress }));
  setTimeout(() => asked || warmUp(inpainter));
}).catch(() => {}); // each call reports it
let photo = null;

const methods = {
  async ready() {
    await loaded;
    return "Fills on this device’s processor, in WebAssembly with 128-bit vectors; WebGPU is not used. Nothing is uploaded.";
  },

  async open(file) {
    await loaded;
    const opened = new Photograph(new Uint8Array(await file.arrayBuffer()), file.name);
    photo?.free();
    photo = opened;
    const { width, height, type } = photo;
    return { width, height, type, image: image(photo, { x: 0, y: 0, width, height }) };
  },

  async fill(patches, mask) {
    const inpainter = await loaded;
    return withPatches(patches, (copy) => {
      const { x, y, width, height } = inpainter.fillPhotograph(copy, mask);
      const rect = { x, y, width, height };
      return { ...rect, bytes: copy.read(x, y, width, height), image: image(copy, rect) };
    });
  },

  async save(patches, type) {
    await loaded;
    return withPatches(patches, (copy) => new Blob([copy.encode(type)], { type }));
  },
};

/** Fills a few pixels of noise, so that the browser optimizes what a fill runs most while a photograph is chosen. */
function warmUp(inpainter) {
  const [side, start, end] = [96, 20, 44];
  const pixels = Uint8ClampedArray.from({ length: 4 * side * side }, (_, at) => Math.imul(at, 2654435761) >>> 24);
  const mask = new Uint8Array(side * side);
  for (let y = start; y < end; y++) mask.fill(255, y * side + start, y * side + end);
  inpainter.fillPixels(pixels, side, side, mask);
}

/** Calls `use` with a copy of the photograph with these fills in it. */
function withPatches(patches, use) {
  const copy = photo.copy();
  try {
    for (const { x, y, width, height, bytes } of patches) copy.write(x, y, width, height, bytes);
    return use(copy);
  } finally {
    copy.free();
  }
}

function image(photo, { x, y, width, height }) {
  return new ImageData(photo.rgba(x, y, width, height), width, height);
}

async function answer({ id, method, values }) {
  try {
    postMessage({ id, result: await methods[method](...values) });
  } catch (error) {
    const dead = error instanceof WebAssembly.RuntimeError || error instanceof RangeError;
    const panic = dead && (panicMessage() || "the browser’s memory is full");
    postMessage({ id, error: dead ? `This could not be done: ${panic}. Try a smaller photograph or fewer strokes.` : error.message, dead });
  }
}

// One after the other, in their order: what is opened last stays open.
let answered = Promise.resolve();
onmessage = ({ data }) => {
  asked ||= data.method !== "ready";
  answered = answered.then(() => answer(data));
};
