//! The network that comes with the library.

use burn::tensor::Device;
use context_encoder_model::Model;
use context_encoder_weights::PHOTO_128;

use crate::{InpaintError, Inpainter};

/// The network that comes with the library (feature `pretrained`): `photo-128`, for any photograph and holes
/// of any shape. The README of `context-encoder-weights` says what it was trained on and how well it does.
///
/// ```
/// use burn::tensor::Device;
///
/// let model = context_encoder_inpaint::pretrained(&Device::flex())?;
/// assert_eq!(model.config().size, 128);
/// # Ok::<(), context_encoder_inpaint::InpaintError>(())
/// ```
///
/// # Errors
/// None that a user can cause: the weights are part of the program.
pub fn pretrained(device: &Device) -> Result<Model, InpaintError> {
    Ok(Model::from_bytes(PHOTO_128.to_vec(), "the weights of the library", device)?)
}

/// The bytes of its weights file.
pub fn pretrained_weights() -> &'static [u8] {
    PHOTO_128
}

impl Inpainter {
    /// Takes the network that comes with the library, see [`pretrained`].
    ///
    /// ```
    /// use burn::tensor::Device;
    /// use context_encoder_inpaint::Inpainter;
    /// use context_encoder_mask::Mask;
    /// use image::{Rgb, RgbImage};
    ///
    /// let inpainter = Inpainter::pretrained(&Device::flex())?;
    /// let wall = RgbImage::from_fn(160, 120, |x, y| Rgb([180, (90 + x / 4) as u8, (40 + y / 3) as u8]));
    /// let filled = inpainter.fill(&wall, &Mask::from_fn(160, 120, |x, y| x.abs_diff(80) + y.abs_diff(60) < 20))?;
    /// let apart = filled.iter().zip(wall.iter()).map(|(a, b)| a.abs_diff(*b)).max();
    /// assert!(apart < Some(40)); // a wall goes on as a wall
    /// # Ok::<(), context_encoder_inpaint::InpaintError>(())
    /// ```
    ///
    /// # Errors
    /// As for [`pretrained`].
    pub fn pretrained(device: &Device) -> Result<Self, InpaintError> {
        let device = device.clone().without_autodiff();
        Ok(Self::new(&pretrained(&device)?, &device))
    }
}
