//! What is wrong with the files of an image folder.

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs, io,
    path::{Path, PathBuf},
};

use context_encoder::{
    data::{DataError, Limits, decode},
    files::walk,
};
use image::{ImageFormat, RgbImage, imageops};
use miette::{Result, miette};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::{console::Console, device::ThreadsArgs, panics::catch_file_panic};

/// The largest usual ratio of the longer to the shorter side.
const MAX_ASPECT: u32 = 5;

/// All files of a folder, sorted by name, with what each one holds.
pub struct DatasetReport {
    pub files: Vec<File>,
    /// Files that cannot be read at all, such as links to nothing.
    unread: Vec<Unread>,
}

type Unread = (PathBuf, io::Error);

pub struct File {
    /// Path below the folder, separated by `/`.
    name: String,
    path: PathBuf,
    /// Hexadecimal.
    sha256: String,
    content: Content,
}

enum Content {
    Image {
        width: u32,
        height: u32,
        hash: Option<PerceptualHash>,
        one_color: bool,
        format: Option<ImageFormat>,
    },
    /// Claims to be an image by its name or first bytes, but cannot be decoded: the error.
    Bad(String),
    /// Does not claim to be an image.
    Other,
}

/// Something wrong with a file.
pub struct Finding {
    pub kind: Kind,
    pub file: PathBuf,
    /// The file that it duplicates or leaks from.
    pub other: Option<PathBuf>,
    pub reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Bad,
    Tiny,
    Odd,
    Duplicate,
    NearDuplicate,
    Leak,
    NearLeak,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Bad => "bad",
            Self::Tiny => "tiny",
            Self::Odd => "odd",
            Self::Duplicate => "duplicate",
            Self::NearDuplicate => "near-duplicate",
            Self::Leak => "leak",
            Self::NearLeak => "near-leak",
        }
    }
}

impl DatasetReport {
    /// Reads every file of a folder and its subfolders, except hidden ones.
    pub fn read(folder: &Path, threads: &ThreadsArgs, console: &Console) -> Result<Self> {
        if !folder.is_dir() {
            return Err(miette!("there is no folder {}; check the path", folder.display()));
        }
        let paths: Vec<Result<PathBuf, Unread>> = walk(folder).collect();
        let bar = console.with_bar(paths.len(), "files");
        let read = |path: Result<PathBuf, Unread>| {
            let file = path.and_then(|path| File::read(folder, &path).map_err(|error| (path, error)));
            bar.advance();
            file
        };
        let all: Vec<Result<File, Unread>> =
            threads.pool(paths.len())?.install(|| paths.into_par_iter().map(read).collect());
        bar.clear_bar();
        let mut report = Self { files: Vec::new(), unread: Vec::new() };
        for file in all {
            match file {
                Ok(file) => report.files.push(file),
                Err(unread) => report.unread.push(unread),
            }
        }
        Ok(report)
    }

    pub fn image_count(&self) -> usize {
        self.files.iter().filter(|file| matches!(file.content, Content::Image { .. })).count()
    }

    /// The list that `sha256sum --check` reads: hash, two spaces and path below the folder on each line.
    pub fn manifest(&self) -> String {
        self.files.iter().map(|file| format!("{}  {}\n", file.sha256, file.name)).collect()
    }

    /// Findings inside the folder: bad, tiny and odd files, then duplicates.
    pub fn findings(&self, min_side: u32) -> Vec<Finding> {
        let unread = self.unread.iter().map(|(path, error)| Finding {
            kind: Kind::Bad,
            file: path.clone(),
            other: None,
            reason: format!("it cannot be read: {error}"),
        });
        let found = self.files.iter().filter_map(|file| file.finding(min_side));
        let mut findings: Vec<Finding> = unread.chain(found).collect();
        let mut by_sha256: BTreeMap<&str, &File> = BTreeMap::new();
        let mut hashes: Vec<(&File, PerceptualHash)> = Vec::new();
        for file in &self.files {
            if let Some(first) = by_sha256.get(file.sha256.as_str()) {
                findings.push(file.equals(Kind::Duplicate, first));
                continue;
            }
            by_sha256.insert(&file.sha256, file);
            if let Some(hash) = file.hash() {
                if let Some((first, _)) = hashes.iter().find(|(_, other)| hash.is_similar(*other)) {
                    findings.push(file.equals(Kind::NearDuplicate, first));
                }
                hashes.push((file, hash));
            }
        }
        findings
    }

    /// Files of this folder that are in the other folder too, equal or nearly so.
    pub fn leaks(&self, other: &Self) -> Vec<Finding> {
        let by_sha256: BTreeMap<&str, &File> =
            other.files.iter().map(|file| (file.sha256.as_str(), file)).collect();
        let hashes: Vec<(&File, PerceptualHash)> =
            other.files.iter().filter_map(|file| Some((file, file.hash()?))).collect();
        let leak = |file: &File| {
            if let Some(same) = by_sha256.get(file.sha256.as_str()) {
                return Some(file.equals(Kind::Leak, same));
            }
            let hash = file.hash()?;
            let (similar, _) = hashes.iter().find(|(_, other)| hash.is_similar(*other))?;
            Some(file.equals(Kind::NearLeak, similar))
        };
        self.files.iter().filter_map(leak).collect()
    }
}

impl File {
    fn read(folder: &Path, path: &Path) -> io::Result<Self> {
        let bytes = fs::read(path)?;
        let below = path.strip_prefix(folder).unwrap_or(path);
        let name = below.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/");
        let sha256 = Sha256::digest(&bytes).iter().fold(String::new(), |mut text, byte| {
            // Writing to a String never fails.
            let _ = write!(text, "{byte:02x}");
            text
        });
        let format = image::guess_format(&bytes).ok();
        drop(bytes);
        let content = catch_file_panic(|| Ok(Content::read(path, format)))
            .unwrap_or_else(|report| Content::Bad(report.to_string()));
        Ok(Self { name, path: path.to_owned(), sha256, content })
    }

    fn hash(&self) -> Option<PerceptualHash> {
        match self.content {
            Content::Image { hash, .. } => hash,
            _ => None,
        }
    }

    /// What is wrong with the file by itself.
    fn finding(&self, min_side: u32) -> Option<Finding> {
        let (kind, reason) = match &self.content {
            Content::Bad(reason) => (Kind::Bad, reason.clone()),
            Content::Other => (Kind::Odd, "it is not an image".to_owned()),
            &Content::Image { width, height, one_color, format, .. } => {
                let (short, long) = (width.min(height), width.max(height));
                let named = ImageFormat::from_path(&self.path).ok();
                if short < min_side {
                    (Kind::Tiny, format!("{width}x{height} pixels, a side below {min_side}"))
                } else if one_color {
                    (Kind::Odd, "all pixels have one color".to_owned())
                } else if long > short * MAX_ASPECT {
                    (
                        Kind::Odd,
                        format!("{width}x{height} pixels, one side more than {MAX_ASPECT} times the other"),
                    )
                } else if let (Some(format), Some(named)) = (format, named)
                    && format != named
                {
                    (Kind::Odd, format!("its name says {named:?} and its content is {format:?}"))
                } else {
                    return None;
                }
            }
        };
        Some(Finding { kind, file: self.path.clone(), other: None, reason })
    }

    fn equals(&self, kind: Kind, other: &Self) -> Finding {
        let reason = match kind {
            Kind::Duplicate | Kind::Leak => "the same bytes",
            _ => "they look alike",
        };
        Finding { kind, file: self.path.clone(), other: Some(other.path.clone()), reason: reason.to_owned() }
    }
}

impl Content {
    fn read(path: &Path, format: Option<ImageFormat>) -> Self {
        match decode(path, &Limits { min_side: 1, ..Limits::default() }) {
            Ok(image) => {
                let (width, height) = image.dimensions();
                let first = image.get_pixel(0, 0);
                let one_color = image.pixels().all(|pixel| pixel == first);
                Self::Image { width, height, hash: PerceptualHash::of(&image), one_color, format }
            }
            // A file without an image's name claims to be none, whatever its bytes look like.
            Err(DataError::NotAPicture { .. }) if ImageFormat::from_path(path).is_err() => Self::Other,
            Err(error) => Self::Bad(error.to_string()),
        }
    }
}

/// Cells in each row and column of the grid that is compared.
const SIDE: u32 = 16;

/// Bits of 256 that may differ between images that look alike: scaled, compressed again, slightly brighter.
const MAX_DISTANCE: u32 = 12;

/// Cells that must differ from their right neighbour for a hash to identify an image.
const MIN_TEXTURED_CELLS: u32 = 24;

/// A difference hash of 256 bits: for each of 16x16 cells, whether it is brighter than its right neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerceptualHash([u64; 4]);

impl PerceptualHash {
    /// `None` for an image with so little texture that all such images have similar hashes.
    pub fn of(image: &RgbImage) -> Option<Self> {
        let small = imageops::thumbnail(image, SIDE + 1, SIDE);
        let luma = |x: u32, y: u32| {
            let [red, green, blue] = small.get_pixel(x, y).0.map(u32::from);
            2126 * red + 7152 * green + 722 * blue
        };
        let (mut bits, mut textured) = ([0_u64; 4], 0);
        for y in 0..SIDE {
            for x in 0..SIDE {
                let (left, right) = (luma(x, y), luma(x + 1, y));
                let bit = (y * SIDE + x) as usize;
                bits[bit / 64] |= u64::from(left > right) << (bit % 64);
                // One level of 255 is noise.
                textured += u32::from(left.abs_diff(right) > 10_000);
            }
        }
        (textured >= MIN_TEXTURED_CELLS).then_some(Self(bits))
    }

    /// Whether two images look alike, by the Hamming distance of their hashes.
    pub fn is_similar(self, other: Self) -> bool {
        let distance: u32 = self.0.iter().zip(other.0).map(|(a, b)| (a ^ b).count_ones()).sum();
        distance <= MAX_DISTANCE
    }
}

#[cfg(test)]
mod tests {
    use context_encoder::data::Facades;
    use image::Rgb;

    use super::*;

    #[test]
    fn manifest_has_the_format_of_sha256sum() {
        let folder = tempfile::tempdir().expect("folder");
        fs::write(folder.path().join("a.txt"), "abc").expect("written");
        let console = Console::new(false, true, false);
        let report = DatasetReport::read(folder.path(), &ThreadsArgs::default(), &console).expect("read");
        // The hash of "abc" from the standard (FIPS 180-4, example B.1).
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  a.txt\n";
        assert_eq!(report.manifest(), expected);
    }

    #[test]
    fn scaled_copies_are_similar_and_other_images_are_not() {
        let facades = Facades::new(1).with_size(192, 160);
        let hashes: Vec<_> = (0..40).filter_map(|index| PerceptualHash::of(&facades.image(index))).collect();
        assert!(hashes.len() >= 38, "{} of 40 have texture", hashes.len());
        let scaled = imageops::resize(&facades.image(0), 120, 100, imageops::FilterType::Triangle);
        assert!(PerceptualHash::of(&scaled).is_some_and(|scaled| scaled.is_similar(hashes[0])));
        for (index, hash) in hashes.iter().enumerate() {
            assert!(hashes[index + 1..].iter().all(|other| !hash.is_similar(*other)), "{index}");
        }
        assert_eq!(PerceptualHash::of(&RgbImage::from_pixel(50, 50, Rgb([9; 3]))), None);
    }
}
