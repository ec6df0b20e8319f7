//! Images in tar files, as WebDataset packs them.

mod index;
mod left_out;
mod tar_file;
#[cfg(test)]
mod tests;

use std::{
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use image::RgbImage;
use lru::LruCache;
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use crate::{
    DataError, Folder, ImageDataset, Limits,
    dataset::fingerprint,
    decode::{claims_to_be_a_picture, decode_bytes},
    sampler::SHARDS_MIXED,
};
use index::Index;
use left_out::LeftOut;
use tar_file::{Listing, PackedSample};

pub(crate) use tar_file::is_named_as_tar;

/// How many shards' listings stay in memory: those that a shuffled order reads from at a time, the next ones,
/// and some more.
const LISTINGS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(3 * SHARDS_MIXED - 1);

/// Images in shards: tar files whose members are grouped into samples by name, as [WebDataset] packs them.
///
/// A hundred million files are slow to list and slower to read in random order; a hundred thousand tar files
/// are neither. A shard is listed when an image of it is read, so memory grows with the number of shards and
/// the size of one, not with the number of images.
///
/// - **A sample** is what members next to each other share up to the first dot of their name: `a/07.jpg` and
///   `a/07.json` are one. Its image is the member whose content is JPEG, PNG, WebP, BMP or TIFF; of several
///   the one with a single extension (`07.jpg` before `07.depth.png`). A sample without one counts as an
///   unreadable image.
/// - **Order**: shards by name, samples as they lie in them. A [`Loader`](crate::Loader) shuffles shards, and
///   images within some shards at a time ([`Sampler`](crate::Sampler)).
/// - **Counting**: each shard is listed once when it is opened, by all cores, unless an `index.json` beside
///   the shards gives the number of samples of each (WIDS's format: `{"shardlist": [{"url": "000.tar",
///   "nsamples": 1000}, ...]}`). If a shard turns out to hold another number, all its images are unreadable.
/// - **Compressed** tar files are an error, as they cannot be read from the middle.
///
/// [WebDataset]: https://github.com/webdataset/webdataset
#[derive(Debug, Clone)]
pub struct Shards {
    opened: Arc<Opened>,
    split: Split,
    /// The index in this split of each shard's first image, then the number of all images.
    starts: Vec<usize>,
}

/// What the parts of a split share.
#[derive(Debug)]
struct Opened {
    shards: Vec<Shard>,
    limits: Limits,
    /// Of the shards that were listed when they were opened.
    left_out: LeftOut,
    /// The listings of shards that were read lately, or why there is none, by the shard's number.
    listings: Mutex<LruCache<usize, Arc<Result<Listing, String>>>>,
}

#[derive(Debug)]
struct Shard {
    name: String,
    path: PathBuf,
    /// Its length.
    bytes: u64,
    samples: usize,
    /// How many samples all shards before it have.
    start: usize,
}

/// Which of all samples. The variants' names are part of [`Shards::fingerprint`], which checkpoints hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Split {
    Whole,
    Training,
    Validation,
}

impl Shards {
    /// Counts the samples of all shards in a folder, or of the one that `path` names.
    ///
    /// # Errors
    /// [`DataError::FolderMissing`], [`DataError::NoPictures`] when there is no tar file or no sample in any,
    /// [`DataError::Shard`] when one is damaged or compressed, or when the index cannot be right.
    ///
    /// # Examples
    /// ```
    /// use context_encoder_data::{ImageDataset, Limits, Shards};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let mut shard = tar::Builder::new(std::fs::File::create(folder.path().join("000.tar"))?);
    /// # for i in 0..40 {
    /// #     let mut png = std::io::Cursor::new(Vec::new());
    /// #     image::RgbImage::new(32, 32).write_to(&mut png, image::ImageFormat::Png)?;
    /// #     let mut header = tar::Header::new_gnu();
    /// #     header.set_size(png.get_ref().len() as u64);
    /// #     shard.append_data(&mut header, format!("{i:03}.png"), png.get_ref().as_slice())?;
    /// # }
    /// # shard.finish()?;
    /// let images = Shards::open(folder.path(), Limits::default())?;
    /// assert_eq!((images.len(), images.name(7)), (40, "000.tar/007.png".to_owned()));
    /// assert_eq!(images.image(0, 7)?.dimensions(), (32, 32));
    /// let (training, validation) = images.split();
    /// assert_eq!((training.len(), validation.len()), (38, 2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open(path: impl AsRef<Path>, limits: Limits) -> Result<Self, DataError> {
        let path = path.as_ref();
        let mut files = tar_file::find(path)?;
        files.sort_unstable();
        let index = if path.is_dir() { Index::read(&path.join(index::FILE))? } else { Index::default() };
        let open = |(name, path): (String, PathBuf)| Shard::open(name, path, &index);
        let opened = files.into_par_iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let (mut shards, mut left_out) = (Vec::with_capacity(opened.len()), LeftOut::default());
        for (shard, of_shard) in opened {
            left_out.append(of_shard, &shard.name);
            shards.push(shard);
        }
        for name in index.names().filter(|&name| shards.iter().all(|shard| shard.name != *name)) {
            left_out.missing_shards.add(|| name.clone());
        }
        let mut start = 0;
        for shard in &mut shards {
            shard.start = start;
            start = start.checked_add(shard.samples).ok_or_else(|| {
                shard.damaged("it and those before it claim more samples than can be counted".to_owned())
            })?;
        }
        if start == 0 {
            let reasons = "; no tar file in it holds a sample, a member called KEY.ENDING".to_owned();
            return Err(DataError::NoPictures { path: path.to_owned(), skipped: 0, reasons });
        }
        let listings = Mutex::new(LruCache::new(LISTINGS));
        Ok(Self::part(Arc::new(Opened { shards, limits, left_out, listings }), Split::Whole))
    }

    /// What lies in the folder and is in no sample, a sentence for each kind: sparse files and links, images
    /// beside the image of their sample, files of an archive that was appended to a shard, shards that the
    /// index names and that are not there. Shards whose samples the index counts are not looked into.
    #[must_use]
    pub fn remarks(&self) -> Vec<String> {
        self.opened.left_out.remarks()
    }

    /// Whether a folder is one of shards: whether it holds tar files, and neither pictures nor folders beside
    /// them.
    #[must_use]
    pub fn are_in(path: &Path) -> bool {
        let besides = |entry: fs::DirEntry| {
            let path = entry.path();
            let hidden = entry.file_name().to_string_lossy().starts_with('.');
            let is_folder =
                || entry.file_type().is_ok_and(|kind| kind.is_dir() || (kind.is_symlink() && path.is_dir()));
            !hidden && (claims_to_be_a_picture(&path) || (!is_named_as_tar(&path) && is_folder()))
        };
        let alone = || fs::read_dir(path).is_ok_and(|mut entries| !entries.any(|e| e.is_ok_and(besides)));
        tar_file::find(path).is_ok_and(|files| !files.is_empty()) && (path.is_file() || alone())
    }

    /// Splits into (training, validation): in order, the first of every
    /// [`VALIDATION_EVERY`](Folder::VALIDATION_EVERY) samples is for validation, as in [`Folder::split`]; one
    /// that is added or removed shifts it.
    #[must_use]
    pub fn split(&self) -> (Self, Self) {
        let part = |split| Self::part(self.opened.clone(), split);
        (part(Split::Training), part(Split::Validation))
    }

    fn part(opened: Arc<Opened>, split: Split) -> Self {
        let ends = opened.shards.last().map(|shard| shard.start + shard.samples);
        let starts = opened.shards.iter().map(|shard| shard.start).chain(ends).map(|start| split.len(start));
        Self { starts: starts.collect(), opened, split }
    }

    /// The number of the shard that holds image `index`, and the image's position in it.
    fn locate(&self, index: usize) -> (usize, usize) {
        assert!(index < self.len(), "picture {index} of {}", self.len());
        let sample = self.split.sample(index);
        // Of shards that begin at the same number all but the last are empty.
        let shard = self.opened.shards.partition_point(|shard| shard.start <= sample) - 1;
        (shard, sample - self.opened.shards[shard].start)
    }
}

impl Opened {
    /// What a shard holds; read now unless it was lately.
    fn listing(&self, number: usize) -> Result<Arc<Result<Listing, String>>, DataError> {
        let listings = || self.listings.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(listing) = listings().get(&number) {
            return Ok(listing.clone());
        }
        let shard = &self.shards[number];
        let listing = match tar_file::list(&shard.path) {
            Ok(listing) if listing.samples.len() != shard.samples => Err(format!(
                "it holds {} samples where {} were expected; if there is an {}, make it anew or remove it",
                listing.samples.len(),
                shard.samples,
                index::FILE
            )),
            Ok(listing) => Ok(listing),
            Err(DataError::Shard { reason, .. }) => Err(reason),
            // It may be readable the next time.
            Err(error) => return Err(error),
        };
        let listing = Arc::new(listing);
        listings().put(number, listing.clone());
        Ok(listing)
    }
}

impl ImageDataset for Shards {
    fn len(&self) -> usize {
        self.starts.last().copied().unwrap_or(0)
    }

    fn image(&self, _epoch: u64, index: usize) -> Result<RgbImage, DataError> {
        let (number, position) = self.locate(index);
        let listing = self.opened.listing(number)?;
        let shard = &self.opened.shards[number];
        let listing = listing.as_ref().as_ref().map_err(|reason| shard.damaged(reason.clone()))?;
        let sample = &listing.samples[position];
        let name = PathBuf::from(format!("{}/{}", shard.path.display(), sample.name()));
        match sample {
            PackedSample::Image(member) => {
                let limits = &self.opened.limits;
                decode_bytes(member.read(&shard.path, &name, limits)?, &name, limits)
            }
            PackedSample::NoImage { .. } => {
                let reason = "none of the sample's members is a JPEG, PNG, WebP, BMP or TIFF".to_owned();
                Err(DataError::NotAPicture { path: name, reason })
            }
        }
    }

    /// The shard's name and the member's; the sample's number where the shard cannot be read.
    fn name(&self, index: usize) -> String {
        let (number, position) = self.locate(index);
        let shard = &self.opened.shards[number].name;
        match self.opened.listing(number).as_deref() {
            Ok(Ok(listing)) => format!("{shard}/{}", listing.samples[position].name()),
            Ok(Err(_)) | Err(_) => format!("{shard}/sample {position}"),
        }
    }

    /// Of the shards' names, lengths and numbers of samples.
    fn fingerprint(&self) -> u64 {
        let split = self.split;
        let named = |shard: &Shard| format!("{split:?} {} {} {}", shard.name, shard.bytes, shard.samples);
        fingerprint(self.opened.shards.iter().map(named))
    }

    fn shard_starts(&self) -> &[usize] {
        &self.starts[..self.opened.shards.len()]
    }
}

impl Shard {
    fn open(name: String, path: PathBuf, index: &Index) -> Result<(Self, LeftOut), DataError> {
        let bytes = fs::metadata(&path).map_err(|source| DataError::Io { path: path.clone(), source })?.len();
        let counted = index.get(&name);
        let shard = Self { name, path, bytes, samples: 0, start: 0 };
        if tar_file::is_compressed(&shard.path) {
            let reason = "it is compressed, and shards are read from the middle; unpack it to a plain .tar";
            return Err(shard.damaged(reason.to_owned()));
        }
        let (samples, left_out) = match counted {
            None => {
                let Listing { samples, left_out } = tar_file::list(&shard.path)?;
                (samples.len(), left_out)
            }
            Some(counts) => {
                (counts.samples(bytes).map_err(|reason| shard.damaged(reason))?, LeftOut::default())
            }
        };
        Ok((Self { samples, ..shard }, left_out))
    }

    fn damaged(&self, reason: String) -> DataError {
        DataError::Shard { path: self.path.clone(), reason }
    }
}

impl Split {
    /// How many of the first `samples` are in this part.
    fn len(self, samples: usize) -> usize {
        let validation = samples.div_ceil(Folder::VALIDATION_EVERY);
        match self {
            Self::Whole => samples,
            Self::Training => samples - validation,
            Self::Validation => validation,
        }
    }

    /// The number among all samples of this part's sample `index`.
    fn sample(self, index: usize) -> usize {
        match self {
            Self::Whole => index,
            Self::Training => index + index / (Folder::VALIDATION_EVERY - 1) + 1,
            Self::Validation => index * Folder::VALIDATION_EVERY,
        }
    }
}
