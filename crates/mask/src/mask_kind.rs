//! The choice of a generator, as a configuration file names it.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize};

use crate::{Central, FreeForm, MaskError, MaskGenerator, RandomBlock, RandomRegion, Silhouettes};

/// Which masks to draw, as a configuration file names them.
///
/// | `kind` | fields | generator |
/// |---|---|---|
/// | `central` | `overlap`: visible pixels along each inner side | [`Central`] |
/// | `random-block` | none | [`RandomBlock`] with its default parameters |
/// | `random-region` | `silhouettes`: a folder; left out, the noise pattern, whose cells are `cell` pixels wide | [`Silhouettes`] or [`RandomRegion`] |
/// | `free-form` | none | [`FreeForm`] |
///
/// Unknown kinds and fields are refused.
///
/// ```
/// use context_encoder_mask::MaskKind;
///
/// let kind: MaskKind = serde_json::from_str(r#"{ "kind": "central", "overlap": 7 }"#)?;
/// assert_eq!(kind, MaskKind::Central { overlap: 7 });
/// assert_eq!(kind.to_string(), "central, overlap 7 px");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum MaskKind {
    /// The central square, less `overlap` pixels on each of its sides.
    Central {
        /// Pixels; the authors' command line has 4, the paper 7.
        overlap: u32,
    },
    /// Several squares, which may overlap.
    #[serde(deserialize_with = "no_fields")]
    RandomBlock,
    /// Arbitrary shapes.
    RandomRegion {
        /// A folder of silhouettes; `None` takes the noise pattern.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        silhouettes: Option<PathBuf>,
        /// Width of a cell of the noise pattern, pixels; `None` takes the authors' 16.7.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cell: Option<u32>,
    },
    /// Brush strokes, ellipses and random regions, as people paint holes.
    #[serde(deserialize_with = "no_fields")]
    FreeForm,
}

impl MaskKind {
    /// The generator of this kind; for silhouettes, this reads the whole folder.
    ///
    /// # Errors
    /// Those of [`Silhouettes::from_folder`].
    pub fn build(&self) -> Result<Box<dyn MaskGenerator>, MaskError> {
        Ok(match self {
            Self::Central { overlap } => Box::new(Central::new(*overlap)),
            Self::RandomBlock => Box::new(RandomBlock::default()),
            Self::RandomRegion { silhouettes: Some(folder), cell: None } => {
                Box::new(Silhouettes::from_folder(folder)?)
            }
            &Self::RandomRegion { silhouettes: None, cell: None } => Box::new(RandomRegion::default()),
            &Self::RandomRegion { silhouettes: None, cell: Some(cell) }
                if RandomRegion::CELL.contains(&cell) =>
            {
                Box::new(RandomRegion::default().with_cell(cell))
            }
            &Self::RandomRegion { cell: Some(cell), .. } => return Err(MaskError::Cell { cell }),
            Self::FreeForm => Box::new(FreeForm::default()),
        })
    }
}

impl fmt::Display for MaskKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Central { overlap } => write!(f, "central, overlap {overlap} px"),
            Self::RandomBlock => write!(f, "random blocks"),
            Self::RandomRegion { silhouettes: None, cell: None } => {
                write!(f, "random regions, noise pattern")
            }
            Self::RandomRegion { silhouettes: None, cell: Some(cell) } => {
                write!(f, "random regions, noise pattern of {cell} px cells")
            }
            Self::RandomRegion { silhouettes: Some(folder), .. } => {
                write!(f, "random regions, silhouettes in {}", folder.display())
            }
            Self::FreeForm => write!(f, "free-form"),
        }
    }
}

/// Refuses fields beside `kind`, which serde would ignore for a variant that has none.
fn no_fields<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}
    Nothing::deserialize(deserializer).map(|Nothing {}| ())
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn parse(json: &str) -> Result<MaskKind, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn names_in_a_file_and_descriptions_are_fixed() {
        let shapes = MaskKind::RandomRegion { silhouettes: Some("shapes".into()), cell: None };
        for (kind, json, text) in [
            (MaskKind::Central { overlap: 4 }, r#"{"kind":"central","overlap":4}"#, "central, overlap 4 px"),
            (MaskKind::RandomBlock, r#"{"kind":"random-block"}"#, "random blocks"),
            (MaskKind::FreeForm, r#"{"kind":"free-form"}"#, "free-form"),
            (
                MaskKind::RandomRegion { silhouettes: None, cell: None },
                r#"{"kind":"random-region"}"#,
                "random regions, noise pattern",
            ),
            (
                MaskKind::RandomRegion { silhouettes: None, cell: Some(33) },
                r#"{"kind":"random-region","cell":33}"#,
                "random regions, noise pattern of 33 px cells",
            ),
            (
                shapes,
                r#"{"kind":"random-region","silhouettes":"shapes"}"#,
                "random regions, silhouettes in shapes",
            ),
        ] {
            assert_eq!(serde_json::to_string(&kind).expect("it can be written"), json);
            assert_eq!(kind.to_string(), text);
            assert_eq!(parse(json).expect("it can be read back"), kind);
        }
    }

    #[test]
    fn misspelled_and_missing_fields_are_refused() {
        for json in [
            r#"{"kind":"central"}"#,
            r#"{"kind":"central","overlap":4,"overlp":7}"#,
            r#"{"kind":"central","overlap":-4}"#,
            r#"{"kind":"random-block","overlap":4}"#,
            r#"{"kind":"free-form","overlap":4}"#,
            r#"{"kind":"random-region","silhouette":"shapes"}"#,
            r#"{"kind":"RandomBlock"}"#,
            r#"{"overlap":4}"#,
        ] {
            assert!(parse(json).is_err(), "{json}");
        }
    }

    #[test]
    fn each_kind_builds_its_generator() {
        let draw =
            |generator: &dyn MaskGenerator| generator.generate(64, 64, &mut ChaCha8Rng::seed_from_u64(9));
        let built = |kind: MaskKind| draw(&kind.build().expect("no files are needed"));
        assert_eq!(built(MaskKind::Central { overlap: 4 }).hidden_count(), 24 * 24);
        assert_eq!(built(MaskKind::RandomBlock), draw(&RandomBlock::default()));
        assert_eq!(
            built(MaskKind::RandomRegion { silhouettes: None, cell: None }),
            draw(&RandomRegion::default())
        );
        assert_eq!(built(MaskKind::FreeForm), draw(&FreeForm::default()));
        let cell = |silhouettes, cell| MaskKind::RandomRegion { silhouettes, cell: Some(cell) };
        assert_eq!(built(cell(None, 33)), draw(&RandomRegion::default().with_cell(33)));
        for unusable in [cell(None, 1), cell(None, 1001), cell(Some("shapes".into()), 33)] {
            let error = unusable.build().err().expect("refused").to_string();
            assert!(error.contains("2 to 1000 pixels"), "{error}");
        }
    }
}
