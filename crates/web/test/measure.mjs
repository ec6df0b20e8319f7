// Figures of docs/web.md: `node test/measure.mjs FOLDER [ROUNDS]`; PROGRAM names the native program. Page and program
// fill the same files in turn, each opening, filling and saving, so that what else the machine does meets both; where it
// does much, look at the processor's time (Linux).

import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { folder, keep, launch, photograph, serve } from "./browser.mjs";

const site = process.argv[2];
const rounds = Number(process.argv[3] ?? 5);
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const seconds = (value) => `${value.toFixed(2)} s`;
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(2)} MB`;

const loaded = ["index.html", "style.css", "page.js", "engine.js", "worker.js", "icon.svg"];
const library = ["index.js", "context_encoder.js", "context_encoder_bg.wasm", "photo-128.safetensors"].map((name) => `context-encoder/${name}`);
let totals = [0, 0, 0];
for (const name of [...loaded, ...library]) {
  const bytes = readFileSync(join(site, name));
  const sizes = [bytes, gzipSync(bytes, { level: 9 }), brotliCompressSync(bytes)].map((part) => part.length);
  totals = totals.map((total, at) => total + sizes[at]);
  if (bytes.length > 100_000) console.log(name, sizes.map(megabytes).join(", "));
}
console.log("all that the page loads:", totals.map(megabytes).join(", "), "(plain, gzip, brotli)");

const server = await serve(site);
const browser = await launch();

/** Seconds of the processor's time that this process's children, the browser's processes, have taken. */
function browserSeconds() {
  const processes = new Map();
  for (const id of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const fields = readFileSync(`/proc/${id}/stat`, "utf8").replace(/^.*\) /s, "").split(" ");
      processes.set(Number(id), { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) });
    } catch {} // it has ended
  }
  const isOurs = (id) => id !== undefined && (id === process.pid || isOurs(processes.get(id)?.parent));
  let ticks = 0;
  for (const [id, { ticks: own }] of processes) if (id !== process.pid && isOurs(id)) ticks += own;
  return ticks / 100;
}

/** A page that nothing is cached for. */
async function coldPage() {
  const page = await (await browser.newContext({ acceptDownloads: true })).newPage();
  await page.goto(server.address);
  return page;
}

/** Opens, fills and saves on a page; seconds of each, and since the page was asked for. */
async function onPage(page, photo, mask, type) {
  const status = (start) => page.waitForFunction((start) => document.getElementById("status").textContent.startsWith(start), start, { timeout: 600_000, polling: 10 });
  const times = [performance.now()];
  const busy = browserSeconds();
  await page.setInputFiles("#photo-file", photo);
  await status("photo");
  times.push(performance.now());
  await page.setInputFiles("#mask-file", mask);
  await page.waitForFunction(() => !document.getElementById("fill").disabled, null, { polling: 10 });
  const painted = performance.now();
  await page.click("#fill");
  await status("Filled");
  const filled = performance.now();
  const sinceStart = await page.evaluate(() => performance.now());
  await page.selectOption("#format", type);
  await Promise.all([page.waitForEvent("download", { timeout: 600_000 }), page.click("#save")]);
  const saved = performance.now();
  const [open, fill, save] = [times[1] - times[0], filled - painted, saved - filled].map((time) => time / 1000);
  const processor = browserSeconds() - busy;
  return { open, fill, save, total: open + fill + save, processor, first: (sinceStart - (painted - times[1])) / 1000 };
}

/** The program's wall and processor seconds for the same. */
function native(photo, threads) {
  const run = `TIMEFORMAT='%R %U %S'; time "$PROGRAM" inpaint "${photo}" --mask mask.png -o native.jpg -q`;
  const environment = { ...process.env, RAYON_NUM_THREADS: threads };
  const output = execFileSync("bash", ["-c", `{ ${run}; } 2>&1`], { cwd: folder, env: environment, encoding: "utf8" });
  const [wall, user, system] = output.trim().split(" ").map(Number);
  return { wall, processor: user + system };
}

for (const [width, height] of [[1200, 800], [4000, 3000]]) {
  const blank = await coldPage();
  const photo = keep("photo.jpg", await photograph(blank, width, height, "image/jpeg"));
  // An ellipse and two strokes: 4 % of the picture.
  const mask = keep("mask.png", Buffer.from(await blank.evaluate(async ([width, height]) => {
    const canvas = new OffscreenCanvas(width, height);
    const paint = canvas.getContext("2d");
    paint.fillRect(0, 0, width, height);
    paint.fillStyle = paint.strokeStyle = "white";
    paint.lineCap = "round";
    paint.ellipse(0.45 * width, 0.6 * height, 0.06 * width, 0.12 * height, 0.3, 0, 7);
    paint.fill();
    for (const [x, y, across, down, line] of [[0.2, 0.3, 0.12, 0.02, 0.02], [0.8, 0.2, 0.02, 0.3, 0.015]]) {
      paint.lineWidth = line * width;
      paint.beginPath();
      paint.moveTo(x * width, y * height);
      paint.lineTo((x + across) * width, (y + down) * height);
      paint.stroke();
    }
    return [...new Uint8Array(await (await canvas.convertToBlob()).arrayBuffer())];
  }, [width, height])));
  await blank.context().close();

  const rows = [];
  for (let round = 0; round < rounds; round++) {
    const page = await coldPage();
    const cold = await onPage(page, photo, mask, "image/jpeg");
    const warm = await onPage(page, photo, mask, "image/jpeg");
    await page.context().close();
    const [all, one] = [native(photo, ""), native(photo, "1")];
    rows.push({
      "cold page to first fill": cold.first, "open": warm.open, "fill": warm.fill, "save": warm.save, "page": warm.total,
      "page, processor": warm.processor, "program": all.wall, "program, one thread": one.wall, "program, processor": one.processor,
      "ratio": warm.total / all.wall, "ratio, one thread": warm.total / one.wall, "ratio, processor": warm.processor / one.processor,
    });
  }
  console.log(`${width}x${height}, ${readFileSync(photo).length} bytes, medians of ${rounds}`);
  for (const key of Object.keys(rows[0])) {
    const value = median(rows.map((row) => row[key]));
    console.log(`  ${key}: ${key.startsWith("ratio") ? value.toFixed(2) : seconds(value)}`);
  }
}
await browser.close();
server.close();
