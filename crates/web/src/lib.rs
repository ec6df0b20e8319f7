//! The library for browsers: photographs and the network that fills them, for JavaScript.

use std::{cell::RefCell, error::Error, iter, panic};

use context_encoder::{
    Device, Inpainter, Mask, Model, device,
    files::{Photograph, Pixels},
    inpaint::{Channel, Image, Refine},
};
use image::{GenericImage, GenericImageView, ImageFormat, RgbImage, Rgba, RgbaImage};
use js_sys::Function;
use wasm_bindgen::{Clamped, prelude::*};

/// A file of a photograph taken apart, with everything that is kept when it is written again.
#[wasm_bindgen(js_name = Photograph)]
pub struct WebPhotograph(Photograph);

#[wasm_bindgen(js_class = Photograph)]
impl WebPhotograph {
    /// Reads the bytes of a JPEG, PNG, TIFF, WebP or BMP file; `name` is for error messages.
    #[wasm_bindgen(constructor)]
    pub fn new(bytes: &[u8], name: &str) -> Result<Self, JsError> {
        Photograph::from_named_bytes(bytes, name).map(Self).map_err(thrown)
    }

    /// Columns of the upright picture.
    #[wasm_bindgen(getter)]
    pub fn width(&self) -> u32 {
        self.0.dimensions().0
    }

    /// Rows of the upright picture.
    #[wasm_bindgen(getter)]
    pub fn height(&self) -> u32 {
        self.0.dimensions().1
    }

    /// The media type of the file that it came from, such as `image/jpeg`.
    #[wasm_bindgen(getter, js_name = type)]
    pub fn media_type(&self) -> String {
        self.0.format().to_mime_type().to_owned()
    }

    /// Another one with the same content.
    pub fn copy(&self) -> Self {
        Self(self.0.clone())
    }

    /// A rectangle as a screen shows it: four bytes a pixel, row by row, as `ImageData` takes them.
    pub fn rgba(&self, x: u32, y: u32, width: u32, height: u32) -> Result<Clamped<Vec<u8>>, JsError> {
        self.check(x, y, width, height)?;
        let shown = self.0.to_rgba8().map_err(thrown)?;
        if (width, height) == shown.dimensions() {
            return Ok(Clamped(shown.into_raw()));
        }
        Ok(Clamped(shown.view(x, y, width, height).to_image().into_raw()))
    }

    /// The colors in a rectangle, in as many bits as the file has: what [`write`](Self::write) takes.
    pub fn read(&self, x: u32, y: u32, width: u32, height: u32) -> Result<Vec<u8>, JsError> {
        self.check(x, y, width, height)?;
        Ok(match self.0.pixels() {
            Pixels::Eight(pixels) => pixels.view(x, y, width, height).to_image().into_raw(),
            Pixels::Sixteen(pixels) => {
                let values = pixels.view(x, y, width, height).to_image().into_raw();
                values.into_iter().flat_map(u16::to_ne_bytes).collect()
            }
        })
    }

    /// Puts back what [`read`](Self::read) gave.
    pub fn write(&mut self, x: u32, y: u32, width: u32, height: u32, bytes: &[u8]) -> Result<(), JsError> {
        self.check(x, y, width, height)?;
        match self.0.pixels_mut() {
            Pixels::Eight(pixels) => put(pixels, x, y, width, height, bytes.to_vec()),
            Pixels::Sixteen(pixels) => {
                let values = bytes.as_chunks::<2>().0.iter().map(|&value| u16::from_ne_bytes(value));
                put(pixels, x, y, width, height, values.collect())
            }
        }
    }

    /// The bytes of its file in a format: `image/png`, `image/jpeg` and so on.
    pub fn encode(&self, media_type: &str) -> Result<Vec<u8>, JsError> {
        let unknown =
            || JsError::new(&format!("`{media_type}` is not written; choose image/png or image/jpeg"));
        let format = ImageFormat::from_mime_type(media_type).ok_or_else(unknown)?;
        self.0.to_bytes(format).map_err(thrown)
    }

    fn check(&self, x: u32, y: u32, width: u32, height: u32) -> Result<(), JsError> {
        let fits =
            |start: u32, length: u32, side: u32| start.checked_add(length).is_some_and(|end| end <= side);
        let (whole_width, whole_height) = self.0.dimensions();
        if fits(x, width, whole_width) && fits(y, height, whole_height) {
            return Ok(());
        }
        Err(JsError::new(&format!(
            "a rectangle of {width}x{height} at ({x}, {y}) is not inside {whole_width}x{whole_height} pixels"
        )))
    }
}

/// The network, ready to fill.
#[wasm_bindgen(js_name = Inpainter)]
pub struct WebInpainter {
    refined: Inpainter,
    predicted: Inpainter,
}

#[wasm_bindgen(js_class = Inpainter)]
impl WebInpainter {
    /// Takes the bytes of a weights file, such as `photo-128.safetensors`. The network computes on the processor.
    #[wasm_bindgen(constructor)]
    pub fn new(weights: Vec<u8>) -> Result<Self, JsError> {
        Self::on(&flex()?, weights)
    }

    /// The same with the network on the graphics card, through WebGPU. Rejects where there is none.
    #[cfg(feature = "webgpu")]
    #[wasm_bindgen(js_name = onWebGpu)]
    pub async fn on_webgpu(weights: Vec<u8>) -> Result<Self, JsError> {
        Self::on(&context_encoder::webgpu().await.map_err(thrown)?, weights)
    }

    /// Fills a photograph where the mask, a byte a pixel, is 128 or more; every other pixel stays. Returns
    /// the rectangle that holds all that was filled.
    #[wasm_bindgen(js_name = fillPhotograph)]
    pub async fn fill_photograph(&self, photo: &mut WebPhotograph, mask: &[u8]) -> Result<Bounds, JsError> {
        let mask = read_mask(mask, photo.0.dimensions())?;
        match photo.0.pixels_mut() {
            Pixels::Eight(pixels) => fill(&self.refined, pixels, &mask).await?,
            Pixels::Sixteen(pixels) => fill(&self.refined, pixels, &mask).await?,
        }
        let bounds = mask
            .bounds()
            .ok_or_else(|| JsError::new("the mask hides nothing; paint over what is to be filled"))?;
        Ok(Bounds { x: bounds.x, y: bounds.y, width: bounds.width, height: bounds.height })
    }

    /// Fills pixels where the mask, a byte a pixel, is 128 or more, and returns all of them. Four bytes a
    /// pixel, row by row, as `ImageData` has them; alpha stays. With `refine` false, what the network predicts is
    /// left as it is.
    #[wasm_bindgen(js_name = fillPixels)]
    pub async fn fill_pixels(
        &self,
        rgba: &[u8],
        width: u32,
        height: u32,
        mask: &[u8],
        refine: Option<bool>,
    ) -> Result<Clamped<Vec<u8>>, JsError> {
        let wrong = || {
            JsError::new(&format!("{width}x{height} pixels need 4 bytes each, but there are {}", rgba.len()))
        };
        let mut image = RgbaImage::from_raw(width, height, rgba.to_vec()).ok_or_else(wrong)?;
        let mask = read_mask(mask, (width, height))?;
        let mut colors = RgbImage::from_fn(width, height, |x, y| {
            let Rgba([red, green, blue, _]) = *image.get_pixel(x, y);
            image::Rgb([red, green, blue])
        });
        let inpainter = if refine.unwrap_or(true) { &self.refined } else { &self.predicted };
        fill(inpainter, &mut colors, &mask).await?;
        for (pixel, color) in image.pixels_mut().zip(colors.pixels()) {
            pixel.0[..3].copy_from_slice(&color.0);
        }
        Ok(Clamped(image.into_raw()))
    }
}

impl WebInpainter {
    fn on(device: &Device, weights: Vec<u8>) -> Result<Self, JsError> {
        // Reading a file waits for the device that it is read to.
        let model = Model::from_bytes(weights, "the weights", &flex()?).map_err(thrown)?;
        let refined = Inpainter::new(&model, device);
        let predicted = refined.clone().with_refine(Refine::None);
        Ok(Self { refined: refined.with_progress(tell), predicted })
    }
}

fn flex() -> Result<Device, JsError> {
    device("flex").map_err(thrown)
}

async fn fill<C: Channel>(inpainter: &Inpainter, image: &mut Image<C>, mask: &Mask) -> Result<(), JsError> {
    *image = inpainter.fill_async(image, mask).await.map_err(thrown)?;
    Ok(())
}

/// A rectangle of pixels.
#[wasm_bindgen]
pub struct Bounds {
    /// First column.
    #[wasm_bindgen(readonly)]
    pub x: u32,
    /// First row.
    #[wasm_bindgen(readonly)]
    pub y: u32,
    /// Columns.
    #[wasm_bindgen(readonly)]
    pub width: u32,
    /// Rows.
    #[wasm_bindgen(readonly)]
    pub height: u32,
}

thread_local! {
    static LISTENER: RefCell<Option<Function>> = const { RefCell::new(None) };
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Sets who is told, while anything is filled, how much of it is done, from 0 to 1; nobody when undefined. For
/// after `load`.
#[wasm_bindgen(js_name = onProgress)]
pub fn on_progress(listener: Option<Function>) {
    LISTENER.set(listener);
}

fn tell(fraction: f32) {
    let listener = LISTENER.with_borrow(Clone::clone);
    if let Some(listener) = listener {
        // What a listener throws is no reason to stop.
        let _ = listener.call1(&JsValue::NULL, &JsValue::from(fraction));
    }
}

#[cfg(feature = "webgpu")]
unsafe extern "C" {
    fn __wasm_call_ctors();
}

#[wasm_bindgen(start)]
fn start() {
    // SAFETY: it runs what CubeCL collects before anything else does, once. A linker that finds no such call lets
    // every exported function make it.
    #[cfg(feature = "webgpu")]
    unsafe {
        __wasm_call_ctors();
    }
    panic::set_hook(Box::new(|panic| PANIC.set(panic.to_string())));
}

/// What the panic said that ended the module, after a `WebAssembly.RuntimeError`; empty when memory was out.
#[wasm_bindgen(js_name = panicMessage)]
pub fn panic_message() -> String {
    PANIC.with_borrow(String::clone)
}

/// The error with its causes, for JavaScript to throw.
fn thrown(error: impl Error + 'static) -> JsError {
    let causes = iter::successors(Some(&error as &dyn Error), |&error| error.source());
    JsError::new(&causes.map(ToString::to_string).collect::<Vec<_>>().join(": "))
}

fn read_mask(bytes: &[u8], (width, height): (u32, u32)) -> Result<Mask, JsError> {
    Mask::new(width, height, bytes.iter().map(|&value| value >= 128).collect()).map_err(thrown)
}

/// Puts the values of a rectangle into an image.
fn put<C: Channel>(
    image: &mut Image<C>,
    x: u32,
    y: u32,
    width: u32,
    height: u32,
    values: Vec<C>,
) -> Result<(), JsError> {
    let part = Image::<C>::from_raw(width, height, values);
    let wrong = || JsError::new(&format!("there are not as many bytes as {width}x{height} pixels have"));
    image.copy_from(&part.ok_or_else(wrong)?, x, y).map_err(thrown)
}
