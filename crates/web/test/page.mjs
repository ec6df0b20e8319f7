// The page in Chromium, as a person uses it. `node test/page.mjs FOLDER` tests a folder with the built page, with the
// network on the processor, and `node test/page.mjs FOLDER webgpu` with it on a simulated graphics card;
// `node test/page.mjs native` tests what `context-encoder web` serves. PROGRAM names the native program.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { compare, folder, keep, launch, paintedMask, photograph, program, serve, serveNatively } from "./browser.mjs";

const native = process.argv[2] === "native";
const webgpu = process.argv[3] === "webgpu";
const server = native ? await serveNatively() : await serve(process.argv[2]);
const browser = await launch({ webgpu });
const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, acceptDownloads: true });
const page = await context.newPage();
const problems = [];
page.on("pageerror", (error) => problems.push(error.message));
page.on("request", (request) => {
  if (!/^(data:|blob:)/.test(request.url()) && !request.url().startsWith(server.address)) problems.push(`asked for ${request.url()}`);
});

const text = (id) => page.textContent(`#${id}`);
const status = (pattern, timeout = 400_000) =>
  page.waitForFunction(([source]) => new RegExp(source).test(document.getElementById("status").textContent), [pattern.source], { timeout });

/** Drops a file on the page, as a file manager does. */
async function drop(name, type, bytes) {
  const transfer = await page.evaluateHandle(async ([name, type, text]) => {
    const blob = new Blob([Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))]);
    const transfer = new DataTransfer();
    transfer.items.add(new File([blob], name, { type }));
    return transfer;
  }, [name, type, bytes.toString("base64")]);
  await page.dispatchEvent("body", "drop", { dataTransfer: transfer });
}

/** Brushes from corner to corner of a path, in fractions of the picture. */
async function brush(...path) {
  const box = await page.locator("#mask").boundingBox();
  const [start, ...rest] = path.map(([x, y]) => [box.x + x * box.width, box.y + y * box.height]);
  await page.mouse.move(...start);
  await page.mouse.down();
  for (const corner of rest) await page.mouse.move(...corner, { steps: 8 });
  await page.mouse.up();
}

async function save(type = "image/png") {
  await page.selectOption("#format", type);
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("#save")]);
  return { name: download.suggestedFilename(), bytes: readFileSync(await download.path()) };
}

async function test(name, check) {
  await check();
  assert.deepEqual(problems, []);
  console.log(`ok  ${name}`);
}

/** Waits until the page says where it computes. */
const place = (pattern) =>
  page.waitForFunction(([source]) => new RegExp(source).test(document.getElementById("engine").textContent), [pattern.source], { timeout: 400_000 });

await page.goto(webgpu ? `${server.address}?webgpu=always` : server.address);
const photo = await photograph(page, 640, 427, "image/png");
keep("photo.png", photo);

await test("what is brushed is filled as the program fills it, and nothing else changes", async () => {
  await drop("photo.png", "image/png", photo);
  await status(/640 × 427/);
  await brush([0.3, 0.3], [0.32, 0.6]);
  await brush([0.66, 0.7], [0.75, 0.72]);
  const mask = await paintedMask(page);
  assert(mask.hidden > 2000, `${mask.hidden}`);
  keep("mask.png", mask.png);
  // A card takes over while the photograph is open.
  const here = native ? /this computer/ : webgpu ? /graphics card, through WebGPU/ : /processor, in WebAssembly/;
  await place(here);
  await page.click("#fill");
  await status(/^Filled in/);
  assert.match(await text("engine"), here); // a card that fails is left
  const saved = await save();
  assert.equal(saved.name, "photo-filled.png");
  program("inpaint", "photo.png", "--mask", "mask.png", "-o", "native.png");
  const expected = readFileSync(join(folder, "native.png"));
  assert.equal((await compare(page, photo, saved.bytes, mask.png)).visible, 0);
  assert((await compare(page, photo, saved.bytes, mask.png)).hidden > 10);
  const apart = await compare(page, expected, saved.bytes, mask.png);
  assert(apart.hidden <= 2, `${JSON.stringify(apart)}`);
});

await test("undo and redo go through fills and strokes", async () => {
  const shown = () => page.evaluate(() => document.getElementById("picture").toDataURL());
  const filled = await shown();
  await page.keyboard.press("Control+z");
  const before = await shown();
  assert.notEqual(before, filled);
  assert((await paintedMask(page)).hidden > 2000);
  await page.keyboard.press("Control+z");
  await page.keyboard.press("Control+z");
  assert.equal((await paintedMask(page)).hidden, 0);
  assert(await page.isDisabled("#undo"));
  for (const _ of [1, 2, 3]) await page.keyboard.press("Control+Shift+z");
  assert.equal(await shown(), filled);
  assert(await page.isDisabled("#redo"));
});

await test("a second fill starts from the first", async () => {
  await brush([0.5, 0.1], [0.6, 0.12]);
  const mask = await paintedMask(page);
  const first = (await save()).bytes;
  await page.click("#fill");
  await status(/^Filled in/);
  const second = (await save()).bytes;
  const apart = await compare(page, first, second, mask.png);
  assert.equal(apart.visible, 0);
  assert(apart.hidden > 0);
});

if (webgpu) {
  // What follows does not depend on where the network computes, and the simulated card takes minutes for it.
  await browser.close();
  process.exit(0);
}

await test("the original is compared by a slider", async () => {
  await page.click("#compare");
  assert(await page.isVisible("#before"));
  await page.fill("#wipe-position", "25");
  assert.match(await page.getAttribute("#before", "style"), /75%/);
  await page.click("#compare");
  assert(await page.isHidden("#before"));
});

await test("the keyboard alone paints, erases and fills", async () => {
  await drop("photo.png", "image/png", photo);
  await status(/640 × 427/);
  await page.focus("#mask");
  await page.keyboard.down(" ");
  for (let press = 0; press < 12; press++) await page.keyboard.press("ArrowLeft");
  await page.keyboard.up(" ");
  const painted = (await paintedMask(page)).hidden;
  assert(painted > 500, `${painted}`);
  await page.keyboard.press("e");
  await page.keyboard.press(" ");
  const erased = (await paintedMask(page)).hidden;
  assert(erased < painted && erased > 0, `${erased} of ${painted}`);
  await page.keyboard.press("b");
  await page.keyboard.press("Enter");
  await status(/^Filled in/);
});

await test("a stroke by keys ends where the focus leaves, and letters belong to the photograph", async () => {
  await drop("photo.png", "image/png", photo);
  await status(/640 × 427/);
  await page.focus("#mask");
  await page.keyboard.down(" ");
  await page.keyboard.press("ArrowLeft");
  assert(await page.isDisabled("#undo"));
  await page.focus("#size");
  assert(await page.isEnabled("#undo"));
  await page.keyboard.up(" ");
  await page.keyboard.press("e");
  assert(await page.isChecked('input[value="brush"]'));
});

await test("a mask is loaded, one of another size is refused in words", async () => {
  await drop("photo.png", "image/png", photo);
  await status(/640 × 427/);
  await page.setInputFiles("#mask-file", join(folder, "mask.png"));
  await page.waitForFunction(() => !document.getElementById("fill").disabled);
  const loaded = await paintedMask(page);
  assert.deepEqual(await compare(page, loaded.png, readFileSync(join(folder, "mask.png")), loaded.png), { visible: 0, hidden: 0, changed: 0 });
  const small = keep("small.png", await photograph(page, 64, 48, "image/png"));
  await page.setInputFiles("#mask-file", small);
  await page.waitForSelector("#error:not([hidden])");
  assert.match(await text("error"), /small\.png has 64 × 48 .* 640 × 427/);
});

await test("files that are no pictures or broken are refused in words, and the photograph stays", async () => {
  await drop("notes.txt", "text/plain", Buffer.from("once upon a time"));
  await page.waitForFunction(() => /notes\.txt/.test(document.getElementById("error").textContent));
  await drop("broken.jpg", "image/jpeg", (await photograph(page, 320, 200, "image/jpeg")).subarray(0, 300));
  await page.waitForFunction(() => /broken\.jpg/.test(document.getElementById("error").textContent));
  await status(/photo\.png is still open/);
});

await test("the example is filled by one click, and saved as JPEG", async () => {
  await page.reload();
  await page.click("#example");
  await status(/^Filled in/);
  assert.equal(await page.inputValue("#format"), "image/jpeg");
  const saved = await save("image/jpeg");
  assert.equal(saved.name, "launch-filled.jpg");
  assert.deepEqual([...saved.bytes.subarray(0, 3)], [0xff, 0xd8, 0xff]);
});

const large = await photograph(page, 4000, 3000, "image/jpeg");
await test("12 megapixels are filled, and a fill can be cancelled", async () => {
  await drop("large.jpg", "image/jpeg", large);
  await status(/4000 × 3000/);
  await brush([0.3, 0.3], [0.4, 0.32]);
  await page.click("#fill");
  await page.waitForFunction(() => document.getElementById("fill").textContent === "Cancel");
  await page.keyboard.press("Escape");
  await status(/^Cancelled/);
  assert(await page.isEnabled("#fill"));
  await page.click("#fill");
  const fractions = await page.evaluate(() => new Promise((resolve) => {
    const bar = document.getElementById("progress");
    const seen = [];
    const timer = setInterval(() => {
      if (bar.position > 0 && bar.value !== seen.at(-1)) seen.push(bar.value);
      if (bar.hidden) resolve(seen, clearInterval(timer));
    }, 10);
  }));
  await status(/^Filled in/);
  // The program, asked five times a second, may be done before.
  assert(fractions.length > (native ? 0 : 5), `${fractions}`);
  assert.deepEqual(fractions, fractions.toSorted((one, other) => one - other));
  const saved = await save("image/jpeg");
  const size = await page.evaluate(async (text) => {
    const image = await createImageBitmap(new Blob([Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))]));
    return [image.width, image.height];
  }, saved.bytes.toString("base64"));
  assert.deepEqual(size, [4000, 3000]);
});

await test("a photograph that is opened during a fill is not filled", async () => {
  const other = await photograph(page, 320, 200, "image/png");
  await brush([0.6, 0.3], [0.7, 0.32]);
  await page.click("#fill");
  await page.waitForFunction(() => document.getElementById("fill").textContent === "Cancel");
  await drop("other.png", "image/png", other);
  await status(/^other\.png, 320 × 200/);
  await page.waitForFunction(() => document.getElementById("fill").textContent === "Fill");
  assert(await page.isDisabled("#undo"));
  assert.match(await text("status"), /^other\.png, 320 × 200/);
});

await browser.close();
server.close();
