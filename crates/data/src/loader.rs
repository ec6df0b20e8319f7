//! Batches of images and masks, made ahead by threads, the same for any number of threads.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use context_encoder_mask::{Mask, MaskGenerator};
use image::RgbImage;
use serde::{Deserialize, Serialize};

use crate::dataset::{Skipped, SkippedLog};
use crate::image_cache::{CacheStats, ImageCache};
use crate::prefetch::Prefetch;
use crate::{DataError, ImageDataset, Purpose, Sample, Sampler, Transform, rng_for};

/// How many other images are tried in the place of one that cannot be read.
const REPLACEMENTS: usize = 16;

/// How images become batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoaderConfig {
    /// Images in a batch (default 64, as in the paper's code).
    pub batch_size: usize,
    /// Decides order, crops, flips and masks (default 0).
    pub seed: u64,
    /// Threads that read images; 0 reads in the calling thread (default 2). Never changes a batch.
    pub workers: usize,
    /// Finished batches that may wait for the consumer, beside the one that each thread works on (default
    /// 4).
    pub prefetch: usize,
    /// Memory for decoded images, in MiB, so that later epochs need not decode them again; 0 keeps none
    /// (default 1024). Used only where images are the [same in every
    /// epoch](ImageDataset::same_every_epoch). When they do not all fit, the first to come are kept.
    /// Never changes a batch.
    pub cache_mib: u64,
    /// How an image becomes the square that the network sees (default [`Transform::training`]).
    pub transform: Transform,
    /// The order of the images in an epoch (default shuffled).
    pub sampler: Sampler,
    /// Whether the last images of an epoch are left out where they do not fill a batch (default true): for
    /// training, where batch norm wants full batches, and shuffling leaves out others in the next epoch.
    /// For evaluation they make a smaller batch, so that each image counts once.
    pub drop_last: bool,
    /// Which images share a mask (default none).
    pub mask_sharing: MaskSharing,
    /// Whether the first image that cannot be read stops the loader (default false); otherwise it is
    /// reported, and another image takes its place.
    pub strict: bool,
}

/// Which images share a mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MaskSharing {
    /// Each image has its own (the paper).
    #[default]
    EachPicture,
    /// All images of a batch have the same (the authors' code).
    EachBatch,
}

impl Default for LoaderConfig {
    fn default() -> Self {
        Self {
            batch_size: 64,
            seed: 0,
            workers: 2,
            prefetch: 4,
            cache_mib: 1024,
            transform: Transform::training(),
            sampler: Sampler::default(),
            drop_last: true,
            mask_sharing: MaskSharing::default(),
            strict: false,
        }
    }
}

/// Makes batches from a dataset of images and a generator of masks.
///
/// A batch is a pure function of (images, masks, settings, step): each random decision has its own
/// [random stream](rng_for), keyed by seed, epoch and image. So batches are the same for any number of
/// threads, and a run resumes from any step with the batches that it would have seen. Steps are counted from
/// the beginning of the run: step `s` is batch `s % steps_per_epoch` of epoch `s / steps_per_epoch`.
///
/// # Examples
/// ```
/// use std::sync::Arc;
///
/// use context_encoder_data::{Folder, FolderOptions, Loader, LoaderConfig};
/// use context_encoder_mask::Central;
///
/// # let folder = tempfile::tempdir()?;
/// # for name in ["a.png", "b.png", "c.png", "d.png", "e.png"] {
/// #     image::RgbImage::new(40, 30).save(folder.path().join(name))?;
/// # }
/// let images = Folder::open(folder.path(), FolderOptions::default())?;
/// let config = LoaderConfig { batch_size: 2, seed: 7, ..LoaderConfig::default() };
/// let loader = Loader::new(Arc::new(images), Arc::new(Central::new(7)), config)?;
/// assert_eq!(loader.steps_per_epoch(), 2);
///
/// for batch in loader.run(0).take(3) {
///     let batch = batch?;
///     assert_eq!(batch.len(), 2);
///     assert_eq!(batch[0].image.dimensions(), (128, 128));
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Loader {
    dataset: Arc<dyn ImageDataset>,
    masks: Arc<dyn MaskGenerator>,
    config: LoaderConfig,
    cache: Arc<ImageCache>,
    skipped: Arc<SkippedLog>,
}

impl Loader {
    /// Puts images, masks and settings together. Reads nothing yet.
    ///
    /// # Errors
    /// [`DataError::Settings`] when the settings yield no batch.
    pub fn new(
        dataset: Arc<dyn ImageDataset>,
        masks: Arc<dyn MaskGenerator>,
        config: LoaderConfig,
    ) -> Result<Self, DataError> {
        config.transform.validate()?;
        let fail = |reason: String| Err(DataError::Settings { reason });
        let (batch_size, images) = (config.batch_size, dataset.len());
        if batch_size == 0 {
            return fail("`batch_size` is 0, the usual one is 64".to_owned());
        }
        if images == 0 {
            return fail("there are no pictures: give the loader a dataset with at least one".to_owned());
        }
        if config.drop_last && images < batch_size {
            return fail(format!(
                "{images} pictures do not fill one batch of {batch_size}: give more pictures or lower `batch_size`"
            ));
        }
        let memory = if dataset.same_every_epoch() { config.cache_mib.saturating_mul(1 << 20) } else { 0 };
        let cache = Arc::new(ImageCache::new(images, memory));
        Ok(Self { dataset, masks, config, cache, skipped: Arc::default() })
    }

    /// Calls `listener` for each image that cannot be read when it is met for the first time, in whatever
    /// thread meets it.
    ///
    /// Forgets what was reported before, so call it right after [`new`](Self::new).
    #[must_use]
    pub fn on_skipped(mut self, listener: impl Fn(&Skipped) + Send + Sync + 'static) -> Self {
        self.skipped = Arc::new(SkippedLog::with_listener(listener));
        self
    }

    /// How many batches an epoch has; at least one.
    #[must_use]
    pub fn steps_per_epoch(&self) -> u64 {
        let (images, batch_size) = (self.dataset.len(), self.config.batch_size);
        let steps = if self.config.drop_last { images / batch_size } else { images.div_ceil(batch_size) };
        steps as u64
    }

    /// The unreadable images met so far, each once, in the order of the dataset.
    #[must_use]
    pub fn skipped(&self) -> Vec<Skipped> {
        self.skipped.list()
    }

    /// The decoded images in memory, shared by the loader's clones and iterators; their bytes never exceed
    /// [`cache_mib`](LoaderConfig::cache_mib).
    #[must_use]
    pub fn cache_stats(&self) -> CacheStats {
        self.cache.stats()
    }

    /// The batch of a step, made in the calling thread.
    ///
    /// # Errors
    /// When [strict](LoaderConfig::strict), the first unreadable image's error; otherwise
    /// [`DataError::NoGoodPicture`] when an unreadable image's replacements are all unreadable.
    pub fn batch(&self, step: u64) -> Result<Vec<Sample>, DataError> {
        let never = AtomicBool::new(false);
        Ok(self.make(step, &never)?.unwrap_or_else(|| unreachable!("nothing sets the flag")))
    }

    /// All batches from a step on, without end: epoch follows epoch. Up to [`workers`](LoaderConfig::workers)
    /// threads make them ahead.
    ///
    /// An error, or a panic in the dataset or the mask generator, comes out as an `Err` in its place and is
    /// the last item. Dropping the iterator stops its threads after the image each of them is reading.
    pub fn run(&self, from: u64) -> impl Iterator<Item = Result<Vec<Sample>, DataError>> + use<> {
        self.batches(from..u64::MAX)
    }

    /// The batches of one epoch, as [`run`](Self::run) makes them.
    pub fn epoch(&self, epoch: u64) -> impl Iterator<Item = Result<Vec<Sample>, DataError>> + use<> {
        let steps = self.steps_per_epoch();
        let first = epoch.saturating_mul(steps);
        self.batches(first..first.saturating_add(steps))
    }

    fn batches(&self, steps: Range<u64>) -> Prefetch<Vec<Sample>> {
        let LoaderConfig { workers, prefetch, .. } = self.config;
        let loader = self.clone();
        Prefetch::new(steps, workers, prefetch, move |step, stop: &AtomicBool| loader.make(step, stop))
    }

    /// The batch of a step, or `None` when `stop` is set meanwhile.
    fn make(&self, step: u64, stop: &AtomicBool) -> Result<Option<Vec<Sample>>, DataError> {
        let LoaderConfig { batch_size, seed, sampler, mask_sharing, .. } = self.config;
        let steps = self.steps_per_epoch();
        let (epoch, step) = (step / steps, step % steps);
        let shared_mask = match mask_sharing {
            MaskSharing::EachPicture => None,
            MaskSharing::EachBatch => Some(self.mask(Purpose::BatchMask, epoch, step)),
        };
        let (first, len) = (step as usize * batch_size, self.dataset.len());
        let positions = first..(first + batch_size).min(len);
        let mut samples = Vec::with_capacity(batch_size);
        for index in sampler.indices(positions, seed, epoch, len, self.dataset.shard_starts()) {
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            samples.push(self.sample(epoch, index, shared_mask.as_ref())?);
        }
        Ok(Some(samples))
    }

    fn sample(&self, epoch: u64, index: usize, shared: Option<&Mask>) -> Result<Sample, DataError> {
        let LoaderConfig { seed, transform, .. } = self.config;
        let (name, image) = self.readable_image(epoch, index)?;
        let image = transform.crop(&image, &mut rng_for(seed, Purpose::Crop, epoch, index as u64));
        let mask = match shared {
            Some(mask) => mask.clone(),
            None => self.mask(Purpose::Mask, epoch, index as u64),
        };
        Ok(Sample { name, image, mask })
    }

    fn mask(&self, purpose: Purpose, epoch: u64, index: u64) -> Mask {
        let size = self.config.transform.size();
        self.masks.generate(size, size, &mut rng_for(self.config.seed, purpose, epoch, index))
    }

    /// Image `index`, ready to be cropped; decoded only if it is not in the cache.
    fn prepared(&self, epoch: u64, index: usize) -> Result<Cow<'_, RgbImage>, DataError> {
        let transform = &self.config.transform;
        self.cache.get_or(index, || self.dataset.image(epoch, index).map(|image| transform.prepare(image)))
    }

    /// Image `index`, or the first readable one of its replacements, with its name.
    fn readable_image(&self, epoch: u64, index: usize) -> Result<(String, Cow<'_, RgbImage>), DataError> {
        let error = match self.prepared(epoch, index) {
            Ok(image) => return Ok((self.dataset.name(index), image)),
            Err(error) if self.config.strict => return Err(error),
            Err(error) => error,
        };
        let name = self.dataset.name(index);
        let wanted = Skipped::new(name.clone(), error);
        self.skipped.add(index, &wanted);

        let candidates = self.replacements(epoch, index);
        let tries = candidates.len();
        for candidate in candidates {
            let name = self.dataset.name(candidate);
            match self.prepared(epoch, candidate) {
                Ok(image) => return Ok((name, image)),
                Err(error) => self.skipped.add(candidate, &Skipped::new(name, error)),
            }
        }
        Err(DataError::NoGoodPicture { name, tries, source: wanted.error })
    }

    /// Other images in a random order that depends on (seed, epoch, index), at most [`REPLACEMENTS`].
    fn replacements(&self, epoch: u64, index: usize) -> Vec<usize> {
        let len = self.dataset.len();
        let mut rng = rng_for(self.config.seed, Purpose::Replacement, epoch, index as u64);
        let drawn = rand::seq::index::sample(&mut rng, len, len.min(REPLACEMENTS + 1));
        drawn.into_iter().filter(|&candidate| candidate != index).take(REPLACEMENTS).collect()
    }
}

impl fmt::Debug for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loader")
            .field("images", &self.dataset.len())
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
