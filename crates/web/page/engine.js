// What fills on the page: the library as WebAssembly, in a worker. Nothing leaves the browser.

export class Engine {
  #worker;
  #file = null;
  #calls = new Map();
  #count = 0;
  /** Whether the graphics card is tried: `auto`, `never`, or `always`, for tests, from the page's address. */
  #webgpu = new URLSearchParams(location.search).get("webgpu") ?? "auto";

  /** Is told how much of a fill is done, from 0 to 1. */
  onprogress = () => {};

  /** Is told where it computes from now on. */
  onplace = () => {};

  constructor() {
    this.#start();
  }

  /** Resolves with a sentence about where it computes, once the network is there. */
  ready() {
    return this.#call("ready");
  }

  /** Opens a photograph: its size, media type, and an image to draw. */
  async open(file) {
    const opened = await this.#call("open", file);
    this.#file = file;
    return { ...opened, image: await createImageBitmap(opened.image) };
  }

  /** Fills what the mask hides (a byte a pixel) in the open photograph as these fills left it. */
  async fill(fills, mask) {
    const patch = await this.#call("fill", fills.map(({ patch }) => patch), mask);
    return { x: patch.x, y: patch.y, image: await createImageBitmap(patch.image), patch };
  }

  /** The photograph's file with these fills. */
  save(fills, type) {
    return this.#call("save", fills.map(({ patch }) => patch), type);
  }

  /** Ends whatever is computed, with its worker; its promise is rejected with an AbortError. */
  cancel() {
    this.#stop(new DOMException("cancelled", "AbortError"));
  }

  #call(method, ...values) {
    return new Promise((resolve, reject) => {
      const id = this.#count++;
      this.#calls.set(id, { resolve, reject, value: values[0] });
      this.#worker.postMessage({ id, method, values });
    });
  }

  #start() {
    this.#worker = new Worker(new URL(`worker.js?webgpu=${this.#webgpu}`, import.meta.url), { type: "module" });
    this.#worker.onerror = () => this.#reject(new Error("The page could not be loaded completely; reload it."));
    this.#worker.onmessage = ({ data: { progress, place, webgpu, id, result, error, dead } }) => {
      if (progress !== undefined) return this.onprogress(progress);
      if (place) {
        this.#webgpu = webgpu;
        return this.onplace(place);
      }
      const call = this.#calls.get(id) ?? {}; // none for the trial of a graphics card
      this.#calls.delete(id);
      if (error) call.reject?.(new Error(error));
      else call.resolve?.(result);
      // After a panic or when memory was out, the module's memory cannot be trusted.
      if (!dead) return;
      this.#webgpu = "never";
      // A photograph that ends the worker when it is opened again is not opened a third time.
      if (call.value && call.value === this.#file) this.#file = null;
      this.#stop(new Error("filling had to be started again; try once more"));
    };
  }

  #stop(reason) {
    this.#worker.terminate();
    this.#reject(reason);
    this.#start();
    this.#call("ready").then(this.onplace, () => {});
    if (this.#file) this.#call("open", this.#file).catch(() => {});
  }

  #reject(reason) {
    for (const { reject } of this.#calls.values()) reject(reason);
    this.#calls.clear();
  }
}
