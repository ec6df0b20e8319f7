import type { Inpainter } from "./context_encoder.js";

export type { Bounds } from "./context_encoder.js";

/**
 * There after `load` only, which chooses the module that they are of. While a photograph is filled, it cannot be read,
 * encoded or filled again.
 */
export { Inpainter, Photograph, onProgress, panicMessage } from "./context_encoder.js";

/** Pixels row by row, four bytes each: red, green, blue, alpha. `ImageData` is one. */
export interface Pixels {
  readonly data: Uint8ClampedArray<ArrayBuffer>;
  readonly width: number;
  readonly height: number;
}

/** Where the module and the weights come from; beside this file by default, fetched. Outside of browsers give bytes. */
export interface LoadOptions {
  /** Takes the module that can also use the graphics card (`tryWebGpu`); `false` by default. */
  webgpu?: boolean;
  wasm?: URL | string | Response | BufferSource | WebAssembly.Module;
  /** The bytes of a file that the program's `train` wrote, or of `photo-128.safetensors`. */
  weights?: ArrayBuffer | Uint8Array;
}

/** Loads module and weights; once: every later call gives the same network, which computes on the processor. */
export function load(options?: LoadOptions): Promise<Inpainter>;

/**
 * After `load({ webgpu: true })`, once for all: the network on the graphics card, and how many times as fast as on the processor it
 * predicted there. The first time takes seconds, for the card's kernels to be compiled.
 *
 * Rejects where there is no card, and where it computes something else than the processor.
 */
export function tryWebGpu(): Promise<{ inpainter: Inpainter; speedup: number }>;

/**
 * Fills what the mask hides and returns all pixels; visible ones and alpha are the image's.
 *
 * The mask has the image's size: one byte a pixel, hidden from 128 on, or pixels, white where they hide.
 * It computes on the processor and the calling thread, seconds for large holes: call it in a worker.
 *
 * Throws when the mask has another size or hides everything.
 */
export function fill(image: Pixels, mask: Uint8Array | Uint8ClampedArray | Pixels): Promise<Pixels>;
