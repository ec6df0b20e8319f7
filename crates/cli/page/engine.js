// What fills on the page that the program serves: the program, through its one endpoint.

export class Engine {
  #file = null;
  #size = null;
  #stopping = new AbortController();

  /** Is told how much of a fill is done, from 0 to 1. */
  onprogress = () => {};

  /** Resolves with a sentence about where it computes. */
  async ready() {
    return "Fills on this computer, in the program that serves this page. Nothing is sent anywhere else.";
  }

  /** Opens a photograph: its size, media type, and an image to draw. */
  async open(file) {
    const image = await createImageBitmap(file).catch(() => {
      throw new Error(`${file.name} is no picture that this browser shows; give a JPEG, PNG, WebP or BMP.`);
    });
    this.#file = file;
    this.#size = [image.width, image.height];
    return { width: image.width, height: image.height, type: file.type, image };
  }

  /** Fills what the mask hides (a byte a pixel) in the open photograph as these fills left it. */
  async fill(fills, mask) {
    const { signal } = this.#stopping;
    const source = { photo: fills.at(-1)?.blob ?? this.#file, mask: await this.#png(mask) };
    signal.throwIfAborted();
    const blob = await this.#post(source, "png", signal, this.onprogress);
    const image = await createImageBitmap(blob);
    signal.throwIfAborted();
    return { x: 0, y: 0, image, blob, source };
  }

  /** The photograph's file with these fills. */
  async save(fills, type) {
    const { signal } = this.#stopping;
    const last = fills.at(-1);
    return type === "image/png" ? last.blob : this.#post(last.source, "jpeg", signal);
  }

  /** Stops waiting; the promise of what is computed is rejected with an AbortError. */
  cancel() {
    this.#stopping.abort();
    this.#stopping = new AbortController();
  }

  async #post({ photo, mask }, format, signal, onprogress) {
    const [form, name] = [new FormData(), crypto.randomUUID()];
    form.append("photo", photo);
    form.append("mask", mask);
    form.append("format", format);
    form.append("progress", name);
    let done = false;
    const ask = async () => {
      const response = await fetch(`progress/${name}`, { signal });
      const fraction = response.ok && Number(await response.text());
      if (done) return;
      if (response.ok) onprogress(fraction);
      setTimeout(() => done || ask().catch(() => {}), 200);
    };
    if (onprogress) ask().catch(() => {}); // without it, the bar moves to and fro
    try {
      const response = await fetch("fill", { method: "POST", body: form, signal });
      if (!response.ok) throw new Error(await response.text());
      return await response.blob();
    } finally {
      done = true;
    }
  }

  /** A mask as a file: white where it hides. */
  async #png(mask) {
    const [width, height] = this.#size;
    const image = new ImageData(width, height);
    new Uint32Array(image.data.buffer).set(Uint32Array.from(mask, (hidden) => (hidden ? 0xffffffff : 0xff000000)));
    const canvas = new OffscreenCanvas(width, height);
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas.convertToBlob({ type: "image/png" });
  }
}
