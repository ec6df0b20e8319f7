//! The built-in dataset: endless street fronts drawn by a procedure.
//!
//! A first training run needs no download. Each image shows walls of plaster, stone or brick with rows of
//! windows in one style, so what a hole hides follows from what surrounds it; a smooth fill of the hole does
//! not find it.
//!
//! From the whole to the detail: a `scene` is a row of `house`s between sky and street. A house is a `wall`
//! under a `roof`, with a `ground_floor` and storeys of `window`s and `ornament`s. All is drawn on
//! a `canvas`, in the `light` of one day, and rendered by a `camera`. A `street` has the same houses and
//! others, seen from any angle, behind trees, vehicles and people.

mod camera;
mod canvas;
mod color;
mod ground_floor;
mod house;
mod light;
mod ornament;
mod random;
mod roof;
mod scene;
mod street;
mod wall;
mod window;

#[cfg(test)]
mod tests;

use image::RgbImage;

use crate::{DataError, ImageDataset};
use camera::Camera;
use random::FacadeRng;
use scene::Scene;

/// Street fronts drawn by a procedure: an endless dataset that needs no download.
///
/// An image depends on the seed, the index and the size alone, and has the same bytes on every platform. Two
/// sizes of one aspect ratio show the same scene at two resolutions.
///
/// At the default size an image shows 4 to 21 meters of street from bottom to top, so that a random 128 x 128
/// crop keeps several windows around a hidden quarter.
///
/// # Example
///
/// ```
/// use context_encoder_data::Facades;
///
/// let facades = Facades::new(7);
/// let image = facades.image(1_000_000);
/// assert_eq!(image.dimensions(), (Facades::WIDTH, Facades::HEIGHT));
/// assert_eq!(image, Facades::new(7).image(1_000_000));
/// assert_ne!(image, facades.image(1_000_001));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facades {
    seed: u64,
    subject: Subject,
    width: u32,
    height: u32,
}

/// What the images show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    /// Fronts of houses.
    Fronts,
    /// All that is seen in a street.
    Streets,
}

impl Facades {
    /// Width of an image unless [`with_size`](Self::with_size) sets another, in pixels.
    pub const WIDTH: u32 = 192;
    /// Height of an image unless [`with_size`](Self::with_size) sets another, in pixels.
    pub const HEIGHT: u32 = 160;
    /// Shortest side an image may have, in pixels.
    pub const MIN_SIDE: u32 = 16;
    /// Largest ratio of the longer side to the shorter.
    pub const MAX_ASPECT: u32 = 8;

    /// The dataset of this seed. Other seeds give other images at every index.
    pub fn new(seed: u64) -> Self {
        Self { seed, subject: Subject::Fronts, width: Self::WIDTH, height: Self::HEIGHT }
    }

    /// Streets of this seed: the same houses and modern ones, from the front, at an angle and along the
    /// street, with signs on their walls and trees, vehicles, people, lamps and railings before them, by
    /// cameras that expose, sharpen and blur differently. Closer to photographs than [`new`](Self::new),
    /// for pretraining.
    ///
    /// # Example
    ///
    /// ```
    /// use context_encoder_data::Facades;
    ///
    /// let streets = Facades::streets(7).with_size(64, 48);
    /// assert_eq!(streets.image(3), Facades::streets(7).with_size(64, 48).image(3));
    /// assert_ne!(streets.image(3), Facades::new(7).with_size(64, 48).image(3));
    /// ```
    pub fn streets(seed: u64) -> Self {
        Self { subject: Subject::Streets, ..Self::new(seed) }
    }

    /// Sets the size of the images, in pixels.
    ///
    /// # Panics
    ///
    /// If a side is shorter than [`MIN_SIDE`](Self::MIN_SIDE), or one is more than
    /// [`MAX_ASPECT`](Self::MAX_ASPECT) times the other.
    #[must_use]
    pub fn with_size(self, width: u32, height: u32) -> Self {
        let (short, long) = (width.min(height), width.max(height));
        assert!(
            short >= Self::MIN_SIDE && long.div_ceil(short) <= Self::MAX_ASPECT,
            "a facade has sides of at least {} pixels, one at most {} times the other; got {width} x {height}",
            Self::MIN_SIDE,
            Self::MAX_ASPECT,
        );
        Self { width, height, ..self }
    }

    /// Draws image `index`; every index has one.
    pub fn image(&self, index: u64) -> RgbImage {
        let aspect = self.width as f32 / self.height as f32;
        let mut rng = FacadeRng::new(self.seed, index);
        if self.subject == Subject::Streets {
            return street::draw(&mut rng, self.width, self.height);
        }
        let camera = Camera::sample(&mut rng, aspect);
        let scene = Scene::sample(&mut rng, camera.extent(aspect));
        let mut canvas = scene.draw(self.height);
        camera.blur(&mut canvas);
        camera.render(&canvas, self.width, self.height)
    }

    /// A dataset to train on: `len` new facades in every epoch.
    ///
    /// # Example
    ///
    /// ```
    /// use context_encoder_data::{Facades, ImageDataset};
    ///
    /// let facades = Facades::new(1).with_size(64, 48);
    /// let (training, validation) = (facades.clone().training(1000), facades.validation(100));
    /// assert_eq!((training.len(), validation.len()), (1000, 100));
    /// assert_ne!(training.image(0, 5)?, training.image(1, 5)?);
    /// assert_eq!(validation.image(0, 5)?, validation.image(1, 5)?);
    /// # Ok::<(), context_encoder_data::DataError>(())
    /// ```
    pub fn training(self, len: usize) -> impl ImageDataset {
        FacadeDataset { facades: self, len, validation: false }
    }

    /// A dataset to validate on: the same `len` facades in every epoch, disjoint from those of
    /// [`training`](Self::training).
    pub fn validation(self, len: usize) -> impl ImageDataset {
        FacadeDataset { facades: self, len, validation: true }
    }
}

/// Facades drawn on demand.
struct FacadeDataset {
    facades: Facades,
    len: usize,
    validation: bool,
}

impl FacadeDataset {
    /// Facades from this number on are for validation.
    const VALIDATION_START: u64 = 1 << 63;

    /// The number of the facade at `index` of `epoch`.
    fn number(&self, epoch: u64, index: usize) -> u64 {
        if self.validation {
            return Self::VALIDATION_START + index as u64;
        }
        epoch.wrapping_mul(self.len as u64).wrapping_add(index as u64) % Self::VALIDATION_START
    }
}

impl ImageDataset for FacadeDataset {
    fn len(&self) -> usize {
        self.len
    }

    fn image(&self, epoch: u64, index: usize) -> Result<RgbImage, DataError> {
        Ok(self.facades.image(self.number(epoch, index)))
    }

    fn same_every_epoch(&self) -> bool {
        self.validation
    }

    fn name(&self, index: usize) -> String {
        if self.validation { format!("validation facade {index}") } else { format!("facade {index}") }
    }
}
