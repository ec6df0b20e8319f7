// Calls the library for engine.js, which waits for answers by their number.

import { Photograph, load, onProgress, panicMessage, tryWebGpu } from "./context-encoder/index.js";

// `always` takes a card that is only simulated, too, and one that is slower than the processor: for tests.
const webgpu = new URL(import.meta.url).searchParams.get("webgpu") ?? "auto";
let asked = false; // for anything about a photograph
let waiting = 0; // calls that are not answered
let tried = false; // the graphics card, whether there is one or not
let card = null; // the network on it
let place = "";
let photo = null;
const onProcessor = (why) => `Fills on this device’s processor, in WebAssembly; ${why}. Nothing is uploaded.`;
const loaded = start();
loaded.then(() => {
  onProgress((progress) => asked && postMessage({ progress }));
  whenIdle(warmUp);
  whenIdle(tryCard);
}).catch(() => {}); // each call reports it

async function start() {
  const adapter = webgpu !== "never" && (await navigator.gpu?.requestAdapter().catch(() => null));
  const usable = Boolean(adapter) && (webgpu === "always" || !(adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter));
  tried = !usable;
  place = onProcessor(adapter ? "WebGPU has no card here" : webgpu === "never" ? "WebGPU is not used" : "there is no WebGPU here");
  return load({ webgpu: usable });
}

const methods = {
  async ready() {
    await loaded;
    return place;
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
  if (!card) return processor.fillPhotograph(copy, mask);
  try {
    return await card.fillPhotograph(copy, mask);
  } catch (error) {
    if (isFatal(error)) throw error;
    const filled = await processor.fillPhotograph(copy, mask); // fails where the card is not to blame
    takeCard(null, error.message);
    return filled;
  }
}

/** Runs something while nothing is asked for; what is asked then waits until it is done. */
function whenIdle(run) {
  setTimeout(() => waiting || (answered = answered.then(run)));
}

/** Fills a few pixels of noise, so that the browser optimizes what a fill runs most while a photograph is chosen. */
async function warmUp() {
  if (asked) return;
  const [side, start, end] = [96, 20, 44];
  const pixels = Uint8ClampedArray.from({ length: 4 * side * side }, (_, at) => Math.imul(at, 2654435761) >>> 24);
  const mask = new Uint8Array(side * side);
  for (let y = start; y < end; y++) mask.fill(255, y * side + start, y * side + end);
  await (await loaded).fillPixels(pixels, side, side, mask);
}

/** Takes the graphics card for the network if it computes the same, and sooner. */
async function tryCard() {
  if (tried) return;
  tried = true;
  try {
    const { inpainter, speedup } = await tryWebGpu();
    takeCard(speedup > 1 || webgpu === "always" ? inpainter : null, "its graphics card is slower");
  } catch (error) {
    if (isFatal(error)) die();
    else takeCard(null, error.message);
  }
}

function takeCard(inpainter, why) {
  card = inpainter;
  place = card ? "Fills on this device’s graphics card, through WebGPU, and its processor. Nothing is uploaded." : onProcessor(why);
  postMessage({ place, webgpu: card ? webgpu : "never" });
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
  waiting--;
  whenIdle(tryCard);
}

/** Says that this worker cannot go on; engine.js starts another. */
function die() {
  const panic = panicMessage() || "the browser’s memory is full";
  postMessage({ id: answering, error: `This could not be done: ${panic}. Try a smaller photograph or fewer strokes.`, dead: true });
}

// A panic in what was waited for ends no promise.
addEventListener("error", (event) => {
  if (!isFatal(event.error)) return;
  event.preventDefault();
  die();
});

// One after the other, in their order: what is opened last stays open.
let answered = Promise.resolve();
onmessage = ({ data }) => {
  asked ||= data.method !== "ready";
  waiting++;
  answered = answered.then(() => answer(data));
};
