//! Every file of a folder, looked at once, and what is wrong with them.

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    sync::Mutex,
};

use context_encoder::data::{DataError, Limits, decode};
use image::ImageFormat;
use miette::{IntoDiagnostic, Result, WrapErr, miette};
use sha2::{Digest, Sha256};
use walkdir::{DirEntry, WalkDir};

use crate::{
    crew::{Crew, guarded, lock},
    likeness::Likeness,
    output::Output,
};

/// The longer side over the shorter from which on a picture is odd.
const ODD_ASPECT: u32 = 5;

/// A folder's files, by name.
pub struct Survey {
    pub files: Vec<File>,
}

/// One file.
pub struct File {
    /// Its path below the folder, `/` between its parts.
    pub name: String,
    path: PathBuf,
    /// Hexadecimal.
    pub sha256: String,
    content: Content,
}

enum Content {
    Picture {
        width: u32,
        height: u32,
        likeness: Option<Likeness>,
        one_colour: bool,
        format: Option<ImageFormat>,
    },
    /// Named or beginning like a picture, and none: why.
    Bad(String),
    /// No picture, and it does not claim to be one.
    Other,
}

/// Something wrong, and where.
pub struct Finding {
    pub kind: Kind,
    pub file: PathBuf,
    /// The file that it is like.
    pub other: Option<PathBuf>,
    pub reason: String,
}

/// Kinds of findings.
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

impl Survey {
    /// Reads every file of a folder and its subfolders but hidden ones, on several threads.
    pub fn take(folder: &Path, crew: &Crew, output: &Output) -> Result<Self> {
        if !folder.is_dir() {
            return Err(miette!("there is no folder {}; check the path", folder.display()));
        }
        let visible =
            |entry: &DirEntry| entry.depth() == 0 || !entry.file_name().to_string_lossy().starts_with('.');
        let mut paths = Vec::new();
        for entry in
            WalkDir::new(folder).follow_links(true).sort_by_file_name().into_iter().filter_entry(visible)
        {
            let entry = entry.into_diagnostic()?;
            if entry.file_type().is_file() {
                paths.push(entry.into_path());
            }
        }
        let bar = output.with_bar(paths.len(), "files");
        let files = Mutex::new(BTreeMap::new());
        let failure = Mutex::new(None);
        crew.share_out(paths.len(), |index| {
            match look(folder, &paths[index]) {
                Ok(file) => drop(lock(&files).insert(index, file)),
                Err(report) => *lock(&failure) = Some(report),
            }
            bar.advance();
        });
        bar.clear_bar();
        match lock(&failure).take() {
            Some(report) => Err(report),
            None => Ok(Self { files: std::mem::take(&mut *lock(&files)).into_values().collect() }),
        }
    }

    /// How many files are usable pictures.
    pub fn pictures(&self) -> usize {
        self.files.iter().filter(|file| matches!(file.content, Content::Picture { .. })).count()
    }

    /// What is wrong inside the folder: bad, tiny and odd files, then files that are twice there.
    pub fn findings(&self, least_side: u32) -> Vec<Finding> {
        let mut findings: Vec<Finding> =
            self.files.iter().filter_map(|file| file.finding(least_side)).collect();
        let mut first: BTreeMap<&str, &File> = BTreeMap::new();
        let mut kept: Vec<(&File, Likeness)> = Vec::new();
        for file in &self.files {
            if let Some(before) = first.get(file.sha256.as_str()) {
                findings.push(file.like(Kind::Duplicate, before));
                continue;
            }
            first.insert(&file.sha256, file);
            if let Some(likeness) = file.likeness() {
                if let Some((before, _)) = kept.iter().find(|(_, other)| likeness.is_near(*other)) {
                    findings.push(file.like(Kind::NearDuplicate, before));
                }
                kept.push((file, likeness));
            }
        }
        findings
    }

    /// Pictures of this folder that are in another one as well.
    pub fn leaks(&self, other: &Self) -> Vec<Finding> {
        let equal: BTreeMap<&str, &File> =
            other.files.iter().map(|file| (file.sha256.as_str(), file)).collect();
        let near: Vec<(&File, Likeness)> =
            other.files.iter().filter_map(|file| Some((file, file.likeness()?))).collect();
        let leak = |file: &File| {
            if let Some(same) = equal.get(file.sha256.as_str()) {
                return Some(file.like(Kind::Leak, same));
            }
            let likeness = file.likeness()?;
            let (like, _) = near.iter().find(|(_, other)| likeness.is_near(*other))?;
            Some(file.like(Kind::NearLeak, like))
        };
        self.files.iter().filter_map(leak).collect()
    }
}

impl File {
    fn likeness(&self) -> Option<Likeness> {
        match self.content {
            Content::Picture { likeness, .. } => likeness,
            _ => None,
        }
    }

    /// What is wrong with the file by itself.
    fn finding(&self, least_side: u32) -> Option<Finding> {
        let found =
            |kind, reason: String| Some(Finding { kind, file: self.path.clone(), other: None, reason });
        match &self.content {
            Content::Bad(reason) => found(Kind::Bad, reason.clone()),
            Content::Other => found(Kind::Odd, "it is no picture".to_owned()),
            &Content::Picture { width, height, one_colour, format, .. } => {
                let (short, long) = (width.min(height), width.max(height));
                let named = ImageFormat::from_path(&self.path).ok();
                if short < least_side {
                    found(Kind::Tiny, format!("{width}x{height} pixels, sides below {least_side}"))
                } else if one_colour {
                    found(Kind::Odd, "it is all of one colour".to_owned())
                } else if long > short * ODD_ASPECT {
                    found(
                        Kind::Odd,
                        format!("{width}x{height} pixels, more than {ODD_ASPECT} times longer than wide"),
                    )
                } else if let (Some(format), Some(named)) = (format, named)
                    && format != named
                {
                    found(Kind::Odd, format!("it is named like {named:?} and holds {format:?}"))
                } else {
                    None
                }
            }
        }
    }

    fn like(&self, kind: Kind, other: &Self) -> Finding {
        let reason = match kind {
            Kind::Duplicate | Kind::Leak => "the same bytes",
            _ => "they look alike",
        };
        Finding { kind, file: self.path.clone(), other: Some(other.path.clone()), reason: reason.to_owned() }
    }
}

fn look(folder: &Path, path: &Path) -> Result<File> {
    let bytes =
        fs::read(path).into_diagnostic().wrap_err_with(|| format!("cannot read {}", path.display()))?;
    let below = path.strip_prefix(folder).unwrap_or(path);
    let name = below.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/");
    let sha256 = Sha256::digest(&bytes).iter().fold(String::new(), |mut text, byte| {
        // Text grows without failing.
        let _ = write!(text, "{byte:02x}");
        text
    });
    let format = image::guess_format(&bytes).ok();
    drop(bytes);
    let content =
        guarded(|| Ok(content(path, format))).unwrap_or_else(|report| Content::Bad(report.to_string()));
    Ok(File { name, path: path.to_owned(), sha256, content })
}

fn content(path: &Path, format: Option<ImageFormat>) -> Content {
    match decode(path, &Limits { min_side: 1, ..Limits::default() }) {
        Ok(picture) => {
            let (width, height) = picture.dimensions();
            let first = picture.get_pixel(0, 0);
            let one_colour = picture.pixels().all(|pixel| pixel == first);
            Content::Picture { width, height, likeness: Likeness::of(&picture), one_colour, format }
        }
        // Whatever its bytes look like, a file without a picture's name is judged by what it claims to be.
        Err(DataError::NotAPicture { .. }) if ImageFormat::from_path(path).is_err() => Content::Other,
        Err(error) => Content::Bad(error.to_string()),
    }
}
