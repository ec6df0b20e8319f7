// What fills on the page: the library as WebAssembly, in a worker. Nothing leaves the browser.
//
// Where there is a graphics card, a second worker tries it in the background (it compiles kernels for seconds), and takes
// the first one's place if the card proves itself.

/** A worker, and what it was asked. */
class Filler {
  #worker;
  #calls = new Map();
  #count = 0;

  /** `device` is where the network is to compute; `told` hears all but answers. */
  constructor(device, told) {
    this.#worker = new Worker(new URL(`worker.js?device=${device}`, import.meta.url), { type: "module" });
    this.#worker.onerror = () => {
      this.#reject(new Error("The page could not be loaded completely; reload it."));
      told({ unloaded: true });
    };
    this.#worker.onmessage = ({ data: { id, result, error, ...news } }) => {
      const call = this.#calls.get(id);
      this.#calls.delete(id);
      if (error) call?.reject(new Error(error));
      else call?.resolve(result);
      if (Object.keys(news).length) told(news, call?.value);
    };
  }

  get isBusy() {
    return this.#calls.size > 0;
  }

  call(method, ...values) {
    return new Promise((resolve, reject) => {
      const id = this.#count++;
      this.#calls.set(id, { resolve, reject, value: values[0] });
      this.#worker.postMessage({ id, method, values });
    });
  }

  /** Ends it with whatever it computes; its promises are rejected with the reason. */
  end(reason) {
    this.#worker.terminate();
    this.#reject(reason);
  }

  #reject(reason) {
    for (const { reject } of this.#calls.values()) reject(reason);
    this.#calls.clear();
  }
}

export class Engine {
  #filler;
  #card = null; // fills where the network computes on the graphics card, once that is there
  #tried; // what card to try, if any
  #file = null;

  /** Is told how much of a fill is done, from 0 to 1. */
  onprogress = () => {};

  /** Is told where it computes from now on. */
  onplace = () => {};

  constructor() {
    // In the page's address: `webgpu=never`, or `always`, for a card that is only simulated, or slow.
    const wish = new URLSearchParams(location.search).get("webgpu");
    this.#tried = wish === "never" ? Promise.resolve(null) : hasCard(wish === "always");
    this.#start();
  }

  /** Resolves with a sentence about where it computes, once the network is there. */
  async ready() {
    const place = await this.#filler.call("ready");
    this.#filler.call("warmUp").catch(() => {});
    return place;
  }

  /** Opens a photograph: its size, media type, and an image to draw. */
  async open(file) {
    const opened = await this.#filler.call("open", file);
    this.#file = file;
    return { ...opened, image: await createImageBitmap(opened.image) };
  }

  /** Fills what the mask hides (a byte a pixel) in the open photograph as these fills left it. */
  async fill(fills, mask) {
    const patch = await this.#filler.call("fill", fills.map(({ patch }) => patch), mask);
    return { x: patch.x, y: patch.y, image: await createImageBitmap(patch.image), patch };
  }

  /** The photograph's file with these fills. */
  save(fills, type) {
    return this.#filler.call("save", fills.map(({ patch }) => patch), type);
  }

  /** Ends whatever is computed, with its worker; its promise is rejected with an AbortError. */
  cancel() {
    this.#stop(new DOMException("cancelled", "AbortError"));
  }

  #start() {
    const filler = new Filler("processor", (news, value) => this.#hear(filler, news, value));
    this.#filler = filler;
    if (this.#file) filler.call("open", this.#file).catch(() => {});
    this.#tried.then((device) => {
      if (!device || this.#filler !== filler) return;
      const card = new Filler(device, (news, value) => this.#hear(card, news, value));
      this.#card = card;
    });
  }

  #stop(reason) {
    this.#card?.end(reason);
    this.#filler.end(reason);
    this.#card = null;
    this.#start();
    this.#filler.call("ready").then(this.onplace, () => {});
  }

  /** What a worker says beside answers; `value` is what it was computing with. */
  #hear(filler, { progress, place, isCard, dead, unloaded }, value) {
    if (progress !== undefined) return this.onprogress(progress);
    if (filler === this.#card) return void this.#takeCard(isCard && !dead && !unloaded, place);
    if (filler !== this.#filler) return;
    if (place) this.onplace(place);
    // After a panic or when memory was out, the module's memory cannot be trusted.
    if (!dead) return;
    this.#tried = Promise.resolve(null);
    // A photograph that ends the worker when it is opened again is not opened a third time.
    if (value && value === this.#file) this.#file = null;
    this.#stop(new Error("filling had to be started again; try once more"));
  }

  /** Goes on with the card's worker as soon as nothing is asked of the other, or without it. */
  async #takeCard(isGood, place) {
    const card = this.#card;
    let opened = null;
    while (isGood && this.#card === card && (this.#filler.isBusy || opened !== this.#file)) {
      if (this.#filler.isBusy) await new Promise((resolve) => setTimeout(resolve, 50));
      else await card.call("open", (opened = this.#file)).catch(() => (isGood = false));
    }
    if (this.#card !== card) return; // something was cancelled
    this.#card = null;
    if (isGood) {
      this.#filler.end();
      this.#filler = card;
    } else {
      this.#tried = Promise.resolve(null);
      card.end();
      if (opened) return; // where it computes stays as it was said
    }
    if (place) this.onplace(place);
  }
}

/** What to try: a graphics card, or one that is only simulated; null where there is none. */
async function hasCard(any) {
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  if (!adapter) return null;
  return any ? "any-card" : (adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter) ? null : "card";
}
