//! Pictures in tar files, as WebDataset packs them.

mod index;
mod listing;

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Read, Seek, SeekFrom},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use image::RgbImage;
use lru::LruCache;
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use crate::{
    DataError, Limits, PictureSource, VALIDATION_EVERY, decode::decode_bytes, order::TOGETHER,
    sniff::claims_to_be_a_picture, source::fingerprint,
};
use index::Index;
use listing::{Listing, Member, Sample};

/// What shards are called, and what they cannot be.
const PLAIN: &str = ".tar";
const COMPRESSED: [&str; 5] = [".tar.gz", ".tgz", ".tar.zst", ".tar.xz", ".tar.bz2"];

/// How many shards' listings stay in memory: those an order reads from at a time, the next ones, and some more.
const LISTINGS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(3 * TOGETHER - 1);

/// Pictures in shards: tar files whose members are grouped into samples by name, as [WebDataset] packs them.
///
/// A hundred million files are slow to list and slower to read in random order; a hundred thousand tar files are
/// neither. What a shard holds is read when a picture of it is asked for, so memory grows with the number of
/// shards and the size of one, not with the number of pictures.
///
/// - **A sample** is what members next to each other share up to the first dot of their name: `a/07.jpg` and
///   `a/07.json` are one. Its picture is the member whose content is JPEG, PNG, WebP, BMP or TIFF; of several the one
///   with a single ending (`07.jpg` before `07.depth.png`). A sample without one is a bad picture.
/// - **Order**: shards by name, samples as they lie in them. A [`Loader`](crate::Loader) shuffles shards, and
///   pictures within some shards at a time ([`Order`](crate::Order)).
/// - **Counting**: each shard is listed once when it is opened, by all cores, unless an `index.json` beside the shards
///   tells how many samples each has (WIDS's format: `{"shardlist": [{"url": "000.tar", "nsamples": 1000}, ...]}`).
///   A shard that turns out to hold another number is bad as a whole.
/// - **Compressed** tar files are refused, as they cannot be read from the middle.
///
/// [WebDataset]: https://github.com/webdataset/webdataset
#[derive(Debug, Clone)]
pub struct Shards {
    all: Arc<All>,
    part: Part,
    /// The number in this part of each shard's first picture, and after the last the number of all pictures.
    starts: Vec<usize>,
}

/// What the parts of a split share.
#[derive(Debug)]
struct All {
    shards: Vec<Shard>,
    limits: Limits,
    /// What shards hold that were read lately, or why they cannot be, by number.
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

/// Which of all samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
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
        let index = if path.is_dir() { Index::read(&path.join(index::FILE))? } else { Index::default() };
        let open = |(name, path): (String, PathBuf)| Shard::open(name, path, &index);
        let mut shards = files.into_par_iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let mut start = 0;
        for shard in &mut shards {
            shard.start = start;
            start = start.checked_add(shard.samples).ok_or_else(|| {
                shard.damaged("it and those before it claim more samples than can be counted".to_owned())
            })?;
        }
        if start == 0 {
            let reasons = "; no tar file in it holds a sample, a member called KEY.ENDING".to_owned();
            return Err(DataError::NoPictures { path: path.to_owned(), refused: 0, reasons });
        }
        let listings = Mutex::new(LruCache::new(LISTINGS));
        Ok(Self::part(Arc::new(All { shards, limits, listings }), Part::Whole))
    }

    /// Whether a folder is one of shards: whether it holds tar files, and neither pictures nor folders beside them.
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
        tar_files(path).is_ok_and(|files| !files.is_empty()) && (path.is_file() || alone())
    }

    /// Splits into (training, validation): in order, the first of every [`VALIDATION_EVERY`] samples is for
    /// validation, as in [`Folder::split`](crate::Folder::split); one that is added or removed shifts it.
    #[must_use]
    pub fn split(&self) -> (Self, Self) {
        (Self::part(self.all.clone(), Part::Training), Self::part(self.all.clone(), Part::Validation))
    }

    fn part(all: Arc<All>, part: Part) -> Self {
        let ends = all.shards.last().map(|shard| shard.start + shard.samples);
        let starts = all.shards.iter().map(|shard| shard.start).chain(ends).map(|start| part.of(start));
        Self { starts: starts.collect(), all, part }
    }

    /// The shard and the place in it of picture `index`.
    fn place(&self, index: usize) -> (usize, usize) {
        assert!(index < self.len(), "picture {index} of {}", self.len());
        let sample = self.part.sample(index);
        // Of shards that begin at the same number all but the last are empty.
        let shard = self.all.shards.partition_point(|shard| shard.start <= sample) - 1;
        (shard, sample - self.all.shards[shard].start)
    }
}

impl All {
    /// What a shard holds; read now unless it was lately.
    fn listing(&self, number: usize) -> Result<Arc<Result<Listing, String>>, DataError> {
        let listings = || self.listings.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(listing) = listings().get(&number) {
            return Ok(listing.clone());
        }
        let shard = &self.shards[number];
        let listing = match list(&shard.path) {
            Ok(listing) if listing.len() != shard.samples => Err(format!(
                "it holds {} samples where {} were expected; if there is an {}, make it anew or remove it",
                listing.len(),
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

impl PictureSource for Shards {
    fn len(&self) -> usize {
        self.starts.last().copied().unwrap_or(0)
    }

    fn picture(&self, _epoch: u64, index: usize) -> Result<RgbImage, DataError> {
        let (number, place) = self.place(index);
        let listing = self.all.listing(number)?;
        let shard = &self.all.shards[number];
        let listing = listing.as_ref().as_ref().map_err(|reason| shard.damaged(reason.clone()))?;
        let sample = &listing[place];
        let name = PathBuf::from(format!("{}/{}", shard.path.display(), sample.name()));
        match sample {
            Sample::Picture(member) => {
                let bytes = read(&shard.path, &name, member, &self.all.limits)?;
                decode_bytes(bytes, &name, &self.all.limits)
            }
            Sample::Bad { .. } => {
                let reason = "none of the sample's members is a JPEG, PNG, WebP, BMP or TIFF".to_owned();
                Err(DataError::NotAPicture { path: name, reason })
            }
        }
    }

    /// The shard's name and the member's; the sample's number where the shard cannot be read.
    fn name(&self, index: usize) -> String {
        let (number, place) = self.place(index);
        let shard = &self.all.shards[number].name;
        match self.all.listing(number).as_deref() {
            Ok(Ok(listing)) => format!("{shard}/{}", listing[place].name()),
            Ok(Err(_)) | Err(_) => format!("{shard}/sample {place}"),
        }
    }

    /// Of the shards' names, lengths and numbers of samples.
    fn fingerprint(&self) -> u64 {
        let part = self.part;
        let named = |shard: &Shard| format!("{part:?} {} {} {}", shard.name, shard.bytes, shard.samples);
        fingerprint(self.all.shards.iter().map(named))
    }

    fn shards(&self) -> &[usize] {
        &self.starts[..self.all.shards.len()]
    }
}

impl Shard {
    fn open(name: String, path: PathBuf, index: &Index) -> Result<Self, DataError> {
        let bytes = fs::metadata(&path).map_err(|source| DataError::Io { path: path.clone(), source })?.len();
        let told = index.of(&name);
        let shard = Self { name, path, bytes, samples: 0, start: 0 };
        if !shard.name.to_ascii_lowercase().ends_with(PLAIN) {
            let reason = "it is compressed, and shards are read from the middle; unpack it to a plain .tar";
            return Err(shard.damaged(reason.to_owned()));
        }
        let samples = match told {
            None => list(&shard.path)?.len(),
            Some(told) => told.samples(bytes).map_err(|reason| shard.damaged(reason))?,
        };
        Ok(Self { samples, ..shard })
    }

    fn damaged(&self, reason: String) -> DataError {
        DataError::Shard { path: self.path.clone(), reason }
    }
}

impl Part {
    /// How many of the first `samples` are in this part.
    fn of(self, samples: usize) -> usize {
        let validation = samples.div_ceil(VALIDATION_EVERY);
        match self {
            Self::Whole => samples,
            Self::Training => samples - validation,
            Self::Validation => validation,
        }
    }

    /// The number among all of this part's `number`-th sample.
    fn sample(self, number: usize) -> usize {
        match self {
            Self::Whole => number,
            Self::Training => number + number / (VALIDATION_EVERY - 1) + 1,
            Self::Validation => number * VALIDATION_EVERY,
        }
    }
}

/// Name and path of the tar files right in a folder, compressed ones too, or of the one that `path` names.
fn tar_files(path: &Path) -> Result<Vec<(String, PathBuf)>, DataError> {
    let tar_file = |path: PathBuf| {
        let name = path.file_name()?.to_string_lossy().into_owned();
        is_named_as_tar(&path).then_some((name, path))
    };
    let missing = || DataError::FolderMissing { path: path.to_owned() };
    if path.is_file() {
        return tar_file(path.to_owned()).map(|file| vec![file]).ok_or_else(missing);
    }
    if !path.is_dir() {
        return Err(missing());
    }
    let fail = |source| DataError::Io { path: path.to_owned(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(fail)? {
        files.extend(tar_file(entry.map_err(fail)?.path()));
    }
    Ok(files)
}

/// Whether a file is called as tar files are, compressed ones too.
pub(crate) fn is_named_as_tar(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let named = |ending: &&str| name.ends_with(*ending);
    !name.starts_with('.') && [PLAIN].iter().chain(&COMPRESSED).any(named)
}

/// What a shard holds.
fn list(path: &Path) -> Result<Listing, DataError> {
    let fail = |source| DataError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(fail)?;
    let bytes = file.metadata().map_err(fail)?.len();
    listing::list(file, bytes).map_err(|error| {
        if !matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::InvalidData | ErrorKind::Other) {
            return fail(error);
        }
        let reason = format!("{}; copy or download it again", listing::without_controls(&error.to_string()));
        DataError::Shard { path: path.to_owned(), reason }
    })
}

/// A member's content; `name` is what errors call it.
fn read(shard: &Path, name: &Path, member: &Member, limits: &Limits) -> Result<Vec<u8>, DataError> {
    let (bytes, max_bytes) = (member.size, limits.max_bytes);
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

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, io::Cursor};

    use context_encoder_mask::Central;
    use image::{ImageFormat, Rgb};
    use tempfile::TempDir;

    use super::*;
    use crate::{Loader, LoaderConfig, OnBadPicture, Position, Transform};

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
    fn shards_are_sorted_and_split() {
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
        assert_eq!(
            (shards.split().0.shards(), shards.split().1.shards()),
            (&[0, 38, 38, 58][..], &[0, 3, 3, 4][..])
        );

        let (training, validation) = shards.split();
        let numbers = |part: &Shards| (0..part.len()).map(|index| number(part, index)).collect::<Vec<_>>();
        // Samples 0, 20, 40 and 60 of all.
        assert_eq!(numbers(&validation), [0, 20, 40, 69]);
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
            let view = Transform::Whole { size: 16 };
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
    fn an_index_is_believed_where_it_can_be_right() {
        let folder = tempfile::tempdir().expect("a folder");
        pack_pictures(&folder, "a.tar", 0, 3);
        pack_pictures(&folder, "b.tar", 10, 2);
        let index = |listed: &str| {
            let text = format!(r#"{{"wids_version": 1, "shardlist": [{listed}]}}"#);
            fs::write(folder.path().join("index.json"), text).expect("a file");
        };
        let refused = || open(&folder).expect_err("no index").to_string();
        let bytes = fs::metadata(folder.path().join("a.tar")).expect("a shard").len();
        index(&format!(r#"{{"url": "https://somewhere/a.tar", "nsamples": 3, "filesize": {bytes}}}"#));
        let shards = open(&folder).expect("shards");
        assert_eq!((shards.len(), shards.shards()), (5, [0, 3].as_slice()));
        assert_eq!([2, 3].map(|index| number(&shards, index)), [2, 10]);

        // Too many or too few: the shard is bad, the others are not.
        for (told, wrong, right) in [(5, 0..5, 5..7), (1, 0..1, 1..3)] {
            index(&format!(r#"{{"url": "a.tar", "nsamples": {told}}}"#));
            let shards = open(&folder).expect("shards");
            for picture in wrong {
                let error = shards.picture(0, picture).expect_err("no such count").to_string();
                let counts = format!("holds 3 samples where {told} were expected; if there is an index.json");
                assert!(error.contains(&counts), "{error}");
                assert_eq!(shards.name(picture), format!("a.tar/sample {picture}"));
            }
            assert_eq!(right.map(|index| number(&shards, index)).collect::<Vec<_>>(), [10, 11]);
        }
        // An empty one is counted.
        index(r#"{"url": "a.tar", "nsamples": 0}"#);
        assert_eq!(open(&folder).expect("shards").len(), 5);

        index(r#"{"url": "a.tar", "nsamples": 3, "filesize": 9}"#);
        assert!(
            refused().contains(&format!("it has {bytes} bytes and index.json says 9; make the index anew"))
        );
        index(r#"{"url": "a.tar", "nsamples": 1000000000000}"#);
        assert!(
            refused().contains("cannot hold the 1000000000000 samples of index.json; make the index anew")
        );
        index(r#"{"url": "x/a.tar", "nsamples": 3}, {"url": "y/a.tar", "nsamples": 4}"#);
        assert!(
            refused().contains("index.json: it tells two different things of a.tar; make the index anew")
        );
        index("7");
        assert!(refused().contains("index.json: it is no index of shards"));
    }

    #[test]
    fn damaged_shards_are_named() {
        let folder = tempfile::tempdir().expect("a folder");
        pack_pictures(&folder, "a.tar", 0, 4);
        let path = folder.path().join("a.tar");
        let whole = fs::read(&path).expect("the shard");
        let refused = || open(&folder).expect_err("no shard").to_string();
        // Within a header, between two members, within the last picture, before anything; then what is no tar file.
        for content in [&whole[..1500], &whole[..2048], &whole[..whole.len() - 1024 - 512 + 10], &[]] {
            fs::write(&path, content).expect("a file");
            let error = refused();
            assert!(error.contains("a.tar: ") && error.ends_with("copy or download it again"), "{error}");
        }
        for content in [b"\x1f\x8b\x08 compressed".repeat(200), b"plain text\n, ".repeat(500)] {
            fs::write(&path, content).expect("a file");
            let error = refused();
            assert!(error.contains("cannot use the shard") && !error.contains(['\n', '\x1f']), "{error}");
        }
        // The closing blocks alone: tar's own empty file.
        fs::write(&path, [0; 1024]).expect("a file");
        assert!(matches!(open(&folder), Err(DataError::NoPictures { .. })));
        fs::write(&path, whole).expect("a file");
        fs::write(folder.path().join("b.tgz"), b"").expect("a file");
        assert!(refused().ends_with(
            "b.tgz: it is compressed, and shards are read from the middle; unpack it to a plain .tar"
        ));
        assert!(matches!(
            Shards::open(folder.path().join("c"), Limits::default()),
            Err(DataError::FolderMissing { .. })
        ));
    }

    #[test]
    fn names_that_are_no_text_stay_apart_and_show_no_control_characters() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut shard = tar::Builder::new(File::create(folder.path().join("a.tar")).expect("a file"));
        for (number, name) in [&b"caf\xe9.png"[..], b"caf\xe8.png", b"c\x1b[2J.png"].into_iter().enumerate() {
            let (mut header, content) = (tar::Header::new_gnu(), png(number as u8));
            header.set_size(content.len() as u64);
            header.as_mut_bytes()[..name.len()].copy_from_slice(name);
            header.set_cksum();
            shard.append(&header, content.as_slice()).expect("a member");
        }
        shard.finish().expect("an end");
        let shards = open(&folder).expect("shards");
        let names: Vec<_> = (0..shards.len()).map(|index| shards.name(index)).collect();
        assert_eq!(names, ["a.tar/caf\\xe9.png", "a.tar/caf\\xe8.png", "a.tar/c\u{FFFD}[2J.png"]);
        assert_eq!([0, 1, 2].map(|index| number(&shards, index)), [0, 1, 2]);
    }

    #[test]
    fn a_folder_is_one_of_shards_where_nothing_else_is_in_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str| fs::write(folder.path().join(name), b"something").expect("a file");
        assert!(!Shards::are_in(folder.path()));
        for name in ["my.target.tar", "index.json", ".hidden.jpg"] {
            write(name);
        }
        assert!(Shards::are_in(folder.path()) && Shards::are_in(&folder.path().join("my.target.tar")));
        write("door.jpg");
        assert!(!Shards::are_in(folder.path()) && !Shards::are_in(&folder.path().join("door.jpg")));
        fs::remove_file(folder.path().join("door.jpg")).expect("gone");
        fs::create_dir(folder.path().join("pictures")).expect("a folder");
        assert!(!Shards::are_in(folder.path()));
    }

    #[test]
    fn a_fingerprint_tells_other_shards() {
        let folder = tempfile::tempdir().expect("a folder");
        pack_pictures(&folder, "a.tar", 0, 3);
        let fingerprint = || open(&folder).expect("shards").fingerprint();
        let before = fingerprint();
        assert_eq!(before, fingerprint());
        pack(&folder, "a.tar", &[("0.png", png(0)), ("1.png", vec![9; 2000]), ("2.png", png(2))]);
        assert_ne!(before, fingerprint());
    }
}
