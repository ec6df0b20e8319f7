// The npm package as a program uses it, in Node: `node test/package.mjs FOLDER`.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";

const folder = new URL(`${pathToFileURL(process.argv[2])}/`);
const read = (name) => readFile(new URL(name, folder));
const description = JSON.parse(await read("package.json"));
for (const name of description.files) if (!name.includes("*")) await read(name);
const library = await import(new URL(description.exports["."].default, folder));
const { fill, load, tryWebGpu } = library;
await load({ wasm: await read("context_encoder_bg.wasm"), weights: await read("photo-128.safetensors") });

const [width, height] = [160, 120];
const image = { width, height, data: new Uint8ClampedArray(4 * width * height) };
for (let at = 0; at < width * height; at++) image.data.set([180, 90 + (at % width) / 4, 120, 200], 4 * at);
const mask = new Uint8Array(width * height);
for (let y = 40; y < 80; y++) mask.fill(255, y * width + 60, y * width + 100);

const start = performance.now();
const filled = await fill(image, mask);
const seconds = (performance.now() - start) / 1000;
assert.equal(filled.data.length, image.data.length);
for (let at = 0; at < filled.data.length; at++) {
  const apart = Math.abs(filled.data[at] - image.data[at]);
  assert(mask[at >> 2] ? apart < 40 : apart === 0, `${at}: ${apart}`); // a wall goes on as a wall
}
const white = { width, height, data: Uint8ClampedArray.from({ length: 4 * width * height }, (_, at) => mask[at >> 2]) };
assert.deepEqual((await fill(image, white)).data, filled.data);
await assert.rejects(fill(image, mask.subarray(1)), /one value a pixel, 19200, but 19199/);
await assert.rejects(fill(image, mask.map(() => 255)), /hides/);
await assert.rejects(tryWebGpu(), /load\(\{ webgpu: true \}\)/);
assert.throws(() => new library.Photograph(new Uint8Array([1, 2, 3]), "three.jpg"), /three\.jpg/);
console.log(`ok  the package fills in Node, in ${seconds.toFixed(2)} s`);
