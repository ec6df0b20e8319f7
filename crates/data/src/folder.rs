//! A folder of pictures, listed once, in a fixed order, with a fixed split.

use std::{
    collections::BTreeMap,
    fs,
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
    path::{Path, PathBuf},
};

use image::RgbImage;
use walkdir::{DirEntry, WalkDir};

use crate::shards::is_named_as_tar;
use crate::skipped::Skipped;
use crate::sniff::{Kind, sniff};
use crate::{DataError, Limits, OnBadPicture, PictureSource, decode};

/// Every how-many-th picture [`Folder::split`] puts into the validation part.
pub const VALIDATION_EVERY: usize = 20;

/// How a folder is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FolderOptions {
    /// What to do with a file that claims to be a picture and is none (default: skip it and report it).
    pub on_bad_picture: OnBadPicture,
    /// What each picture may ask for when it is decoded.
    pub limits: Limits,
}

/// A folder of pictures and of folders of pictures.
///
/// - **What counts**: files whose content is JPEG, PNG, WebP, BMP or TIFF, whatever they are called. Files that
///   are called like pictures, or hold pictures of another format, are *refused*: listed in
///   [`skipped`](Self::skipped) with a reason. All other files, hidden files and hidden folders are passed over.
/// - **Order**: by path below the root, its parts joined by `/`, compared byte by byte; the same on every system.
/// - **Links** are followed; a link to a folder that contains it is passed over.
/// - **Opening** reads only the first bytes of each file. That a picture is damaged further in shows when it is
///   decoded; [`check`](Self::check) decodes all of them.
#[derive(Debug, Clone)]
pub struct Folder {
    root: PathBuf,
    pictures: Vec<Entry>,
    skipped: Vec<Skipped>,
    limits: Limits,
    /// Whether tar files were passed over, which are shards where they are alone.
    passed_tar_files: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    /// The path below the root with `/` between its parts: what is sorted and shown.
    name: String,
    path: PathBuf,
}

impl Folder {
    /// Lists the pictures below `path`.
    ///
    /// # Errors
    /// [`DataError::FolderMissing`] when there is no such folder, [`DataError::NoPictures`] when no file in it
    /// can be used, and the first refusal's error with [`OnBadPicture::Stop`].
    ///
    /// # Examples
    /// ```
    /// use context_encoder_data::{Folder, FolderOptions, PictureSource};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # for name in ["b.png", "a.png", "c.png"] {
    /// #     image::RgbImage::new(32, 32).save(folder.path().join(name))?;
    /// # }
    /// let pictures = Folder::open(folder.path(), FolderOptions::default())?;
    /// assert_eq!(pictures.len(), 3);
    /// assert_eq!(pictures.name(0), "a.png");
    /// let (training, validation) = pictures.split();
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
            Self { root, pictures: Vec::new(), skipped: Vec::new(), limits, passed_tar_files: false };
        folder.list(options.on_bad_picture)?;
        if folder.pictures.is_empty() {
            return Err(folder.no_pictures());
        }
        Ok(folder)
    }

    /// The folder that was opened.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What each picture may ask for when it is decoded.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The files that were left out when the folder was opened, sorted by name. Empty for the parts of a split.
    #[must_use]
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// The path of a picture.
    ///
    /// # Panics
    /// When `index` is not below the number of pictures.
    #[must_use]
    pub fn path(&self, index: usize) -> &Path {
        &self.pictures[index].path
    }

    /// Splits into (training, validation): in sorted order, the first of every [`VALIDATION_EVERY`] pictures is
    /// for validation.
    ///
    /// Two or more pictures give at least one for validation; a single one stays in training. The split depends
    /// on the names alone, so it is the same in every run and on every machine as long as the folder does not
    /// change; a file that is added or removed shifts it.
    #[must_use]
    pub fn split(&self) -> (Self, Self) {
        let single = self.pictures.len() < 2;
        let (validation, training): (Vec<_>, Vec<_>) =
            (0..self.pictures.len()).partition(|index| !single && index.is_multiple_of(VALIDATION_EVERY));
        (self.part(&training), self.part(&validation))
    }

    /// The same folder without the pictures whose files are, byte for byte, files of `other`; so that nobody is
    /// tested on what was learned.
    ///
    /// # Errors
    /// [`DataError::Io`] when a file of equal length cannot be read.
    ///
    /// # Examples
    /// ```
    /// use context_encoder_data::{Folder, FolderOptions, PictureSource};
    ///
    /// # let [train, test] = [tempfile::tempdir()?, tempfile::tempdir()?];
    /// # let grey = |level| image::RgbImage::from_pixel(32, 32, image::Rgb([level; 3]));
    /// # grey(1).save(train.path().join("a.png"))?;
    /// # grey(2).save(train.path().join("b.png"))?;
    /// # grey(2).save(test.path().join("c.png"))?;
    /// let open = |folder| Folder::open(folder, FolderOptions::default());
    /// let pictures = open(train.path())?.without(&open(test.path())?)?; // b.png is c.png
    /// assert_eq!((pictures.len(), pictures.name(0)), (1, "a.png".to_owned()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn without(self, other: &Self) -> Result<Self, DataError> {
        let failed = |path: &Path, source| DataError::Io { path: path.to_owned(), source };
        let length =
            |path: &Path| fs::metadata(path).map(|file| file.len()).map_err(|error| failed(path, error));
        let bytes = |path: &Path| fs::read(path).map_err(|error| failed(path, error));
        let hash = |bytes: &[u8]| BuildHasherDefault::<DefaultHasher>::default().hash_one(bytes);
        // Files are read only where another has the same length, and compared only where they have the same hash.
        let mut lengths: BTreeMap<u64, Vec<&Path>> = BTreeMap::new();
        for entry in &other.pictures {
            lengths.entry(length(&entry.path)?).or_default().push(&entry.path);
        }
        let mut hashes: BTreeMap<(u64, u64), Vec<&Path>> = BTreeMap::new();
        let mut pictures = Vec::with_capacity(self.pictures.len());
        for entry in self.pictures {
            let size = length(&entry.path)?;
            let Some(alike) = lengths.get_mut(&size) else {
                pictures.push(entry);
                continue;
            };
            for path in std::mem::take(alike) {
                hashes.entry((size, hash(&bytes(path)?))).or_default().push(path);
            }
            let own = bytes(&entry.path)?;
            let mut equal = false;
            for path in hashes.get(&(size, hash(&own))).into_iter().flatten() {
                equal = equal || bytes(path)? == own;
            }
            if !equal {
                pictures.push(entry);
            }
        }
        Ok(Self { pictures, ..self })
    }

    /// Decodes every picture and returns those that fail, in order. Takes as long as one epoch of reading.
    #[must_use]
    pub fn check(&self) -> Vec<Skipped> {
        self.pictures
            .iter()
            .filter_map(|Entry { name, path }| {
                let error = decode(path, &self.limits).err()?;
                Some(Skipped::new(name.clone(), error))
            })
            .collect()
    }

    fn list(&mut self, on_bad_picture: OnBadPicture) -> Result<(), DataError> {
        let visible =
            |entry: &DirEntry| entry.depth() == 0 || !entry.file_name().to_string_lossy().starts_with('.');
        let mut refused = Vec::new();
        for found in WalkDir::new(&self.root).follow_links(true).into_iter().filter_entry(visible) {
            match found {
                Ok(entry) if entry.file_type().is_file() => {
                    let entry = Entry::new(&self.root, entry.into_path());
                    match entry.verdict() {
                        Verdict::Use => self.pictures.push(entry),
                        Verdict::PassOver => self.passed_tar_files |= is_named_as_tar(&entry.path),
                        Verdict::Refuse(error) => refused.push((entry, error)),
                    }
                }
                Ok(_) => {}
                Err(error) if error.loop_ancestor().is_some() => {}
                Err(error) => {
                    let path = error.path().unwrap_or(&self.root).to_owned();
                    let entry = Entry::new(&self.root, path.clone());
                    refused.push((entry, DataError::Io { path, source: error.into() }));
                }
            }
        }
        self.pictures.sort_unstable();
        refused.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut refused = refused.into_iter().map(|(entry, error)| (entry.name, error));
        if on_bad_picture == OnBadPicture::Stop
            && let Some((_, error)) = refused.next()
        {
            return Err(error);
        }
        self.skipped = refused.map(|(name, error)| Skipped::new(name, error)).collect();
        Ok(())
    }

    fn no_pictures(&self) -> DataError {
        const SHOWN: usize = 3;
        let shown: Vec<_> = self.skipped.iter().take(SHOWN).map(ToString::to_string).collect();
        let more = if self.skipped.len() > SHOWN { "; ..." } else { "" };
        let reasons = match shown.as_slice() {
            [] if self.passed_tar_files => {
                "; tar files are there, but not alone: name the folder that holds them and nothing else"
                    .to_owned()
            }
            [] => String::new(),
            shown => format!(" ({}{more})", shown.join("; ")),
        };
        DataError::NoPictures { path: self.root.clone(), refused: self.skipped.len(), reasons }
    }

    fn part(&self, indices: &[usize]) -> Self {
        Self {
            root: self.root.clone(),
            pictures: indices.iter().map(|&index| self.pictures[index].clone()).collect(),
            skipped: Vec::new(),
            limits: self.limits,
            passed_tar_files: self.passed_tar_files,
        }
    }
}

impl PictureSource for Folder {
    fn len(&self) -> usize {
        self.pictures.len()
    }

    fn picture(&self, _epoch: u64, index: usize) -> Result<RgbImage, DataError> {
        decode(&self.pictures[index].path, &self.limits)
    }

    fn same_every_epoch(&self) -> bool {
        true
    }

    fn name(&self, index: usize) -> String {
        self.pictures[index].name.clone()
    }
}

enum Verdict {
    Use,
    PassOver,
    Refuse(DataError),
}

impl Entry {
    fn new(root: &Path, path: PathBuf) -> Self {
        let below = path.strip_prefix(root).unwrap_or(&path);
        let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
        Self { name: parts.join("/"), path }
    }

    fn verdict(&self) -> Verdict {
        let path = || self.path.clone();
        match sniff(&self.path) {
            Ok(Kind::Picture(_)) => Verdict::Use,
            Ok(Kind::Other) => Verdict::PassOver,
            Ok(Kind::Skipped(reason)) => Verdict::Refuse(DataError::NotAPicture { path: path(), reason }),
            Err(source) => Verdict::Refuse(DataError::Io { path: path(), source }),
        }
    }
}
