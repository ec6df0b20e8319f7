//! A folder of masks: which file is the mask of which photograph.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use context_encoder::files::walk_every_name;
use miette::{Result, WrapErr, miette};
use unicode_normalization::UnicodeNormalization;

use crate::file_pairs::{FilePair, is_same_file};

/// The files of a folder, and the photographs among them.
pub struct MaskFolder {
    root: PathBuf,
    /// By their path below the folder, without extension.
    files: BTreeMap<String, Vec<PathBuf>>,
    /// Photographs that are to be filled and lie here themselves: none is its own mask, nor that of another
    /// file of the same name.
    photographs: BTreeSet<PathBuf>,
}

impl MaskFolder {
    /// Lists the folder; an error when none of the photographs has a mask there.
    pub fn open(root: &Path, pairs: &[FilePair]) -> Result<Self> {
        if !root.is_dir() {
            return Err(miette!("there is no folder {}; name the folder of the masks", root.display()));
        }
        let mut files: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        for found in walk_every_name(root) {
            let file = found.map_err(|(path, error)| miette!("cannot read {}: {error}", path.display()))?;
            files.entry(stem(file.strip_prefix(root).unwrap_or(&file))).or_default().push(file);
        }
        let own = |pair: &FilePair| {
            let named = files.get(&stem(&pair.name)).into_iter().flatten();
            named.filter(|file| is_same_file(file, &pair.input)).cloned().collect::<Vec<_>>()
        };
        let photographs = pairs.iter().flat_map(own).collect();
        let folder = Self { root: root.to_owned(), files, photographs };
        folder.check_any(pairs)?;
        Ok(folder)
    }

    fn check_any(&self, pairs: &[FilePair]) -> Result<()> {
        let [first, _, ..] = pairs else {
            // The error of a single photograph is the error of the command.
            return Ok(());
        };
        if pairs.iter().any(|pair| self.find(&pair.name).is_ok()) {
            return Ok(());
        }
        self.find(&first.name).map(drop).wrap_err_with(|| {
            format!("no photograph can be paired with a mask; the first is {}", first.input.display())
        })
    }

    /// The mask of a photograph with this `name` relative to its folder: the file of that name, or of the
    /// name with `_mask` and any digits after it.
    pub fn find(&self, name: &Path) -> Result<&Path> {
        let stem = stem(name);
        let (photographs, mut found): (Vec<_>, Vec<_>) =
            self.files.get(&stem).into_iter().flatten().partition(|file| self.photographs.contains(*file));
        if found.is_empty() {
            found = self.with_suffix(&stem);
        }
        match found[..] {
            [path] => Ok(path),
            [] => Err(miette!(
                "there is no mask for it in {}; put one there under the name {stem}{}.png",
                self.root.display(),
                if photographs.is_empty() { "" } else { "_mask" }
            )),
            [first, second, ..] => Err(miette!(
                "there are several masks for it, {} and {}; keep one",
                first.display(),
                second.display()
            )),
        }
    }

    /// Masks named as LaMa and its tools name them: `NAME_mask.png`, `NAME_mask001.png`.
    fn with_suffix(&self, stem: &str) -> Vec<&PathBuf> {
        let prefix = format!("{stem}_mask");
        let is_number = |name: &str| name[prefix.len()..].bytes().all(|byte| byte.is_ascii_digit());
        let from = self.files.range(prefix.clone()..);
        let named = from.take_while(|(name, _)| name.starts_with(&prefix));
        named.filter(|(name, _)| is_number(name)).flat_map(|(_, files)| files).collect()
    }
}

/// A path without its extension, separated by `/`, accents composed: macOS and its archives write `é` as
/// two characters, others as one.
fn stem(path: &Path) -> String {
    let path = path.with_extension("");
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy().nfc().collect::<String>()).collect();
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mask_names_have_no_extension() {
        assert_eq!(stem("a/b.tar.png".as_ref()), "a/b.tar");
        assert_eq!(stem("b".as_ref()), "b");
        assert_eq!(stem("caf\u{e9}.png".as_ref()), stem("cafe\u{301}.jpg".as_ref()));
    }

    #[test]
    fn mask_suffixes_are_followed_by_digits_only() {
        let names = ["a_mask.png", "a_mask001.png", "a_mask1b.png", "a_masks.png", "ab_mask.png"];
        let files = names.map(|name| (stem(name.as_ref()), vec![PathBuf::from(name)]));
        let folder = MaskFolder { root: "m".into(), files: files.into(), photographs: BTreeSet::new() };
        let found = folder.with_suffix("a");
        assert_eq!(found, ["a_mask.png", "a_mask001.png"].map(Path::new));
    }
}
