//! Batches of pictures and masks, made ahead by threads, the same for any number of threads.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use context_encoder_mask::{Mask, MaskGenerator};
use image::RgbImage;

use crate::decoded_cache::{CacheStats, DecodedCache};
use crate::prefetch::Prefetch;
use crate::skipped::{Skipped, SkippedLog};
use crate::{
    DataError, HostBatch, LastBatch, LoaderConfig, MaskSharing, OnBadPicture, PictureSource, Position,
    Purpose, Sample, rng_for,
};

/// How many other pictures are tried in the place of a bad one.
const REPLACEMENTS: usize = 16;

/// Makes batches from a source of pictures and a generator of masks.
///
/// A batch is a pure function of (pictures, masks, settings, [`Position`]): each random decision has its own
/// [`stream`], keyed by seed, epoch and picture. So batches are the same for any number of threads, and a run
/// resumes from any position with the batches that it would have seen.
///
/// # Examples
/// ```
/// use std::sync::Arc;
///
/// use context_encoder_data::{Folder, FolderOptions, Loader, LoaderConfig, Position};
/// use context_encoder_mask::Central;
///
/// # let folder = tempfile::tempdir()?;
/// # for name in ["a.png", "b.png", "c.png", "d.png", "e.png"] {
/// #     image::RgbImage::new(40, 30).save(folder.path().join(name))?;
/// # }
/// let pictures = Folder::open(folder.path(), FolderOptions::default())?;
/// let config = LoaderConfig { batch_size: 2, seed: 7, ..LoaderConfig::default() };
/// let loader = Loader::new(Arc::new(pictures), Arc::new(Central::new(7)), config)?;
/// assert_eq!(loader.steps_per_epoch(), 2);
///
/// for batch in loader.run(Position::default()).take(3) {
///     let batch = batch?;
///     assert_eq!(batch.samples.len(), 2);
///     assert_eq!(batch.samples[0].image.dimensions(), (128, 128));
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Loader {
    source: Arc<dyn PictureSource>,
    masks: Arc<dyn MaskGenerator>,
    config: LoaderConfig,
    decoded: Arc<DecodedCache>,
    skipped_log: Arc<SkippedLog>,
}

impl Loader {
    /// Puts pictures, masks and settings together. Reads nothing yet.
    ///
    /// # Errors
    /// [`DataError::Settings`] when the settings yield no batch.
    pub fn new(
        source: Arc<dyn PictureSource>,
        masks: Arc<dyn MaskGenerator>,
        config: LoaderConfig,
    ) -> Result<Self, DataError> {
        config.view.validate()?;
        let fail = |reason: String| Err(DataError::Settings { reason });
        let (batch_size, pictures) = (config.batch_size, source.len());
        if batch_size == 0 {
            return fail("`batch_size` is 0, the usual one is 64".to_owned());
        }
        if pictures == 0 {
            return fail("there are no pictures: give the loader a source with at least one".to_owned());
        }
        if config.last_batch == LastBatch::Drop && pictures < batch_size {
            return fail(format!(
                "{pictures} pictures do not fill one batch of {batch_size}: lower `batch_size` or keep the last batch"
            ));
        }
        let memory = if source.same_every_epoch() { config.cache_mib.saturating_mul(1 << 20) } else { 0 };
        let decoded = Arc::new(DecodedCache::new(pictures, memory));
        Ok(Self { source, masks, config, decoded, skipped_log: Arc::default() })
    }

    /// Calls `listener` for each bad picture when it is met for the first time, in whatever thread meets it.
    ///
    /// Forgets what was reported before, so call it right after [`new`](Self::new).
    #[must_use]
    pub fn on_skipped(mut self, listener: impl Fn(&Skipped) + Send + Sync + 'static) -> Self {
        self.skipped_log = Arc::new(SkippedLog::with_listener(listener));
        self
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &LoaderConfig {
        &self.config
    }

    /// How many batches an epoch has; at least one.
    #[must_use]
    pub fn steps_per_epoch(&self) -> u64 {
        let (pictures, batch_size) = (self.source.len(), self.config.batch_size);
        let steps = match self.config.last_batch {
            LastBatch::Drop => pictures / batch_size,
            LastBatch::Keep => pictures.div_ceil(batch_size),
        };
        steps as u64
    }

    /// The bad pictures met so far, each once, in the order of the source.
    #[must_use]
    pub fn skipped(&self) -> Vec<Skipped> {
        self.skipped_log.list()
    }

    /// The decoded pictures in memory, shared by the loader's clones and iterators; their bytes never exceed
    /// [`cache_mib`](LoaderConfig::cache_mib).
    #[must_use]
    pub fn kept(&self) -> CacheStats {
        self.decoded.kept()
    }

    /// The batch at a position, made in the calling thread. A step beyond the epoch's last counts on into the
    /// epochs that follow.
    ///
    /// # Errors
    /// With [`OnBadPicture::Stop`] the first bad picture's error; with [`OnBadPicture::Skip`]
    /// [`DataError::NoGoodPicture`] when a bad picture's replacements are all bad.
    pub fn batch(&self, position: Position) -> Result<HostBatch, DataError> {
        let number = position.number(self.steps_per_epoch());
        let never = AtomicBool::new(false);
        Ok(self.make(number, &never)?.unwrap_or_else(|| unreachable!("nothing sets the flag")))
    }

    /// All batches from a position on, without end: epoch follows epoch.
    ///
    /// The iterator ends early only after an error, which is its last item. Dropping it stops its threads.
    #[must_use]
    pub fn run(&self, from: Position) -> Batches {
        self.batches(from.number(self.steps_per_epoch())..u64::MAX)
    }

    /// The batches of one epoch.
    #[must_use]
    pub fn epoch(&self, epoch: u64) -> Batches {
        let steps = self.steps_per_epoch();
        let first = Position { epoch, step: 0 }.number(steps);
        self.batches(first..first.saturating_add(steps))
    }

    fn batches(&self, numbers: Range<u64>) -> Batches {
        let LoaderConfig { workers, ahead, .. } = self.config;
        let loader = self.clone();
        let make = move |number, stop: &AtomicBool| loader.make(number, stop);
        Batches(Prefetch::new(numbers, workers, ahead, make))
    }

    /// Batch `number` of the run, or `None` when `stop` is set meanwhile.
    fn make(&self, number: u64, stop: &AtomicBool) -> Result<Option<HostBatch>, DataError> {
        let LoaderConfig { batch_size, seed, order, sharing, .. } = self.config;
        let position = Position::from_number(number, self.steps_per_epoch());
        let shared_mask = match sharing {
            MaskSharing::EachPicture => None,
            MaskSharing::EachBatch => Some(self.mask(Purpose::BatchMask, position.epoch, position.step)),
        };
        let first = position.step as usize * batch_size;
        let places = first..(first + batch_size).min(self.source.len());
        let mut samples = Vec::with_capacity(batch_size);
        for index in order.at(places, seed, position.epoch, self.source.as_ref()) {
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            samples.push(self.sample(position.epoch, index, shared_mask.as_ref())?);
        }
        Ok(Some(HostBatch { position, samples }))
    }

    fn sample(&self, epoch: u64, index: usize, shared: Option<&Mask>) -> Result<Sample, DataError> {
        let LoaderConfig { seed, view, .. } = self.config;
        let (name, picture) = self.good_picture(epoch, index)?;
        let image = view.cut(&picture, &mut rng_for(seed, Purpose::Crop, epoch, index as u64));
        let mask = match shared {
            Some(mask) => mask.clone(),
            None => self.mask(Purpose::Mask, epoch, index as u64),
        };
        Ok(Sample { name, image, mask })
    }

    fn mask(&self, purpose: Purpose, epoch: u64, index: u64) -> Mask {
        let size = self.config.view.size();
        self.masks.generate(size, size, &mut rng_for(self.config.seed, purpose, epoch, index))
    }

    /// Picture `index`, ready to be cut; decoded only if it is not kept from before.
    fn prepared(&self, epoch: u64, index: usize) -> Result<Cow<'_, RgbImage>, DataError> {
        let view = &self.config.view;
        self.decoded.get_or(index, || self.source.picture(epoch, index).map(|picture| view.prepare(picture)))
    }

    /// Picture `index`, or the first good one of those drawn from the slot's own stream, with its name.
    fn good_picture(&self, epoch: u64, index: usize) -> Result<(String, Cow<'_, RgbImage>), DataError> {
        let error = match self.prepared(epoch, index) {
            Ok(picture) => return Ok((self.source.name(index), picture)),
            Err(error) if self.config.on_bad_picture == OnBadPicture::Stop => return Err(error),
            Err(error) => error,
        };
        let name = self.source.name(index);
        let wanted = Skipped::new(name.clone(), error);
        self.skipped_log.add(index, &wanted);

        let candidates = self.replacements(epoch, index);
        let tries = candidates.len();
        for candidate in candidates {
            let name = self.source.name(candidate);
            match self.prepared(epoch, candidate) {
                Ok(picture) => return Ok((name, picture)),
                Err(error) => self.skipped_log.add(candidate, &Skipped::new(name, error)),
            }
        }
        Err(DataError::NoGoodPicture { name, tries, source: wanted.error })
    }

    /// Other pictures in a random order that depends on (seed, epoch, index), at most [`REPLACEMENTS`].
    fn replacements(&self, epoch: u64, index: usize) -> Vec<usize> {
        let len = self.source.len();
        let mut rng = rng_for(self.config.seed, Purpose::Replacement, epoch, index as u64);
        let drawn = rand::seq::index::sample(&mut rng, len, len.min(REPLACEMENTS + 1));
        drawn.into_iter().filter(|&candidate| candidate != index).take(REPLACEMENTS).collect()
    }
}

impl fmt::Debug for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loader")
            .field("pictures", &self.source.len())
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// Batches in the order of their positions; made by [`Loader::run`] and [`Loader::epoch`].
///
/// An error, or a panic in the picture source or the mask generator, comes out as an `Err` in its place and is
/// the last item. Dropping the iterator stops its threads after the picture each of them is reading.
pub struct Batches(Prefetch<HostBatch>);

impl Iterator for Batches {
    type Item = Result<HostBatch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}
