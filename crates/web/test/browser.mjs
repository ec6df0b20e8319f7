// What the page's tests and measurements share: a server of files, a browser, pictures.

import { execFileSync, spawn } from "node:child_process";
import { createReadStream, mkdtempSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { extname, join, normalize } from "node:path";
import { chromium } from "playwright-core";

const TYPES = {
  ".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".jpg": "image/jpeg",
  ".wasm": "application/wasm", ".safetensors": "application/octet-stream",
};

/** Serves a folder on this machine; its address. */
export async function serve(folder) {
  const server = createServer((request, response) => {
    const path = join(folder, normalize(new URL(request.url, "http://localhost").pathname.replace(/\/$/, "/index.html")));
    const found = statSync(path, { throwIfNoEntry: false })?.isFile();
    response.writeHead(found ? 200 : 404, { "content-type": TYPES[extname(path)] ?? "text/plain" });
    if (found) createReadStream(path).pipe(response);
    else response.end("not found");
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  return { address: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() };
}

/** Debian's Chromium, or the one that CHROMIUM names; with WebGPU it simulates a graphics card on the processor. */
export function launch({ webgpu = false } = {}) {
  const graphics = webgpu ? ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"] : ["--disable-gpu"];
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--force-color-profile=srgb", ...graphics],
  });
}

export const folder = mkdtempSync(join(tmpdir(), "context-encoder-web-"));

/** The native program: `context-encoder` built in release. */
export function program(...arguments_) {
  return execFileSync(process.env.PROGRAM, arguments_, { cwd: folder, encoding: "utf8" });
}

/** `context-encoder web`; its address. */
export async function serveNatively() {
  const child = spawn(process.env.PROGRAM, ["web", "--port", "0"], { stdio: ["ignore", "pipe", "inherit"] });
  process.once("exit", () => child.kill());
  const [line] = await new Promise((said) => child.stdout.once("data", (data) => said(String(data).split("\n"))));
  return { address: line, close: () => child.kill() };
}

/** The example, enlarged by the browser to a size, as a file's bytes. */
export async function photograph(page, width, height, type) {
  const example = readFileSync(new URL("../../cli/page/example.jpg", import.meta.url)).toString("base64");
  const encoded = await page.evaluate(async ([example, width, height, type]) => {
    const image = await createImageBitmap(new Blob([Uint8Array.from(atob(example), (letter) => letter.charCodeAt(0))]));
    const canvas = new OffscreenCanvas(width, height);
    const paint = canvas.getContext("2d");
    paint.drawImage(image, 0, 0, width, height);
    // Grain, so that it is as hard to compress and to match as a photograph of its size.
    const pixels = paint.getImageData(0, 0, width, height);
    for (let at = 0, state = 1; at < pixels.data.length; at++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      if (at % 4 < 3) pixels.data[at] += (state >>> 29) - 3;
    }
    paint.putImageData(pixels, 0, 0);
    const bytes = new Uint8Array(await (await canvas.convertToBlob({ type, quality: 0.9 })).arrayBuffer());
    let text = "";
    for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768));
    return btoa(text);
  }, [example, width, height, type]);
  return Buffer.from(encoded, "base64");
}

/** Writes bytes to a file of the tests' folder. */
export function keep(name, bytes) {
  writeFileSync(join(folder, name), bytes);
  return join(folder, name);
}

/** What the page paints as the mask, as a PNG, and how many pixels it hides. */
export async function paintedMask(page) {
  const { encoded, hidden } = await page.evaluate(async () => {
    const canvas = document.getElementById("mask");
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let hidden = 0;
    for (let at = 0; at < pixels.data.length; at += 4) {
      const value = pixels.data[at + 3] >= 128 ? 255 : 0;
      hidden += value / 255;
      pixels.data.set([value, value, value, 255], at);
    }
    const copy = new OffscreenCanvas(canvas.width, canvas.height);
    copy.getContext("2d").putImageData(pixels, 0, 0);
    const bytes = new Uint8Array(await (await copy.convertToBlob()).arrayBuffer());
    let text = "";
    for (const byte of bytes) text += String.fromCharCode(byte);
    return { encoded: btoa(text), hidden };
  });
  return { png: Buffer.from(encoded, "base64"), hidden };
}

/** The largest differences between two pictures where a mask is black and where it is white, of 255. */
export function compare(page, first, second, mask) {
  const encoded = [first, second, mask].map((bytes) => bytes.toString("base64"));
  return page.evaluate(async (encoded) => {
    const [first, second, mask] = await Promise.all(encoded.map(async (text) => {
      const image = await createImageBitmap(new Blob([Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))]));
      const canvas = new OffscreenCanvas(image.width, image.height);
      const paint = canvas.getContext("2d");
      paint.drawImage(image, 0, 0);
      return paint.getImageData(0, 0, image.width, image.height);
    }));
    if (first.width !== second.width || first.height !== second.height) throw new Error("sizes differ");
    const apart = { visible: 0, hidden: 0, changed: 0 };
    for (let at = 0; at < first.data.length; at++) {
      const part = mask.data[at - (at % 4)] ? "hidden" : "visible";
      const difference = Math.abs(first.data[at] - second.data[at]);
      apart[part] = Math.max(apart[part], difference);
      if (part === "hidden" && difference > 2) apart.changed++;
    }
    return apart;
  }, encoded);
}
