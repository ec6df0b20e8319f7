// Calls the library for engine.js, which waits for answers by their number.

import { Photograph, load, onProgress, panicMessage, tryWebGpu } from "./context-encoder/index.js";

/** Where the network is to compute: `processor`, `card`, or `any-card`, which may be slower than the processor. */
const device = new URL(import.meta.url).searchParams.get("device");

/** So long a graphics card may take to compile its kernels and to prove itself, milliseconds. */
const PATIENCE = 120_000;

const onProcessor = (why) => `Fills on this device’s processor, in WebAssembly${why}. Nothing is uploaded.`;
let card = null; // the network on it
let photo = null;
let isFilling = false;
const loaded = load({ webgpu: device !== "processor" });
loaded.then(() => onProgress((progress) => isFilling && postMessage({ progress }))).catch(() => {}); // each call reports it
if (device !== "processor") tryCard();

const methods = {
  async ready() {
    await loaded;
    return onProcessor("");
  },

  /** Fills a few pixels of noise, so that the browser optimizes what a fill runs most while a photograph is chosen. */
  async warmUp() {
    if (photo) return;
    const [side, start, end] = [96, 20, 44];
    const pixels = Uint8ClampedArray.from({ length: 4 * side * side }, (_, at) => Math.imul(at, 2654435761) >>> 24);
    const mask = new Uint8Array(side * side);
    for (let y = start; y < end; y++) mask.fill(255, y * side + start, y * side + end);
    await (await loaded).fillPixels(pixels, side, side, mask);
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
    await loaded;
    return withPatches(patches, async (copy) => {
      const { x, y, width, height } = await fillPhotograph(copy, mask);
      const rect = { x, y, width, height };
      return { ...rect, bytes: copy.read(x, y, width, height), image: image(copy, rect) };
    });
  },

  async save(patches, type) {
    await loaded;
    return withPatches(patches, (copy) => new Blob([copy.encode(type)], { type }));
  },
};

async function fillPhotograph(copy, mask) {
  const processor = await loaded;
  isFilling = true;
  try {
    return await (card ?? processor).fillPhotograph(copy, mask);
  } catch (error) {
    if (!card || isFatal(error)) throw error;
    const filled = await processor.fillPhotograph(copy, mask); // fails where the card is not to blame
    takeCard(null, error.message);
    return filled;
  } finally {
    isFilling = false;
  }
}

/** Takes the graphics card for the network if it computes the same, and sooner. */
async function tryCard() {
  const silence = new Promise((_, reject) => setTimeout(reject, PATIENCE, new Error("its graphics card does not answer")));
  try {
    const { inpainter, speedup } = await Promise.race([tryWebGpu(), silence]);
    takeCard(speedup > 1 || device === "any-card" ? inpainter : null, "its graphics card is slower");
  } catch (error) {
    takeCard(null, isFatal(error) ? panicMessage?.() || "there is too little memory for its graphics card" : error.message);
  }
}

function takeCard(inpainter, why) {
  card = inpainter;
  const onCard = "Fills on this device’s graphics card, through WebGPU, and its processor. Nothing is uploaded.";
  postMessage({ place: card ? onCard : onProcessor(`; ${why}`), isCard: Boolean(card) });
}

/** Calls `use` with a copy of the photograph with these fills in it. */
async function withPatches(patches, use) {
  const copy = photo.copy();
  try {
    for (const { x, y, width, height, bytes } of patches) copy.write(x, y, width, height, bytes);
    return await use(copy);
  } finally {
    copy.free();
  }
}

function image(photo, { x, y, width, height }) {
  return new ImageData(photo.rgba(x, y, width, height), width, height);
}

/** After a panic, or when memory was out, the module cannot go on. */
const isFatal = (error) => error instanceof WebAssembly.RuntimeError || error instanceof RangeError;

let answering; // the call's number
async function answer({ id, method, values }) {
  answering = id;
  try {
    postMessage({ id, result: await methods[method](...values) });
  } catch (error) {
    if (isFatal(error)) return die();
    postMessage({ id, error: error.message });
  }
  answering = undefined;
}

/** Says that this worker cannot go on; engine.js starts another. */
function die() {
  const panic = panicMessage?.() || "the browser’s memory is full";
  const error = `This could not be done: ${panic}. Try a smaller photograph or fewer strokes.`;
  const place = device === "processor" ? undefined : onProcessor(`; its graphics card failed: ${panic}`);
  postMessage({ id: answering, error, dead: true, place });
}

// What is thrown while the module waits for something, a panic above all, ends no promise.
addEventListener("error", (event) => {
  event.preventDefault();
  die();
});

// One after the other, in their order: what is opened last stays open.
let answered = Promise.resolve();
onmessage = ({ data }) => {
  answered = answered.then(() => answer(data));
};
