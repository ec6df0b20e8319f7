//! A picture and a mask in, a filled picture out.

use std::{fmt, path::Path, sync::Arc};

use burn::{
    module::Module,
    tensor::{Device, read_sync},
};
use context_encoder_mask::Mask;
use context_encoder_model::{Model, ModelConfig, Prediction, Predictor};
use image::{GrayImage, Pixel, RgbImage};

use crate::{
    Blend, Fill, InpaintError, Refine,
    channel::{Channel, Image},
    crop::InputSpec,
    fill::check_mask,
    job::{Job, predict, progress},
    progress::Report,
};

/// Fills pictures of any size with a trained context encoder.
///
/// A mask (1 = hidden) may have any number of holes of any shape. Around each hole a square crop is chosen
/// and resampled to the network's size; the prediction is resampled to the crop's own scale and
/// [blended](Blend) with the picture. Only hidden pixels change; visible ones come back bit for bit. The same
/// picture, mask, weights and device give the same bytes.
///
/// A picture of the network's own size is shown as it is when the network can fill its mask at once: any mask
/// for a network that predicts [`Whole`](Prediction::Whole) pictures, one inside the central square for a
/// network that predicts the [`Centre`](Prediction::Centre).
///
/// | setting | meaning | default |
/// |---|---|---|
/// | [`with_blend`](Self::with_blend) | how prediction and picture meet | [`Blend::Poisson`] |
/// | [`with_refine`](Self::with_refine) | whether patches of the picture sharpen the prediction | [`Refine::Patches`] |
/// | [`with_overlap`](Self::with_overlap) | visible rim of the central square in training, pixels of the network | 0 |
/// | [`with_mirror`](Self::with_mirror) | mean of two predictions, one of them left to right | off |
/// | [`with_progress`](Self::with_progress) | who is told how much of a fill is done | nobody |
/// | [`named`](Self::named) | name in tables | "context encoder" |
///
/// ```
/// use burn::tensor::Device;
/// use context_encoder_inpaint::Inpainter;
/// use context_encoder_mask::Mask;
/// use context_encoder_model::ModelConfig;
/// use image::RgbImage;
///
/// let device = Device::flex();
/// # let path = std::env::temp_dir().join("context-encoder-doc-inpainter.safetensors");
/// # ModelConfig::default().with_size(64).with_width(4).init(&device)?.save(&path)?;
/// let inpainter = Inpainter::load(&path, &device)?;
/// let picture = RgbImage::new(300, 200);
/// let mask = Mask::from_fn(300, 200, |x, y| x.abs_diff(90) + y.abs_diff(80) < 40);
/// let filled = inpainter.fill(&picture, &mask)?;
/// assert_eq!(filled.dimensions(), (300, 200));
/// assert_eq!(filled.get_pixel(0, 0), picture.get_pixel(0, 0)); // visible
/// # std::fs::remove_file(path).expect("just written");
/// # Ok::<(), context_encoder_inpaint::InpaintError>(())
/// ```
#[derive(Clone)]
pub struct Inpainter {
    predictor: Predictor,
    device: Device,
    name: String,
    blend: Blend,
    refine: Refine,
    overlap: u32,
    mirror: bool,
    progress: Option<Report>,
}

impl Inpainter {
    /// Reads a weights file.
    ///
    /// # Errors
    /// [`InpaintError::Model`] when it cannot be read or does not hold a network.
    pub fn load(weights: impl AsRef<Path>, device: &Device) -> Result<Self, InpaintError> {
        // Without autodiff batch norm uses its running statistics.
        let device = device.clone().without_autodiff();
        Ok(Self::new(&Model::load(weights, &device)?, &device))
    }

    /// Takes a network that is in memory. A network in training is turned to inference first.
    pub fn new(model: &Model, device: &Device) -> Self {
        let device = device.clone().without_autodiff();
        Self::from_predictor(model.valid().to_device(&device).predictor(), &device)
    }

    /// Takes a network that was prepared for inference on this device, for one whose weights are kept in 16
    /// bits.
    ///
    /// ```
    /// use burn::tensor::Device;
    /// use context_encoder_inpaint::Inpainter;
    /// use context_encoder_model::{BottleneckConfig, ModelConfig};
    /// use context_encoder_ops::Storage;
    ///
    /// let device = Device::flex();
    /// let config = ModelConfig::default().with_size(64).with_width(4).with_bottleneck(BottleneckConfig::Dense(64));
    /// let predictor = config.init(&device)?.predictor_with(Storage::Bf16);
    /// assert_eq!(Inpainter::from_predictor(predictor, &device).side(), 64);
    /// # Ok::<(), context_encoder_inpaint::InpaintError>(())
    /// ```
    pub fn from_predictor(predictor: Predictor, device: &Device) -> Self {
        let (device, name) = (device.clone().without_autodiff(), "context encoder".to_owned());
        Self {
            predictor,
            device,
            name,
            blend: Blend::default(),
            refine: Refine::default(),
            overlap: 0,
            mirror: false,
            progress: None,
        }
    }

    /// Sets the name in tables.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets how predictions are put into pictures.
    #[must_use]
    pub fn with_blend(mut self, blend: Blend) -> Self {
        self.blend = blend;
        self
    }

    /// Sets whether patches of the picture itself sharpen the prediction. [`Refine::None`] shows what the
    /// network predicts, as the paper's tables measure it.
    #[must_use]
    pub fn with_refine(mut self, refine: Refine) -> Self {
        self.refine = refine;
        self
    }

    /// Sets the overlap with which a network for the centre was trained (`masks.overlap`: 4 in preset
    /// `authors`, 7 in `paper`): so many pixels of the predicted square's rim stay visible, at the
    /// network's scale. At most an eighth of the network's side counts. Networks for whole pictures have
    /// none.
    #[must_use]
    pub fn with_overlap(mut self, pixels: u32) -> Self {
        self.overlap = pixels.min(self.side() / 8);
        self
    }

    /// Sets whether everything is predicted a second time with left and right exchanged, and the mean is
    /// taken: closer to the truth and smoother, in twice the time. For pictures without a preferred
    /// direction, on which networks are trained.
    #[must_use]
    pub fn with_mirror(mut self, mirror: bool) -> Self {
        self.mirror = mirror;
        self
    }

    /// Sets who is told how much of a call is done: a fraction that rises to 1 about as time passes, after
    /// every few crops and every search for patches, from whichever thread got there. The time it takes
    /// is lost for the fill.
    ///
    /// ```
    /// # use burn::tensor::Device;
    /// # use context_encoder_inpaint::Inpainter;
    /// # use context_encoder_mask::Mask;
    /// # use context_encoder_model::ModelConfig;
    /// # use image::RgbImage;
    /// # let device = Device::flex();
    /// # let model = ModelConfig::default().with_size(64).with_width(4).init(&device)?;
    /// let inpainter = Inpainter::new(&model, &device)
    ///     .with_progress(|fraction| eprint!("\r{:3.0} %", 100.0 * fraction));
    /// # let mask = Mask::from_fn(100, 80, |x, y| (20..40).contains(&x) && (20..40).contains(&y));
    /// let filled = inpainter.fill(&RgbImage::new(100, 80), &mask)?;
    /// # Ok::<(), context_encoder_inpaint::InpaintError>(())
    /// ```
    #[must_use]
    pub fn with_progress(mut self, report: impl Fn(f32) + Send + Sync + 'static) -> Self {
        self.progress = Some(Arc::new(report));
        self
    }

    /// The network's configuration.
    pub fn config(&self) -> &ModelConfig {
        self.predictor.config()
    }

    /// Side of the square that the network takes, pixels.
    pub fn side(&self) -> u32 {
        self.config().size as u32
    }

    /// Fills what the mask hides (1 = hidden) in a picture of 8 or 16 bits. A mask that hides nothing gives
    /// the picture back.
    ///
    /// # Errors
    /// [`InpaintError::MaskSize`] when the mask is not of the picture's size,
    /// [`InpaintError::NothingVisible`] when it hides everything, [`InpaintError::Device`] when the device
    /// stops computing.
    ///
    /// # Panics
    /// On WebGPU in a browser, which only [`fill_async`](Self::fill_async) can wait for.
    pub fn fill<S: Channel>(&self, picture: &Image<S>, mask: &Mask) -> Result<Image<S>, InpaintError> {
        read_sync(self.fill_async(picture, mask))
    }

    /// The same where nothing may wait for the device: in a browser, on WebGPU.
    ///
    /// ```
    /// # use burn::tensor::Device;
    /// # use context_encoder_inpaint::{InpaintError, Inpainter};
    /// # use context_encoder_mask::Mask;
    /// # use context_encoder_model::ModelConfig;
    /// # use image::RgbImage;
    /// async fn removed(inpainter: &Inpainter, picture: &RgbImage) -> Result<RgbImage, InpaintError> {
    ///     let mask = Mask::from_fn(picture.width(), picture.height(), |x, y| x.max(y) < 20);
    ///     inpainter.fill_async(picture, &mask).await
    /// }
    /// # let device = Device::flex();
    /// # let model = ModelConfig::default().with_size(64).with_width(4).init(&device)?;
    /// # let (inpainter, picture) = (Inpainter::new(&model, &device), RgbImage::new(100, 80));
    /// # assert_eq!(burn::tensor::read_sync(removed(&inpainter, &picture))?.dimensions(), (100, 80));
    /// # Ok::<(), InpaintError>(())
    /// ```
    ///
    /// # Errors
    /// As for [`fill`](Self::fill).
    pub async fn fill_async<S: Channel>(
        &self,
        picture: &Image<S>,
        mask: &Mask,
    ) -> Result<Image<S>, InpaintError> {
        let filled = self.run(&[picture], std::slice::from_ref(mask)).await?;
        Ok(filled.into_iter().next().unwrap_or_else(|| picture.clone()))
    }

    /// Fills under a mask with soft edges: 0 keeps a pixel bit for bit, 255 replaces it, and between them the
    /// two are mixed. The network sees none of a pixel that is to change at all.
    ///
    /// ```
    /// # use burn::tensor::Device;
    /// # use context_encoder_inpaint::Inpainter;
    /// # use context_encoder_model::ModelConfig;
    /// # let device = Device::flex();
    /// # let model = ModelConfig::default().with_size(64).with_width(4).init(&device)?;
    /// use image::{GrayImage, Luma, RgbImage};
    ///
    /// let picture = RgbImage::new(100, 80);
    /// let alpha = GrayImage::from_fn(100, 80, |x, _| Luma([if x < 20 { 255 - 10 * x as u8 } else { 0 }]));
    /// let filled = Inpainter::new(&model, &device).fill_soft(&picture, &alpha)?;
    /// assert_eq!(filled.get_pixel(20, 0), picture.get_pixel(20, 0));
    /// # Ok::<(), context_encoder_inpaint::InpaintError>(())
    /// ```
    ///
    /// # Errors
    /// As for [`fill`](Self::fill); every alpha above 0 counts as hidden.
    ///
    /// # Panics
    /// As [`fill`](Self::fill).
    pub fn fill_soft<S: Channel>(
        &self,
        picture: &Image<S>,
        alpha: &GrayImage,
    ) -> Result<Image<S>, InpaintError> {
        if alpha.dimensions() != picture.dimensions() {
            return Err(InpaintError::MaskSize { mask: alpha.dimensions(), picture: picture.dimensions() });
        }
        if alpha.is_empty() {
            return Ok(picture.clone());
        }
        let mask = Mask::from_fn(alpha.width(), alpha.height(), |x, y| alpha.get_pixel(x, y).0[0] > 0);
        let mut filled = self.fill(picture, &mask)?;
        for ((filled, kept), alpha) in filled.pixels_mut().zip(picture.pixels()).zip(alpha.pixels()) {
            for (filled, &kept) in filled.channels_mut().iter_mut().zip(kept.channels()) {
                *filled = filled.over(kept, alpha.0[0]);
            }
        }
        Ok(filled)
    }

    /// Fills several pictures. Crops of all of them go through the network together, which keeps a device
    /// busy where each picture has few. Sums may be taken in another order than one by one: predictions
    /// differ by one step at most, from which patches may be chosen otherwise here and there.
    ///
    /// All pictures and their predictions are in memory together; hand over a folder in portions.
    ///
    /// # Errors
    /// As for [`fill`](Self::fill), before anything is filled; [`InpaintError::Unpaired`] when there are not
    /// as many masks as pictures.
    ///
    /// # Panics
    /// As [`fill`](Self::fill).
    pub fn fill_many<S: Channel>(
        &self,
        pictures: &[Image<S>],
        masks: &[Mask],
    ) -> Result<Vec<Image<S>>, InpaintError> {
        let pictures: Vec<_> = pictures.iter().collect();
        read_sync(self.run(&pictures, masks))
    }

    async fn run<S: Channel>(
        &self,
        pictures: &[&Image<S>],
        masks: &[Mask],
    ) -> Result<Vec<Image<S>>, InpaintError> {
        if pictures.len() != masks.len() {
            return Err(InpaintError::Unpaired { pictures: pictures.len(), masks: masks.len() });
        }
        for (picture, mask) in pictures.iter().zip(masks) {
            match check_mask(picture.dimensions(), mask) {
                Ok(()) | Err(InpaintError::NothingHidden) => {}
                Err(error) => return Err(error),
            }
        }
        let spec = self.input_spec();
        let mut jobs: Vec<Job<'_, S>> =
            pictures.iter().zip(masks).map(|(picture, mask)| Job::new(picture, mask, &spec)).collect();
        let progress = progress(&jobs, self.refine, self.progress.as_ref());
        predict(&mut jobs, &spec, &self.predictor, &self.device, &progress).await?;
        let filled = jobs.into_iter().map(|job| job.finish(self.blend, self.refine, &progress)).collect();
        progress.end();
        Ok(filled)
    }

    fn input_spec(&self) -> InputSpec {
        let prediction = self.config().prediction;
        let overlap = if prediction == Prediction::Centre { self.overlap } else { 0 };
        InputSpec { side: self.side(), prediction, overlap, mirror: self.mirror }
    }
}

impl Fill for Inpainter {
    fn name(&self) -> &str {
        &self.name
    }

    fn fill(&self, picture: &RgbImage, mask: &Mask) -> Result<RgbImage, InpaintError> {
        check_mask(picture.dimensions(), mask)?;
        Self::fill(self, picture, mask)
    }

    fn fill_all(&self, pictures: &[RgbImage], masks: &[Mask]) -> Result<Vec<RgbImage>, InpaintError> {
        for (picture, mask) in pictures.iter().zip(masks) {
            check_mask(picture.dimensions(), mask)?;
        }
        self.fill_many(pictures, masks)
    }
}

impl fmt::Debug for Inpainter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inpainter")
            .field("config", self.config())
            .field("device", &self.device)
            .field("blend", &self.blend)
            .field("refine", &self.refine)
            .field("overlap", &self.overlap)
            .field("mirror", &self.mirror)
            .finish()
    }
}

#[cfg(test)]
mod tests;
