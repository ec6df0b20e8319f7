//! A folder of images, listed once, in a fixed order, with a fixed split.

use std::{
    collections::BTreeMap,
    fs,
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
    path::{Path, PathBuf},
};

use context_encoder_files::walk;
use image::RgbImage;

use crate::dataset::Skipped;
use crate::decode::{Kind, decode, sniff};
use crate::shards::is_named_as_tar;
use crate::{DataError, ImageDataset, Limits};

/// How a folder is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FolderOptions {
    /// Whether a file that claims to be a picture and is none is an error; otherwise it is skipped and
    /// reported.
    pub strict: bool,
    /// What each image may need when it is decoded.
    pub limits: Limits,
}

/// A folder of images and of folders of images.
///
/// - **What counts**: files whose content is JPEG, PNG, WebP, BMP or TIFF, whatever their names. Files that
///   are named like pictures, or hold pictures of another format, are skipped: [`skipped`](Self::skipped)
///   lists them with a reason. All other files, hidden files and hidden folders are ignored.
/// - **Order**: by path below the root, its parts joined by `/`, compared byte by byte; the same on every
///   system.
/// - **Links** are followed, but no folder is [listed twice](walk).
/// - **Opening** reads only the first bytes of each file. Damage further in shows when the image is decoded.
#[derive(Debug, Clone)]
pub struct Folder {
    root: PathBuf,
    images: Vec<Entry>,
    skipped: Vec<Skipped>,
    limits: Limits,
    /// Whether tar files were ignored, which are shards where they are alone.
    ignored_tar_files: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    /// The path below the root with `/` between its parts: what is sorted and shown.
    name: String,
    path: PathBuf,
}

impl Folder {
    /// [`split`](Self::split) puts the first of every so many images into the validation part.
    pub const VALIDATION_EVERY: usize = 20;

    /// Lists the images below `path`.
    ///
    /// # Errors
    /// [`DataError::FolderMissing`] when there is no such folder, [`DataError::NoPictures`] when no file in
    /// it can be used, and with [`strict`](FolderOptions::strict) the error of the first file that would
    /// be skipped.
    ///
    /// # Examples
    /// ```
    /// use context_encoder_data::{Folder, FolderOptions, ImageDataset};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # for name in ["b.png", "a.png", "c.png"] {
    /// #     image::RgbImage::new(32, 32).save(folder.path().join(name))?;
    /// # }
    /// let images = Folder::open(folder.path(), FolderOptions::default())?;
    /// assert_eq!(images.len(), 3);
    /// assert_eq!(images.name(0), "a.png");
    /// let (training, validation) = images.split();
    /// assert_eq!((training.len(), validation.len()), (2, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open(path: impl AsRef<Path>, options: FolderOptions) -> Result<Self, DataError> {
        let root = path.as_ref().to_owned();
        if !root.is_dir() {
            return Err(DataError::FolderMissing { path: root });
        }
        let limits = options.limits;
        let mut folder =
            Self { root, images: Vec::new(), skipped: Vec::new(), limits, ignored_tar_files: false };
        folder.list(options.strict)?;
        if folder.images.is_empty() {
            return Err(folder.no_pictures());
        }
        Ok(folder)
    }

    /// The folder that was opened.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The files that were skipped when the folder was opened, sorted by name. Empty for the parts of a
    /// split.
    #[must_use]
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// The path of an image.
    ///
    /// # Panics
    /// When `index` is not below the number of images.
    #[must_use]
    pub fn path(&self, index: usize) -> &Path {
        &self.images[index].path
    }

    /// Splits into (training, validation): in sorted order, the first of every
    /// [`VALIDATION_EVERY`](Self::VALIDATION_EVERY) images is for validation.
    ///
    /// Two or more images give at least one for validation; a single one stays in training. The split depends
    /// on the names alone, so it is the same in every run and on every machine as long as the folder does
    /// not change; a file that is added or removed shifts it.
    #[must_use]
    pub fn split(&self) -> (Self, Self) {
        let single = self.images.len() < 2;
        let (validation, training): (Vec<_>, Vec<_>) =
            (0..self.images.len()).partition(|index| !single && index.is_multiple_of(Self::VALIDATION_EVERY));
        (self.subset(&training), self.subset(&validation))
    }

    /// The same folder without the images whose files are, byte for byte, files of `other`: so that no test
    /// image is trained on.
    ///
    /// # Errors
    /// [`DataError::Io`] when a file of equal length cannot be read.
    ///
    /// # Examples
    /// ```
    /// use context_encoder_data::{Folder, FolderOptions, ImageDataset};
    ///
    /// # let [train, test] = [tempfile::tempdir()?, tempfile::tempdir()?];
    /// # let grey = |level| image::RgbImage::from_pixel(32, 32, image::Rgb([level; 3]));
    /// # grey(1).save(train.path().join("a.png"))?;
    /// # grey(2).save(train.path().join("b.png"))?;
    /// # grey(2).save(test.path().join("c.png"))?;
    /// let open = |folder| Folder::open(folder, FolderOptions::default());
    /// let images = open(train.path())?.exclude(&open(test.path())?)?; // b.png is c.png
    /// assert_eq!((images.len(), images.name(0)), (1, "a.png".to_owned()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn exclude(self, other: &Self) -> Result<Self, DataError> {
        let failed = |path: &Path, source| DataError::Io { path: path.to_owned(), source };
        let length =
            |path: &Path| fs::metadata(path).map(|file| file.len()).map_err(|error| failed(path, error));
        let bytes = |path: &Path| fs::read(path).map_err(|error| failed(path, error));
        let hash = |bytes: &[u8]| BuildHasherDefault::<DefaultHasher>::default().hash_one(bytes);
        // Files are read only where another has the same length, and compared only where they have the same
        // hash.
        let mut lengths: BTreeMap<u64, Vec<&Path>> = BTreeMap::new();
        for entry in &other.images {
            lengths.entry(length(&entry.path)?).or_default().push(&entry.path);
        }
        let mut hashes: BTreeMap<(u64, u64), Vec<&Path>> = BTreeMap::new();
        let mut images = Vec::with_capacity(self.images.len());
        for entry in self.images {
            let size = length(&entry.path)?;
            let Some(same_length) = lengths.get_mut(&size) else {
                images.push(entry);
                continue;
            };
            for path in std::mem::take(same_length) {
                hashes.entry((size, hash(&bytes(path)?))).or_default().push(path);
            }
            let own = bytes(&entry.path)?;
            let mut equal = false;
            for path in hashes.get(&(size, hash(&own))).into_iter().flatten() {
                equal = equal || bytes(path)? == own;
            }
            if !equal {
                images.push(entry);
            }
        }
        Ok(Self { images, ..self })
    }

    fn list(&mut self, strict: bool) -> Result<(), DataError> {
        let mut skipped = Vec::new();
        for found in walk(&self.root) {
            match found {
                Ok(path) => {
                    let entry = Entry::new(&self.root, path);
                    let error = match sniff(&entry.path) {
                        Ok(Kind::Picture(_)) => {
                            self.images.push(entry);
                            continue;
                        }
                        Ok(Kind::Other) => {
                            self.ignored_tar_files |= is_named_as_tar(&entry.path);
                            continue;
                        }
                        Ok(Kind::Skipped(reason)) => {
                            DataError::NotAPicture { path: entry.path.clone(), reason }
                        }
                        Err(source) => DataError::Io { path: entry.path.clone(), source },
                    };
                    skipped.push((entry, error));
                }
                Err((path, source)) => {
                    let entry = Entry::new(&self.root, path.clone());
                    skipped.push((entry, DataError::Io { path, source }));
                }
            }
        }
        self.images.sort_unstable();
        skipped.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut skipped = skipped.into_iter().map(|(entry, error)| (entry.name, error));
        if strict && let Some((_, error)) = skipped.next() {
            return Err(error);
        }
        self.skipped = skipped.map(|(name, error)| Skipped::new(name, error)).collect();
        Ok(())
    }

    fn no_pictures(&self) -> DataError {
        const SHOWN: usize = 3;
        let shown: Vec<_> = self.skipped.iter().take(SHOWN).map(ToString::to_string).collect();
        let more = if self.skipped.len() > SHOWN { "; ..." } else { "" };
        let reasons = match shown.as_slice() {
            [] if self.ignored_tar_files => {
                "; tar files are there, but not alone: name the folder that holds them and nothing else"
                    .to_owned()
            }
            [] => String::new(),
            shown => format!(" ({}{more})", shown.join("; ")),
        };
        DataError::NoPictures { path: self.root.clone(), skipped: self.skipped.len(), reasons }
    }

    fn subset(&self, indices: &[usize]) -> Self {
        Self {
            root: self.root.clone(),
            images: indices.iter().map(|&index| self.images[index].clone()).collect(),
            skipped: Vec::new(),
            limits: self.limits,
            ignored_tar_files: self.ignored_tar_files,
        }
    }
}

impl ImageDataset for Folder {
    fn len(&self) -> usize {
        self.images.len()
    }

    fn image(&self, _epoch: u64, index: usize) -> Result<RgbImage, DataError> {
        decode(&self.images[index].path, &self.limits)
    }

    fn same_every_epoch(&self) -> bool {
        true
    }

    fn name(&self, index: usize) -> String {
        self.images[index].name.clone()
    }
}

impl Entry {
    fn new(root: &Path, path: PathBuf) -> Self {
        let below = path.strip_prefix(root).unwrap_or(&path);
        let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
        Self { name: parts.join("/"), path }
    }
}
