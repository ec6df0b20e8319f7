//! Random regions from a folder of silhouettes.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use context_encoder_files::walk;
use rand::{Rng, RngExt};

use crate::class_map::read_shapes;
use crate::generator::{assert_size, pixel_counts};
use crate::shape::{Placement, Shape};
use crate::{Mask, MaskError, MaskGenerator};

/// Placements looked at before the best of them is grown instead.
const TRIES: u32 = 32;

/// A folder's silhouettes; each mask hides one, at random place, scale, flip and rotation.
///
/// This is the paper's random region (section 3.3): shapes unrelated to what the image shows. The paper
/// deforms the segmentation masks of PASCAL VOC 2012.
///
/// # Which images
///
/// Every file below the folder is tried, in the order of the names, its format decided by its content:
/// - **class masks**: PNGs with a palette of colors (PASCAL VOC's `SegmentationClass` and
///   `SegmentationObject`), whose index is the class, and gray images other than JPEG and WebP whose values
///   are all 0, 1..=127 or 255 (and not only 0 and 255), whose value is the class. Each class in an image is
///   a shape; 0 is the background, and 255, VOC's border around objects, belongs to the background too.
/// - **silhouettes**: all other images, by the rule of [`Mask::from_image`], that is white on black or
///   painted on a transparent layer. The image is one shape.
///
/// Shapes of fewer than 64 pixels, and shapes that fill a whole image, are left out. Shapes are kept at a
/// bit a pixel and no longer than 512 pixels: 32 KB at most each.
///
/// # Which masks
///
/// A shape is chosen, then a fraction of the image between 1/20 and 1/4 which the whole shape would cover,
/// which gives the scale; then flip, rotation, and the place of its center anywhere in the image. It may be
/// cut off by the edge, and is accepted when at least 1/20 and at most 1/4 of the image is hidden. Should
/// 32 draws in a row fail, as they do for shapes like a long thin line, the largest of them below 1/4 is
/// grown at its rim to 1/20.
///
/// ```
/// use context_encoder_mask::{MaskGenerator, Silhouettes};
/// use image::{GrayImage, Luma};
/// use rand::SeedableRng;
/// use rand_chacha::ChaCha8Rng;
///
/// let folder = tempfile::tempdir()?;
/// let triangle = GrayImage::from_fn(40, 40, |x, y| Luma([if x < y { 255 } else { 0 }]));
/// triangle.save(folder.path().join("triangle.png"))?;
///
/// let silhouettes = Silhouettes::from_folder(folder.path())?;
/// assert_eq!(silhouettes.len(), 1);
/// let mask = silhouettes.generate(128, 128, &mut ChaCha8Rng::seed_from_u64(1));
/// assert!(Silhouettes::HIDDEN.contains(&mask.hidden_fraction()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Silhouettes {
    shapes: Vec<Shape>,
    skipped: Vec<(PathBuf, MaskError)>,
}

impl Silhouettes {
    /// The fraction of the image that is hidden; both ends included.
    pub const HIDDEN: RangeInclusive<f64> = 0.05..=0.25;

    /// Reads every image below a folder.
    ///
    /// Files that give no shape are not an error: see [`skipped`](Self::skipped).
    ///
    /// # Errors
    /// [`MaskError::Read`] when the folder cannot be read, [`MaskError::NoSilhouettes`] when no file gave a
    /// shape.
    pub fn from_folder(path: impl AsRef<Path>) -> Result<Self, MaskError> {
        let folder = path.as_ref();
        let (mut shapes, mut skipped) = (Vec::new(), Vec::new());
        let mut files = 0;
        std::fs::read_dir(folder).map_err(|source| MaskError::Read { path: folder.to_path_buf(), source })?;
        for found in walk(folder) {
            let (path, read) = match found {
                Ok(path) => {
                    let read = read_shapes(&path);
                    (path, read)
                }
                Err((path, source)) => (path.clone(), Err(MaskError::Read { path, source })),
            };
            files += 1;
            match read {
                Ok(read) => shapes.extend(read),
                Err(reason) => skipped.push((path, reason)),
            }
        }
        if shapes.is_empty() {
            return Err(MaskError::NoSilhouettes { path: folder.to_path_buf(), files });
        }
        Ok(Self { shapes, skipped })
    }

    /// How many shapes there are; at least one.
    #[allow(clippy::len_without_is_empty, reason = "there is always a shape")]
    pub fn len(&self) -> usize {
        self.shapes.len()
    }

    /// The files that gave no shape, and why.
    pub fn skipped(&self) -> &[(PathBuf, MaskError)] {
        &self.skipped
    }

    /// A shape drawn at random, whatever it hides.
    fn draw(&self, width: u32, height: u32, rng: &mut dyn Rng) -> Mask {
        let shape = &self.shapes[rng.random_range(0..self.shapes.len())];
        let area = f64::from(width) * f64::from(height);
        let hidden = rng.random_range(Self::HIDDEN);
        let placement = Placement {
            scale: (hidden * area / shape.pixels() as f64).sqrt(),
            mirrored: rng.random(),
            rotation: draw_rotation(rng),
            center: [rng.random_range(0.0..f64::from(width)), rng.random_range(0.0..f64::from(height))],
        };
        shape.draw(&placement, width, height)
    }
}

impl MaskGenerator for Silhouettes {
    fn generate(&self, width: u32, height: u32, rng: &mut dyn Rng) -> Mask {
        assert_size(width, height);
        let mut best = Mask::visible(width, height);
        let accepted = pixel_counts(&Self::HIDDEN, best.hidden().len());
        let mut most = 0;
        for _ in 0..TRIES {
            let mask = self.draw(width, height, rng);
            let hidden = mask.hidden_count();
            if accepted.contains(&hidden) {
                return mask;
            }
            if hidden > most && hidden < *accepted.start() {
                (best, most) = (mask, hidden);
            }
        }
        best.grow_to(*accepted.start());
        best
    }
}

/// The numbers of shapes and skipped files, not every shape.
impl fmt::Debug for Silhouettes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Silhouettes")
            .field("shapes", &self.shapes.len())
            .field("skipped", &self.skipped.len())
            .finish()
    }
}

/// Cosine and sine of an angle drawn evenly from the whole circle.
///
/// The direction of a point drawn evenly from the unit disc: only a root and a division, which every platform
/// rounds alike, unlike a sine.
fn draw_rotation(rng: &mut dyn Rng) -> [f64; 2] {
    for _ in 0..TRIES {
        let [x, y]: [f64; 2] = [rng.random_range(-1.0..1.0), rng.random_range(-1.0..1.0)];
        let length = (x * x + y * y).sqrt();
        if (0.01..=1.0).contains(&length) {
            return [x / length, y / length];
        }
    }
    [1.0, 0.0]
}

#[cfg(test)]
mod tests {
    use std::fs;

    use image::{GrayImage, Luma};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use tempfile::{TempDir, tempdir};

    use super::*;

    fn folder() -> TempDir {
        tempdir().expect("a folder for the test")
    }

    fn draw(path: &Path, inside: impl Fn(u32, u32) -> bool) {
        GrayImage::from_fn(100, 100, |x, y| Luma([if inside(x, y) { 255 } else { 0 }]))
            .save(path)
            .expect("saved");
    }

    #[test]
    fn folders_below_are_read_in_the_order_of_the_names() {
        let folder = folder();
        let below = folder.path().join("more").join("deeper");
        fs::create_dir_all(&below).expect("folders");
        draw(&folder.path().join("b.png"), |x, _| x < 20);
        draw(&below.join("bar.png"), |x, _| (40..70).contains(&x));
        draw(&folder.path().join("a.png"), |x, _| x < 10);
        let silhouettes = Silhouettes::from_folder(folder.path()).expect("three shapes");
        let pixels: Vec<_> = silhouettes.shapes.iter().map(Shape::pixels).collect();
        assert_eq!((pixels, silhouettes.len()), (vec![1000, 2000, 3000], 3));
        assert!(silhouettes.skipped().is_empty());
    }

    #[test]
    fn files_without_a_shape_are_skipped_with_the_reason() {
        let folder = folder();
        draw(&folder.path().join("a.png"), |x, y| x < y);
        fs::write(folder.path().join("b.png"), "no picture").expect("written");
        draw(&folder.path().join("c.png"), |_, _| false);
        draw(&folder.path().join("d.png"), |_, _| true);
        let silhouettes = Silhouettes::from_folder(folder.path()).expect("one shape");
        assert_eq!(silhouettes.len(), 1);
        let [text, black, white] = silhouettes.skipped() else {
            panic!("three files give no shape: {:?}", silhouettes.skipped());
        };
        assert!(text.0.ends_with("b.png"));
        assert!(matches!(text.1, MaskError::Decode { .. }));
        assert!(black.0.ends_with("c.png") && white.0.ends_with("d.png"));
        assert!(matches!(black.1, MaskError::NoShape { .. }));
        assert!(matches!(white.1, MaskError::NoShape { .. }));
        assert_eq!(format!("{silhouettes:?}"), "Silhouettes { shapes: 1, skipped: 3 }");
    }

    #[test]
    fn no_shape_at_all_is_an_error_that_says_what_to_put_there() {
        let folder = folder();
        fs::write(folder.path().join("notes.txt"), "to do: add shapes").expect("written");
        let error = Silhouettes::from_folder(folder.path()).expect_err("no shapes");
        assert!(matches!(error, MaskError::NoSilhouettes { files: 1, .. }));
        assert!(error.to_string().contains("white shapes on black"));
        let missing = folder.path().join("missing");
        let error = Silhouettes::from_folder(&missing).expect_err("no folder");
        assert!(matches!(error, MaskError::Read { path, .. } if path == missing));
    }

    #[test]
    fn shapes_vary_in_place_scale_and_rotation() {
        let folder = folder();
        draw(&folder.path().join("bar.png"), |x, y| (40..60).contains(&x) && (5..95).contains(&y));
        let silhouettes = Silhouettes::from_folder(folder.path()).expect("a bar");
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let masks: Vec<_> = (0..200).map(|_| silhouettes.generate(64, 64, &mut rng)).collect();
        let count = |holds: &dyn Fn(&Mask) -> bool| masks.iter().filter(|mask| holds(mask)).count();
        // Lying or standing, small or large: about half of the masks each.
        let lying = count(&|mask| mask.bounds().is_some_and(|rect| rect.width > rect.height));
        assert!((60..140).contains(&lying), "{lying}");
        let small = count(&|mask| mask.hidden_fraction() < 0.13);
        assert!((60..140).contains(&small), "{small}");
        // In every quarter: each middle is hidden about as often as its part of the image, 24 times.
        for (x, y) in [(16, 16), (48, 16), (16, 48), (48, 48)] {
            let over = count(&|mask| mask.is_hidden(x, y));
            assert!((12..60).contains(&over), "({x}, {y}): {over}");
        }
    }

    #[test]
    fn a_thin_line_is_grown_to_the_minimum() {
        let folder = folder();
        // 2000x1 is kept as 512x1: wherever it lies, it hides less than a twentieth of a square.
        let line = GrayImage::from_fn(2000, 3, |_, y| Luma([if y == 1 { 255 } else { 0 }]));
        line.save(folder.path().join("line.png")).expect("saved");
        let silhouettes = Silhouettes::from_folder(folder.path()).expect("a line");
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        for _ in 0..20 {
            let mask = silhouettes.generate(128, 128, &mut rng);
            // 128 * 128 / 20 = 819.2
            assert_eq!(mask.hidden_count(), 820);
        }
    }

    #[test]
    fn rotations_cover_the_circle() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut quarters = [0; 4];
        for _ in 0..4000 {
            let [cos, sin] = draw_rotation(&mut rng);
            assert!((cos * cos + sin * sin - 1.0).abs() < 1e-12);
            quarters[usize::from(cos < 0.0) + 2 * usize::from(sin < 0.0)] += 1;
        }
        // 1000 each, give or take five standard deviations of 27.
        assert!(quarters.iter().all(|quarter| (865..1135).contains(quarter)), "{quarters:?}");
    }
}
