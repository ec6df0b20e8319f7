// The page: a photograph, strokes over it, what fills them (engine.js), and files in and out.
//
// `actions` is all that was done to the photograph, of which the first `done` count: undo and redo move `done`, and
// `redraw` shows the state from the start. Strokes since the last fill are the mask.

import { Engine } from "./engine.js";

const element = (id) => document.getElementById(id);
const [stage, scroller, sheet, cursor] = ["stage", "scroller", "sheet", "cursor"].map(element);
const [picture, mask, before] = ["picture", "mask", "before"].map(element);
const buttons = Object.fromEntries(
  ["open", "choose", "example", "undo", "redo", "load-mask", "compare", "save", "fill"].map((id) => [id, element(id)]),
);

/** Canvases of more pixels are not drawn by every browser; larger photographs are shown smaller, and filled in full. */
const MAX_SHOWN = 16_000_000;

/** The mask's color over the picture: red, green, blue. */
const PAINT = [224, 33, 127];

/** The brush's diameter as a fraction of the picture's longer side, from the slider's one end to the other. */
const BRUSH = [0.004, 0.25];

const engine = new Engine();
let opening = Promise.resolve();
let photo = null; // { name, width, height, type, image, scale }: `scale` from its pixels to the canvases'
let actions = [];
let done = 0;
let stroke = null;
let filling = false;
let zoom = 1;
const brush = { x: 0, y: 0, erase: false };

// ---- what is said

function say(text) {
  element("status").textContent = text;
}

function complain(error) {
  element("error").textContent = error?.message ?? error ?? "";
  element("error").hidden = !error;
}

/** Runs a command of the user; what goes wrong is said on the page. */
async function attempt(command) {
  complain(null);
  try {
    await command();
  } catch (error) {
    if (error.name !== "AbortError") complain(error);
  }
  refresh();
}

// ---- the photograph

/** Opens a photograph after those that are being opened. */
function open(file) {
  opening = opening.catch(() => {}).then(() => openNext(file));
  return opening;
}

async function openNext(file) {
  cancel();
  say(`Opening ${file.name}…`);
  try {
    const opened = await engine.open(file);
    photo = { ...opened, name: file.name, scale: Math.min(1, Math.sqrt(MAX_SHOWN / (opened.width * opened.height))) };
  } catch (error) {
    say(photo ? `${photo.name} is still open.` : "");
    throw error;
  }
  actions = [];
  done = 0;
  zoom = 1;
  const [width, height] = [photo.width, photo.height].map((side) => Math.max(1, Math.round(side * photo.scale)));
  for (const canvas of [picture, mask, before]) {
    canvas.width = width;
    canvas.height = height;
  }
  before.getContext("2d").drawImage(photo.image, 0, 0, width, height);
  photo.image.close?.();
  [brush.x, brush.y] = [width / 2, height / 2];
  element("welcome").hidden = true;
  scroller.hidden = element("tools").hidden = buttons.open.hidden = false;
  element("format").value = photo.type === "image/jpeg" ? "image/jpeg" : "image/png";
  compare(false);
  redraw();
  layOut();
  say(`${photo.name}, ${photo.width} × ${photo.height}. Brush over what should go.`);
}

async function openExample() {
  const response = await fetch("example.jpg");
  await open(new File([await response.blob()], "launch.jpg", { type: "image/jpeg" }));
  for (const points of EXAMPLE) {
    actions.push({ stroke: { erase: false, size: 0.05 * longerSide(), points: points.map(([x, y]) => [x * mask.width, y * mask.height]) } });
  }
  done = actions.length;
  redraw();
  await fill();
}

/** Strokes over the example's two inner masts: points of each, as fractions of the picture. */
const EXAMPLE = [
  [[0.311, 0.27], [0.303, 0.5], [0.275, 0.9]],
  [[0.303, 0.5], [0.308, 0.9]],
  [[0.699, 0.27], [0.705, 0.5], [0.737, 0.92]],
  [[0.705, 0.5], [0.698, 0.92]],
];

// ---- drawing

const longerSide = () => Math.max(mask.width, mask.height);
const brushSize = () => longerSide() * BRUSH[0] * (BRUSH[1] / BRUSH[0]) ** element("size").valueAsNumber;
const context = (canvas) => canvas.getContext("2d", { willReadFrequently: canvas === mask });
const fills = () => actions.slice(0, done).filter((action) => action.fill).map((action) => action.fill);

/** Strokes and loaded masks since the last fill. */
function painted() {
  const since = actions.slice(0, done);
  return since.slice(since.findLastIndex((action) => action.fill) + 1);
}

function redraw() {
  const shown = context(picture);
  shown.drawImage(before, 0, 0);
  for (const { x, y, image } of fills()) {
    const [width, height] = [image.width, image.height].map((side) => side * photo.scale);
    shown.drawImage(image, x * photo.scale, y * photo.scale, width, height);
  }
  const paint = context(mask);
  paint.globalCompositeOperation = "source-over";
  paint.clearRect(0, 0, mask.width, mask.height);
  for (const action of painted()) {
    if (action.mask) paint.drawImage(action.mask, 0, 0, mask.width, mask.height);
    else draw(action.stroke, 0);
  }
  refresh();
}

/** Draws a stroke's segments from one point on; a stroke of one point is a dot. */
function draw({ erase, size, points }, from) {
  const paint = context(mask);
  paint.globalCompositeOperation = erase ? "destination-out" : "source-over";
  paint.strokeStyle = paint.fillStyle = `rgb(${PAINT})`;
  paint.lineWidth = size;
  paint.lineCap = paint.lineJoin = "round";
  paint.beginPath();
  if (points.length === 1) {
    paint.arc(...points[0], size / 2, 0, 2 * Math.PI);
    return void paint.fill();
  }
  paint.moveTo(...points[from]);
  for (const point of points.slice(from + 1)) paint.lineTo(...point);
  paint.stroke();
}

/** One byte a pixel of the photograph, 255 = hidden. */
function maskBytes() {
  const { width, height, scale } = photo;
  const shown = context(mask).getImageData(0, 0, mask.width, mask.height).data;
  const bytes = new Uint8Array(width * height);
  const nearest = (place, side) => Math.min(side - 1, Math.floor((place + 0.5) * scale));
  const columns = Uint32Array.from({ length: width }, (_, x) => 4 * nearest(x, mask.width) + 3);
  for (let y = 0, at = 0; y < height; y++) {
    const row = 4 * nearest(y, mask.height) * mask.width;
    for (let x = 0; x < width; x++, at++) bytes[at] = shown[row + columns[x]] >= 128 ? 255 : 0;
  }
  return bytes;
}

function perform(action) {
  actions = [...actions.slice(0, done), action];
  done = actions.length;
}

// ---- filling, comparing, saving

async function fill() {
  if (!painted().length || filling) return;
  filling = true;
  compare(false);
  refresh();
  const [start, opened] = [performance.now(), photo];
  const elapsed = () => (performance.now() - start) / 1000;
  let fraction = 0;
  engine.onprogress = (value) => {
    fraction = value;
    element("progress").value = value;
  };
  say("Filling…");
  const clock = setInterval(() => {
    const left = fraction > 0.1 ? `, about ${Math.ceil((elapsed() * (1 - fraction)) / fraction)} s left` : "";
    element("elapsed").textContent = `${Math.floor(elapsed())} s${left}`;
  }, 1000);
  try {
    const filled = await engine.fill(fills(), maskBytes());
    if (photo !== opened) return;
    perform({ fill: filled });
    redraw();
    say(`Filled in ${elapsed().toFixed(1)} s. Brush again, compare, or save.`);
  } catch (error) {
    if (photo === opened) say(error.name === "AbortError" ? "Cancelled; the strokes are still there." : "Nothing was changed.");
    throw error;
  } finally {
    clearInterval(clock);
    element("elapsed").textContent = "";
    element("progress").removeAttribute("value"); // moves to and fro until something is known
    filling = false;
    refresh();
  }
}

function cancel() {
  if (filling) engine.cancel();
}

function compare(on) {
  buttons.compare.setAttribute("aria-pressed", on);
  for (const part of [before, element("divider"), element("wipe")]) part.hidden = !on;
  mask.style.visibility = on ? "hidden" : "";
  cursor.hidden = true;
  wipe();
}

function wipe() {
  const position = element("wipe-position").value;
  before.style.clipPath = `inset(0 ${100 - position}% 0 0)`;
  element("divider").style.left = `${position}%`;
}

async function save() {
  say("Saving…");
  const { name } = photo;
  const type = element("format").value;
  const blob = await engine.save(fills(), type);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `${name.replace(/\.[^.]*$/, "")}-filled.${type === "image/jpeg" ? "jpg" : "png"}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  say(`Saved ${link.download}.`);
}

/** Takes a picture for a mask as the program does: what is opaque in a layer, else what is bright. */
async function loadMask(file) {
  const image = await createImageBitmap(file).catch(() => {
    throw new Error(`${file.name} is no picture that this browser shows; give a PNG or JPEG.`);
  });
  if (image.width !== photo.width || image.height !== photo.height) {
    throw new Error(
      `The mask ${file.name} has ${image.width} × ${image.height} pixels and the photograph ${photo.width} × ${photo.height}; make it as large.`,
    );
  }
  const canvas = new OffscreenCanvas(mask.width, mask.height);
  const paint = canvas.getContext("2d");
  paint.drawImage(image, 0, 0, mask.width, mask.height);
  const pixels = paint.getImageData(0, 0, mask.width, mask.height);
  const { data } = pixels;
  let isLayer = false;
  for (let at = 3; at < data.length && !isLayer; at += 4) isLayer = data[at] < 255;
  for (let at = 0; at < data.length; at += 4) {
    const luminance = 0.2126 * data[at] + 0.7152 * data[at + 1] + 0.0722 * data[at + 2];
    data[at + 3] = (isLayer ? data[at + 3] : luminance) >= 127.5 ? 255 : 0;
    [data[at], data[at + 1], data[at + 2]] = PAINT;
  }
  paint.putImageData(pixels, 0, 0);
  perform({ mask: canvas });
  redraw();
}

/** Which buttons can be used now. */
function refresh() {
  const filled = fills().length > 0;
  buttons.undo.disabled = filling || done === 0;
  buttons.redo.disabled = filling || done === actions.length;
  buttons["load-mask"].disabled = filling;
  buttons.compare.disabled = buttons.save.disabled = filling || !filled;
  buttons.fill.disabled = !filling && painted().length === 0;
  buttons.fill.textContent = filling ? "Cancel" : "Fill";
  element("progress").hidden = !filling;
  stage.ariaBusy = filling;
}

function step(by) {
  if (filling) return;
  const position = done;
  done = Math.min(actions.length, Math.max(0, done + by));
  if (done === position) return;
  compare(false);
  redraw();
  say(by < 0 ? "Undone." : "Redone.");
}

// ---- size on the screen

function layOut() {
  if (!photo) return;
  const fit = Math.min(scroller.clientWidth / mask.width, scroller.clientHeight / mask.height);
  sheet.style.width = `${mask.width * fit * zoom}px`;
  sheet.style.height = `${mask.height * fit * zoom}px`;
  showCursor();
}

/** Zooms so that the point of the picture under a place of the window stays there. */
function zoomTo(factor, clientX, clientY) {
  const old = sheet.getBoundingClientRect();
  const [x, y] = [(clientX - old.left) / old.width, (clientY - old.top) / old.height];
  zoom = Math.min(16, Math.max(1, factor));
  layOut();
  const now = sheet.getBoundingClientRect();
  scroller.scrollBy(now.left + x * now.width - clientX, now.top + y * now.height - clientY);
}

function zoomBy(factor) {
  const { left, top, width, height } = scroller.getBoundingClientRect();
  zoomTo(zoom * factor, left + width / 2, top + height / 2);
}

// ---- the brush

function place(event) {
  const box = mask.getBoundingClientRect();
  return [((event.clientX - box.left) / box.width) * mask.width, ((event.clientY - box.top) / box.height) * mask.height];
}

function showCursor(visible = !cursor.hidden) {
  cursor.hidden = !visible;
  const scale = mask.clientWidth / mask.width;
  cursor.style.width = cursor.style.height = `${brushSize() * scale}px`;
  cursor.style.left = `${brush.x * scale}px`;
  cursor.style.top = `${brush.y * scale}px`;
}

function begin([x, y]) {
  if (filling) return;
  stroke = { erase: brush.erase, size: brushSize(), points: [[x, y]] };
  draw(stroke, 0);
}

function extend(point) {
  stroke.points.push(point);
  draw(stroke, stroke.points.length - 2);
}

function end(keep = true) {
  if (!stroke) return;
  if (keep) perform({ stroke });
  stroke = null;
  if (!keep) redraw();
  refresh();
}

const touches = new Map();

mask.addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  event.preventDefault();
  mask.focus({ preventScroll: true });
  mask.setPointerCapture(event.pointerId);
  touches.set(event.pointerId, event);
  if (touches.size === 1) begin(place(event));
  else end(false); // a second finger: zoom and move instead
});

mask.addEventListener("pointermove", (event) => {
  [brush.x, brush.y] = place(event);
  showCursor(event.pointerType !== "touch");
  if (!touches.has(event.pointerId)) return;
  if (touches.size === 2) pinch(event);
  touches.set(event.pointerId, event);
  if (stroke) for (const part of event.getCoalescedEvents?.() ?? [event]) extend(place(part));
});

function pinch(event) {
  const other = [...touches.values()].find((touch) => touch.pointerId !== event.pointerId);
  const old = touches.get(event.pointerId);
  const apart = (touch) => Math.hypot(touch.clientX - other.clientX, touch.clientY - other.clientY);
  zoomTo((zoom * apart(event)) / apart(old), (event.clientX + other.clientX) / 2, (event.clientY + other.clientY) / 2);
  scroller.scrollBy((old.clientX - event.clientX) / 2, (old.clientY - event.clientY) / 2);
}

for (const type of ["pointerup", "pointercancel"]) {
  mask.addEventListener(type, (event) => {
    touches.delete(event.pointerId);
    end(type === "pointerup");
  });
}
mask.addEventListener("pointerleave", () => showCursor(false));
mask.addEventListener("focus", () => showCursor(mask.matches(":focus-visible")));
mask.addEventListener("blur", () => {
  showCursor(false);
  end(); // a held space is released elsewhere
});

scroller.addEventListener("wheel", (event) => {
  if (!event.ctrlKey && !event.metaKey) return;
  event.preventDefault();
  zoomTo(zoom * Math.exp(-event.deltaY / 200), event.clientX, event.clientY);
}, { passive: false });

/** Keys of the painting area: the brush moves by a quarter of its size. */
function paintByKey(key) {
  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  if (key in arrows) {
    const pace = Math.max(1, brushSize() / 4);
    brush.x = Math.min(mask.width, Math.max(0, brush.x + pace * arrows[key][0]));
    brush.y = Math.min(mask.height, Math.max(0, brush.y + pace * arrows[key][1]));
    if (stroke) extend([brush.x, brush.y]);
    showCursor(true);
    return true;
  }
  if (key === " ") {
    if (!stroke) begin([brush.x, brush.y]);
    return true;
  }
  return false;
}

mask.addEventListener("keydown", (event) => {
  if (!event.ctrlKey && !event.metaKey && !event.altKey && paintByKey(event.key)) event.preventDefault();
});
mask.addEventListener("keyup", (event) => {
  if (event.key === " ") end();
});

function choose(erase) {
  brush.erase = erase;
  document.querySelector(`input[value="${erase ? "eraser" : "brush"}"]`).checked = true;
}

function resize(by) {
  const size = element("size");
  size.value = size.valueAsNumber + by;
  showCursor();
}

const letters = {
  "[": () => resize(-0.05), "]": () => resize(0.05), b: () => choose(false), e: () => choose(true),
  "+": () => zoomBy(1.25), "-": () => zoomBy(0.8), "0": () => zoomBy(1 / zoom),
};

/** Whether letters are the page's there: not at a control, where they are the control's or speech input's. */
const takesLetters = (target) => target === document.body || (stage.contains(target) && !target.matches("input"));

document.addEventListener("keydown", (event) => {
  if (!photo || event.altKey || event.target.matches("select")) return;
  const key = event.key.toLowerCase();
  const shortcuts = event.ctrlKey || event.metaKey
    ? { z: () => step(event.shiftKey ? 1 : -1), y: () => step(1) }
    : {
        ...(takesLetters(event.target) ? letters : {}), escape: cancel,
        enter: event.target.matches("button, summary") ? null : () => attempt(fill),
      };
  if (!shortcuts[key]) return;
  event.preventDefault();
  shortcuts[key]();
});

// ---- buttons and files

function pick(input, use) {
  input.addEventListener("change", () => {
    const [file] = input.files;
    input.value = "";
    if (file) attempt(() => use(file));
  });
  return () => input.click();
}

const pickPhoto = pick(element("photo-file"), open);
buttons.open.onclick = buttons.choose.onclick = pickPhoto;
buttons["load-mask"].onclick = pick(element("mask-file"), loadMask);
buttons.example.onclick = () => attempt(openExample);
buttons.undo.onclick = () => step(-1);
buttons.redo.onclick = () => step(1);
buttons.fill.onclick = () => (filling ? cancel() : attempt(fill));
buttons.compare.onclick = () => compare(before.hidden);
buttons.save.onclick = () => attempt(save);
element("wipe-position").oninput = wipe;
element("size").oninput = () => showCursor();
for (const input of document.querySelectorAll("input[name=tool]")) {
  input.onchange = () => choose(input.value === "eraser");
}

document.addEventListener("dragover", (event) => {
  event.preventDefault();
  stage.classList.add("over");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) stage.classList.remove("over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  stage.classList.remove("over");
  const [file] = event.dataTransfer.files;
  if (file) attempt(() => open(file));
});
document.addEventListener("paste", (event) => {
  const [file] = event.clipboardData.files;
  if (file) attempt(() => open(file));
});
new ResizeObserver(layOut).observe(scroller);

engine.onplace = (place) => {
  element("engine").textContent = place;
};
attempt(async () => engine.onplace(await engine.ready()));
