//! Pictures in tar files, as WebDataset packs them.

mod index;
mod listing;

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use image::RgbImage;
use lru::LruCache;
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use crate::{DataError, Limits, PictureSource, VALIDATION_EVERY, decode::decode_bytes, source::fingerprint};
use listing::{Listing, Member, Sample};

/// What shards are called, and what they cannot be.
const PLAIN: &str = ".tar";
const COMPRESSED: [&str; 4] = [".tar.gz", ".tar.zst", ".tar.xz", ".tar.bz2"];

/// How many shards' listings stay in memory: those an order reads from at a time, and the next ones.
const LISTINGS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(47);

/// Pictures in shards: tar files whose members are grouped into samples by name, as [WebDataset] packs them.
///
/// A hundred million files are slow to list and slower to read in random order; a hundred thousand tar files are
/// neither. What a shard holds is read when a picture of it is asked for, so memory grows with the number of
/// shards, not of pictures.
///
/// - **A sample** is what members next to each other share up to the first dot of their name: `a/07.jpg` and
///   `a/07.json` are one. Its picture is the member whose content is JPEG, PNG, WebP, BMP or TIFF; of several the one
///   with a single ending (`07.jpg` before `07.depth.png`). A sample without one is a bad picture.
/// - **Order**: shards by name, samples as they lie in them. A [`Loader`](crate::Loader) shuffles shards, and
///   pictures within sixteen shards at a time ([`Order`](crate::Order)).
/// - **Counting**: each shard is listed once when it is opened, by all cores, unless an `index.json` beside the shards
///   tells how many samples each has (WIDS's format: `{"shardlist": [{"url": "000.tar", "nsamples": 1000}, ...]}`).
/// - **Compressed** tar files are refused, as they cannot be read from the middle.
///
/// [WebDataset]: https://github.com/webdataset/webdataset
#[derive(Debug, Clone)]
pub struct Shards {
    shards: Arc<[Shard]>,
    part: Part,
    /// The number of each shard's first picture, and after the last the number of all pictures.
    starts: Vec<usize>,
    listings: Arc<Listings>,
    limits: Limits,
}

/// What shards hold that were read lately, by number.
type Listings = Mutex<LruCache<usize, Arc<Listing>>>;

#[derive(Debug)]
struct Shard {
    name: String,
    path: PathBuf,
    samples: usize,
}

/// Which samples of every shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    All,
    Training,
    Validation,
}

impl Shards {
    /// Counts the samples of all shards in a folder, or of the one that `path` names.
    ///
    /// # Errors
    /// [`DataError::FolderMissing`], [`DataError::NoPictures`] when there is no tar file or no sample in any,
    /// [`DataError::Shard`] when one cannot be read as a tar file, or the index as an index.
    ///
    /// # Examples
    /// ```
    /// use context_encoder_data::{Limits, PictureSource, Shards};
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
    /// let pictures = Shards::open(folder.path(), Limits::default())?;
    /// assert_eq!((pictures.len(), pictures.name(7)), (40, "000.tar/007.png".to_owned()));
    /// assert_eq!(pictures.picture(0, 7)?.dimensions(), (32, 32));
    /// let (training, validation) = pictures.split();
    /// assert_eq!((training.len(), validation.len()), (38, 2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open(path: impl AsRef<Path>, limits: Limits) -> Result<Self, DataError> {
        let path = path.as_ref();
        let mut files = tar_files(path)?;
        files.sort_unstable();
        let told = if path.is_dir() { index::read(&path.join(index::FILE))? } else { index::Counts::new() };
        let open = |(name, path): (String, PathBuf)| {
            if !name.ends_with(PLAIN) {
                let reason =
                    "it is compressed, and shards are read from the middle; unpack it to a plain .tar";
                return Err(DataError::Shard { path, reason: reason.to_owned() });
            }
            let samples = match told.get(&name) {
                Some(&samples) => samples,
                None => list(&path)?.len(),
            };
            Ok(Shard { name, path, samples })
        };
        let shards = files.into_par_iter().map(open).collect::<Result<Vec<_>, DataError>>()?;
        let listings = Arc::new(Mutex::new(LruCache::new(LISTINGS)));
        let shards = Self::part(shards.into(), Part::All, limits, listings);
        if shards.is_empty() {
            let reasons = "; no tar file in it holds a sample, a member called KEY.ENDING".to_owned();
            return Err(DataError::NoPictures { path: path.to_owned(), refused: 0, reasons });
        }
        Ok(shards)
    }

    /// Whether a folder is one of shards: whether a tar file lies right in it.
    #[must_use]
    pub fn are_in(path: &Path) -> bool {
        tar_files(path).is_ok_and(|files| !files.is_empty())
    }

    /// Splits into (training, validation): of each shard, the first of every [`VALIDATION_EVERY`] samples is for
    /// validation.
    ///
    /// The split of a shard depends on nothing else, so shards may be added and removed.
    #[must_use]
    pub fn split(&self) -> (Self, Self) {
        let part = |part| Self::part(self.shards.clone(), part, self.limits, self.listings.clone());
        (part(Part::Training), part(Part::Validation))
    }

    fn part(shards: Arc<[Shard]>, part: Part, limits: Limits, listings: Arc<Listings>) -> Self {
        let mut starts = Vec::with_capacity(shards.len() + 1);
        let mut pictures = 0;
        for shard in shards.iter() {
            starts.push(pictures);
            pictures += part.of(shard.samples);
        }
        starts.push(pictures);
        Self { shards, part, starts, listings, limits }
    }

    /// The shard and the place in it of picture `index`.
    fn place(&self, index: usize) -> (usize, usize) {
        assert!(index < self.len(), "picture {index} of {}", self.len());
        // Of shards that begin at the same number all but the last are empty.
        let shard = self.starts.partition_point(|&start| start <= index) - 1;
        (shard, self.part.sample(index - self.starts[shard]))
    }

    /// What a shard holds; read now unless it was lately.
    fn listing(&self, shard: usize) -> Result<Arc<Listing>, DataError> {
        let listings = || self.listings.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(listing) = listings().get(&shard) {
            return Ok(listing.clone());
        }
        let listing = Arc::new(list(&self.shards[shard].path)?);
        listings().put(shard, listing.clone());
        Ok(listing)
    }

    fn read(&self, shard: &Path, name: &Path, member: &Member) -> Result<Vec<u8>, DataError> {
        let (bytes, max_bytes) = (member.size, self.limits.max_bytes);
        if bytes > max_bytes {
            return Err(DataError::TooMuchMemory { path: name.to_owned(), bytes, max_bytes });
        }
        let mut content = vec![0; usize::try_from(bytes).unwrap_or(usize::MAX)];
        let read = |content: &mut [u8]| -> io::Result<()> {
            let mut file = File::open(shard)?;
            file.seek(SeekFrom::Start(member.offset))?;
            file.read_exact(content)
        };
        read(&mut content).map_err(|source| DataError::Io { path: name.to_owned(), source })?;
        Ok(content)
    }
}

impl PictureSource for Shards {
    fn len(&self) -> usize {
        self.starts[self.shards.len()]
    }

    fn picture(&self, _epoch: u64, index: usize) -> Result<RgbImage, DataError> {
        let (shard, place) = self.place(index);
        let listing = self.listing(shard)?;
        let Shard { path, samples, .. } = &self.shards[shard];
        let Some(sample) = listing.get(place) else {
            let reason = format!(
                "it holds {} samples and {} says {samples}; make the index anew or remove it",
                listing.len(),
                index::FILE
            );
            return Err(DataError::Shard { path: path.clone(), reason });
        };
        let name = path.join(sample.name());
        match sample {
            Sample::Picture(member) => decode_bytes(self.read(path, &name, member)?, &name, &self.limits),
            Sample::Bad { reason, .. } => {
                Err(DataError::NotAPicture { path: name, reason: reason.to_string() })
            }
        }
    }

    /// The shard's name and the member's; the sample's number where the shard cannot be read.
    fn name(&self, index: usize) -> String {
        let (shard, place) = self.place(index);
        let listing = self.listing(shard).ok();
        match listing.as_ref().and_then(|listing| listing.get(place)) {
            Some(sample) => format!("{}/{}", self.shards[shard].name, sample.name()),
            None => format!("{}/sample {place}", self.shards[shard].name),
        }
    }

    /// Of the shards' names and numbers of samples.
    fn fingerprint(&self) -> u64 {
        let named = |shard: &Shard| format!("{} {}", shard.name, self.part.of(shard.samples));
        fingerprint(self.shards.iter().map(named))
    }

    fn shards(&self) -> &[usize] {
        &self.starts[..self.shards.len()]
    }
}

impl Part {
    /// How many of a shard's samples are in this part.
    fn of(self, samples: usize) -> usize {
        let validation = samples.div_ceil(VALIDATION_EVERY);
        match self {
            Self::All => samples,
            Self::Training => samples - validation,
            Self::Validation => validation,
        }
    }

    /// The place in a shard of the `number`-th sample of this part.
    fn sample(self, number: usize) -> usize {
        match self {
            Self::All => number,
            Self::Training => number + number / (VALIDATION_EVERY - 1) + 1,
            Self::Validation => number * VALIDATION_EVERY,
        }
    }
}

/// Name and path of the tar files right in a folder, compressed ones too, or of the one that `path` names.
fn tar_files(path: &Path) -> Result<Vec<(String, PathBuf)>, DataError> {
    let tar_file = |path: PathBuf| {
        let name = path.file_name()?.to_string_lossy().into_owned();
        let ending = name.find(".tar").map(|dot| &name[dot..]);
        let named = ending.is_some_and(|ending| ending == PLAIN || COMPRESSED.contains(&ending));
        (named && !name.starts_with('.') && path.is_file()).then_some((name, path))
    };
    if let Some(file) = tar_file(path.to_owned()) {
        return Ok(vec![file]);
    }
    if !path.is_dir() {
        return Err(DataError::FolderMissing { path: path.to_owned() });
    }
    let fail = |source| DataError::Io { path: path.to_owned(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(fail)? {
        files.extend(tar_file(entry.map_err(fail)?.path()));
    }
    Ok(files)
}

/// What a shard holds.
fn list(path: &Path) -> Result<Listing, DataError> {
    let file = File::open(path).map_err(|source| DataError::Io { path: path.to_owned(), source })?;
    listing::list(file).map_err(|error| {
        let reason = format!("{error}; copy or download it again");
        DataError::Shard { path: path.to_owned(), reason }
    })
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, io::Cursor};

    use context_encoder_mask::Central;
    use image::{ImageFormat, Rgb};
    use tempfile::TempDir;

    use super::*;
    use crate::{Loader, LoaderConfig, OnBadPicture, Position, View};

    /// A picture that tells its number.
    fn png(number: u8) -> Vec<u8> {
        let mut file = Cursor::new(Vec::new());
        let picture = RgbImage::from_pixel(20, 20, Rgb([number, 0, 0]));
        picture.write_to(&mut file, ImageFormat::Png).expect("a picture in memory");
        file.into_inner()
    }

    fn pack(folder: &TempDir, shard: &str, members: &[(&str, Vec<u8>)]) {
        let file = File::create(folder.path().join(shard)).expect("a file");
        let mut shard = tar::Builder::new(file);
        for (name, content) in members {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            shard.append_data(&mut header, name, content.as_slice()).expect("a member");
        }
        shard.finish().expect("an end");
    }

    /// Pictures `first..first + count` called by their numbers.
    fn pictures(first: u8, count: u8) -> Vec<(String, Vec<u8>)> {
        (first..first + count).map(|number| (format!("{number:03}.png"), png(number))).collect()
    }

    fn pack_pictures(folder: &TempDir, shard: &str, first: u8, count: u8) {
        let named = pictures(first, count);
        let members: Vec<_> = named.iter().map(|(name, png)| (name.as_str(), png.clone())).collect();
        pack(folder, shard, &members);
    }

    fn open(folder: &TempDir) -> Result<Shards, DataError> {
        Shards::open(folder.path(), Limits::default())
    }

    fn number(shards: &Shards, index: usize) -> u8 {
        shards.picture(0, index).expect("a picture").get_pixel(0, 0).0[0]
    }

    #[test]
    fn a_sample_is_what_shares_a_key_and_its_picture_what_is_one_by_content() {
        let folder = tempfile::tempdir().expect("a folder");
        let (text, long) = (b"{}".to_vec(), format!("{}/7.webp", "folder.with.dots/".repeat(12)));
        pack(
            &folder,
            "a.tar",
            &[
                ("__index.png__", png(89)),
                ("__meta__/1.png", png(90)),
                ("no-ending", png(91)),
                (".hidden.png", png(92)),
                ("1.depth.png", png(93)),
                ("1.json", text.clone()),
                ("1.png", png(1)),
                ("1.mask.png", png(94)),
                ("2.json", text.clone()),
                ("2.left.png", png(2)),
                ("3.jpg", text.clone()),
                ("3.txt", text),
                ("sub.folder/1.png", png(4)),
                (&long, png(5)),
            ],
        );
        let shards = open(&folder).expect("shards");
        let names: Vec<_> = (0..shards.len()).map(|index| shards.name(index)).collect();
        let long = format!("a.tar/{long}");
        assert_eq!(names, ["a.tar/1.png", "a.tar/2.left.png", "a.tar/3", "a.tar/sub.folder/1.png", &long]);
        assert_eq!([0, 1, 3, 4].map(|index| number(&shards, index)), [1, 2, 4, 5]);
        let error = shards.picture(0, 2).expect_err("no picture").to_string();
        assert!(error.ends_with("a.tar/3 is not a usable picture: none of the sample's members is a JPEG, PNG, WebP, BMP or TIFF"), "{error}");
    }

    #[test]
    fn shards_are_sorted_and_each_is_split() {
        let folder = tempfile::tempdir().expect("a folder");
        pack_pictures(&folder, "b.tar", 50, 21);
        pack_pictures(&folder, "a.tar", 0, 41);
        pack(&folder, "aa.tar", &[]);
        pack_pictures(&folder, "c.tar", 80, 1);
        fs::write(folder.path().join("notes.txt"), "nothing").expect("a file");
        let shards = open(&folder).expect("shards");
        let all: Vec<_> = (0..shards.len()).map(|index| number(&shards, index)).collect();
        assert_eq!(all, (0..41).chain(50..71).chain([80]).collect::<Vec<_>>());
        assert_eq!(shards.shards(), [0, 41, 41, 62]);

        let (training, validation) = shards.split();
        let numbers = |part: &Shards| (0..part.len()).map(|index| number(part, index)).collect::<Vec<_>>();
        assert_eq!(numbers(&validation), [0, 20, 40, 50, 70, 80]);
        let rest: BTreeSet<_> =
            all.into_iter().filter(|number| !numbers(&validation).contains(number)).collect();
        assert_eq!(numbers(&training), rest.into_iter().collect::<Vec<_>>());
        assert_eq!(training.name(0), "a.tar/001.png");
    }

    #[test]
    fn many_shards_are_read_in_any_order() {
        let folder = tempfile::tempdir().expect("a folder");
        for shard in 0..60 {
            pack_pictures(&folder, &format!("{shard:03}.tar"), shard * 3, 3);
        }
        let shards = open(&folder).expect("shards");
        for index in (0..180).rev().step_by(7).chain((0..180).step_by(5)) {
            assert_eq!(usize::from(number(&shards, index)), index);
        }
    }

    #[test]
    fn batches_are_the_same_for_any_number_of_workers_and_bad_pictures_are_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        for shard in 0..20 {
            pack_pictures(&folder, &format!("{shard:03}.tar"), shard * 5, 5);
        }
        pack(&folder, "bad.tar", &[("1.png", b"no picture".to_vec())]);
        let shards = Arc::new(open(&folder).expect("shards"));
        let batches = |workers, on_bad_picture| {
            let view = View::Whole { size: 16 };
            let config =
                LoaderConfig { batch_size: 8, workers, view, on_bad_picture, ..LoaderConfig::default() };
            let loader = Loader::new(shards.clone(), Arc::new(Central::new(0)), config).expect("a loader");
            let steps = loader.steps_per_epoch() as usize * 2;
            let run = loader.run(Position::default()).take(steps);
            run.collect::<Result<Vec<_>, _>>()
        };
        let [none, some] = [0, 3].map(|workers| batches(workers, OnBadPicture::Skip).expect("batches"));
        let pixels = |batches: &[crate::HostBatch]| {
            let samples = batches.iter().flat_map(|batch| &batch.samples);
            samples.map(|sample| sample.image.get_pixel(0, 0).0[0]).collect::<Vec<_>>()
        };
        assert_eq!(pixels(&none), pixels(&some));
        // 101 pictures make twelve batches of 8: nearly all are seen in two epochs.
        let seen: BTreeSet<_> = pixels(&none).into_iter().collect();
        assert!(seen.len() > 95, "{} of 100", seen.len());
        assert!(batches(2, OnBadPicture::Stop).is_err());
    }

    #[test]
    fn an_index_is_believed_until_a_shard_says_otherwise() {
        let folder = tempfile::tempdir().expect("a folder");
        pack_pictures(&folder, "a.tar", 0, 3);
        pack_pictures(&folder, "b.tar", 10, 2);
        let index = |text: &str| fs::write(folder.path().join("index.json"), text).expect("a file");
        index(
            r#"{"wids_version": 1, "shardlist": [{"url": "https://somewhere/a.tar", "nsamples": 5, "filesize": 9}]}"#,
        );
        let shards = open(&folder).expect("shards");
        assert_eq!((shards.len(), shards.shards()), (7, [0, 5].as_slice()));
        assert_eq!([2, 5].map(|index| number(&shards, index)), [2, 10]);
        assert_eq!(shards.name(4), "a.tar/sample 4");
        let error = shards.picture(0, 4).expect_err("no such sample").to_string();
        assert!(error.contains("holds 3 samples and index.json says 5"), "{error}");

        index("[]");
        let error = open(&folder).expect_err("no index").to_string();
        assert!(error.contains("index.json") && error.contains("make it anew or remove it"), "{error}");
    }

    #[test]
    fn damaged_shards_are_named() {
        let folder = tempfile::tempdir().expect("a folder");
        pack_pictures(&folder, "a.tar", 0, 4);
        let path = folder.path().join("a.tar");
        let whole = fs::read(&path).expect("the shard");
        // Within the last picture: that one is lost.
        fs::write(&path, &whole[..whole.len() - 1024 - 512 + 10]).expect("a file");
        let shards = open(&folder).expect("three good pictures");
        assert_eq!((shards.len(), number(&shards, 2)), (4, 2));
        assert!(matches!(shards.picture(0, 3), Err(DataError::Io { .. })));
        // No tar file, but a compressed one or something else.
        for content in [b"\x1f\x8b\x08 compressed".repeat(200), b"plain text, ".repeat(500)] {
            fs::write(&path, content).expect("a file");
            let error = open(&folder).expect_err("no shard").to_string();
            assert!(error.contains("cannot use the shard") && error.contains("a.tar"), "{error}");
        }
        fs::write(&path, b"").expect("a file");
        assert!(matches!(open(&folder), Err(DataError::NoPictures { .. })));
        fs::remove_file(&path).expect("gone");
        assert!(!Shards::are_in(folder.path()));
        fs::write(folder.path().join("a.tar.gz"), b"").expect("a file");
        assert!(Shards::are_in(folder.path()));
        let error = open(&folder).expect_err("compressed").to_string();
        assert!(
            error.ends_with(
                "a.tar.gz: it is compressed, and shards are read from the middle; unpack it to a plain .tar"
            ),
            "{error}"
        );
        assert!(!Shards::are_in(&folder.path().join("a.jpg")));
        assert!(matches!(Shards::open(&path, Limits::default()), Err(DataError::FolderMissing { .. })));
    }
}
