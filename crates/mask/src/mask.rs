//! The mask itself, one flag a pixel, and rectangles of its pixels.

use std::fmt;

use image::{GrayImage, Luma};

use crate::MaskError;

/// A rectangle of whole pixels: `x..x + width` by `y..y + height`, counted from the upper left corner.
///
/// ```
/// use context_encoder_mask::Rect;
///
/// let rect = Rect { x: 2, y: 1, width: 3, height: 2 };
/// assert_eq!((rect.right(), rect.bottom(), rect.area()), (5, 3, 6));
/// assert!(rect.contains(4, 2) && !rect.contains(5, 2));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rect {
    /// The leftmost column inside.
    pub x: u32,
    /// The uppermost row inside.
    pub y: u32,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

impl Rect {
    /// The central square of an image, which the network predicts: half of each dimension, centered.
    ///
    /// Halves are rounded down. Where the margins cannot be equal, the left and the upper one are a pixel
    /// narrower.
    ///
    /// ```
    /// use context_encoder_mask::Rect;
    ///
    /// assert_eq!(Rect::central(128, 128), Rect { x: 32, y: 32, width: 64, height: 64 });
    /// ```
    pub fn central(width: u32, height: u32) -> Self {
        let [columns, rows] = [width / 2, height / 2];
        Self { x: (width - columns) / 2, y: (height - rows) / 2, width: columns, height: rows }
    }

    /// The first column to the right of it: `x + width`.
    pub fn right(&self) -> u32 {
        self.x + self.width
    }

    /// The first row below it: `y + height`.
    pub fn bottom(&self) -> u32 {
        self.y + self.height
    }

    /// How many pixels lie inside.
    pub fn area(&self) -> usize {
        self.width as usize * self.height as usize
    }

    /// Whether the pixel at column `x`, row `y` lies inside.
    pub fn contains(&self, x: u32, y: u32) -> bool {
        (self.x..self.right()).contains(&x) && (self.y..self.bottom()).contains(&y)
    }
}

/// One flag a pixel, row by row: `true`, 1 = hidden from the network; `false`, 0 = visible.
///
/// A mask has at least one pixel. It knows nothing of the image it belongs to but the size.
///
/// ```
/// use context_encoder_mask::Mask;
///
/// // The right half of a 4x2 image.
/// let mask = Mask::from_fn(4, 2, |x, _| x >= 2);
/// assert_eq!(mask.hidden(), [false, false, true, true, false, false, true, true]);
/// assert_eq!(mask.hidden_fraction(), 0.5);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Mask {
    width: u32,
    height: u32,
    hidden: Vec<bool>,
}

impl Mask {
    /// A mask from one flag a pixel, row by row, `true` = hidden.
    ///
    /// # Errors
    /// [`MaskError::NoPixels`] when a side is zero, [`MaskError::Length`] when there are not `width * height`
    /// flags.
    pub fn new(width: u32, height: u32, hidden: Vec<bool>) -> Result<Self, MaskError> {
        if width == 0 || height == 0 {
            return Err(MaskError::NoPixels { width, height });
        }
        if hidden.len() != width as usize * height as usize {
            return Err(MaskError::Length { width, height, actual: hidden.len() });
        }
        Ok(Self { width, height, hidden })
    }

    /// The mask that hides nothing.
    ///
    /// # Panics
    /// When a side is zero.
    pub fn visible(width: u32, height: u32) -> Self {
        assert!(width > 0 && height > 0, "a mask must have pixels, got {width}x{height}");
        Self { width, height, hidden: vec![false; width as usize * height as usize] }
    }

    /// The mask that hides the pixels for which `is_hidden(x, y)` holds; called once a pixel, row by row.
    ///
    /// # Panics
    /// When a side is zero.
    pub fn from_fn(width: u32, height: u32, mut is_hidden: impl FnMut(u32, u32) -> bool) -> Self {
        let mut mask = Self::visible(width, height);
        let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        for (flag, (x, y)) in mask.hidden.iter_mut().zip(places) {
            *flag = is_hidden(x, y);
        }
        mask
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Whether the pixel at column `x`, row `y` is hidden.
    ///
    /// # Panics
    /// When the pixel lies outside of the mask.
    pub fn is_hidden(&self, x: u32, y: u32) -> bool {
        assert!(
            x < self.width && y < self.height,
            "the pixel must lie inside the {}x{} mask, got ({x}, {y})",
            self.width,
            self.height
        );
        self.hidden[self.index(x, y)]
    }

    /// Every flag, row by row: `true`, 1 = hidden; `width * height` of them.
    pub fn hidden(&self) -> &[bool] {
        &self.hidden
    }

    /// How many pixels are hidden.
    pub fn hidden_count(&self) -> usize {
        self.hidden.iter().filter(|&&hidden| hidden).count()
    }

    /// The fraction of pixels that are hidden, 0 to 1.
    pub fn hidden_fraction(&self) -> f64 {
        self.hidden_count() as f64 / self.hidden.len() as f64
    }

    /// Whether nothing is hidden.
    pub fn is_empty(&self) -> bool {
        !self.hidden.contains(&true)
    }

    /// Whether everything is hidden.
    pub fn is_full(&self) -> bool {
        !self.hidden.contains(&false)
    }

    /// The smallest rectangle around the hidden pixels; `None` when nothing is hidden.
    ///
    /// ```
    /// use context_encoder_mask::{Mask, Rect};
    ///
    /// let mask = Mask::from_fn(8, 8, |x, y| (x, y) == (2, 3) || (x, y) == (5, 4));
    /// assert_eq!(mask.bounds(), Some(Rect { x: 2, y: 3, width: 4, height: 2 }));
    /// assert_eq!(Mask::visible(8, 8).bounds(), None);
    /// ```
    pub fn bounds(&self) -> Option<Rect> {
        let mut rows = (0..self.height).filter(|&y| self.row(y).contains(&true));
        let top = rows.next()?;
        let bottom = rows.next_back().unwrap_or(top);
        let occupied = |&x: &u32| (top..=bottom).any(|y| self.hidden[self.index(x, y)]);
        let left = (0..self.width).find(occupied)?;
        let right = (0..self.width).rfind(occupied)?;
        Some(Rect { x: left, y: top, width: right - left + 1, height: bottom - top + 1 })
    }

    /// Hides the part of a rectangle that lies inside the mask; what was hidden stays hidden.
    ///
    /// ```
    /// use context_encoder_mask::{Mask, Rect};
    ///
    /// let mut mask = Mask::visible(4, 4);
    /// mask.hide(Rect { x: 3, y: 0, width: 9, height: 2 });
    /// assert_eq!(mask.hidden_count(), 2);
    /// ```
    pub fn hide(&mut self, rect: Rect) {
        let right = rect.x.saturating_add(rect.width).min(self.width);
        let bottom = rect.y.saturating_add(rect.height).min(self.height);
        if rect.x >= right {
            return;
        }
        for y in rect.y..bottom {
            let (first, last) = (self.index(rect.x, y), self.index(right - 1, y));
            self.hidden[first..=last].fill(true);
        }
    }

    /// The mask with hidden and visible exchanged, for masks painted the other way round.
    ///
    /// ```
    /// use context_encoder_mask::Mask;
    ///
    /// assert!(Mask::visible(2, 2).inverted().is_full());
    /// ```
    pub fn inverted(&self) -> Self {
        Self { hidden: self.hidden.iter().map(|&hidden| !hidden).collect(), ..*self }
    }

    /// The mask with its hidden region grown (dilated) by a disc: a pixel is hidden when one at a distance of
    /// at most `radius` pixels, center to center, was hidden.
    ///
    /// Strokes of a brush have a soft rim, and an outline that was drawn by hand lies a little inside of what
    /// it means to cover; both are hidden by a few pixels more.
    ///
    /// ```
    /// use context_encoder_mask::Mask;
    ///
    /// let dot = Mask::from_fn(7, 7, |x, y| (x, y) == (3, 3));
    /// assert_eq!(dot.grown(0), dot);
    /// assert_eq!(dot.grown(2), Mask::from_fn(7, 7, |x, y| x.abs_diff(3).pow(2) + y.abs_diff(3).pow(2) <= 4));
    /// ```
    pub fn grown(&self, radius: u32) -> Self {
        // No two pixels are farther apart.
        let radius = radius.min(self.width.saturating_add(self.height));
        let mut grown = self.clone();
        for y in (0..self.height).filter(|&y| self.row(y).contains(&true)) {
            let distances = distances(self.row(y));
            for target in y.saturating_sub(radius)..=y.saturating_add(radius).min(self.height - 1) {
                let [radius, down] = [radius, target.abs_diff(y)].map(u64::from);
                let across = (radius.pow(2) - down.pow(2)).isqrt();
                let first = grown.index(0, target);
                let flags = &mut grown.hidden[first..first + distances.len()];
                for (flag, &distance) in flags.iter_mut().zip(&distances) {
                    *flag |= u64::from(distance) <= across;
                }
            }
        }
        grown
    }

    /// The mask as a grayscale image: 255 = hidden, 0 = visible.
    pub fn to_luma(&self) -> GrayImage {
        GrayImage::from_fn(self.width, self.height, |x, y| {
            Luma([if self.hidden[self.index(x, y)] { 255 } else { 0 }])
        })
    }

    /// Hides single pixels by their place in [`hidden`](Self::hidden).
    pub(crate) fn hide_indices(&mut self, indices: &[usize]) {
        for &index in indices {
            self.hidden[index] = true;
        }
    }

    fn row(&self, y: u32) -> &[bool] {
        let first = self.index(0, y);
        &self.hidden[first..first + self.width as usize]
    }

    fn index(&self, x: u32, y: u32) -> usize {
        y as usize * self.width as usize + x as usize
    }
}

/// How far each pixel of a row is from the nearest hidden one of the row, in pixels.
fn distances(row: &[bool]) -> Vec<u32> {
    let mut distances = vec![u32::MAX; row.len()];
    let mut nearest = u32::MAX;
    for (distance, &hidden) in distances.iter_mut().zip(row) {
        nearest = if hidden { 0 } else { nearest.saturating_add(1) };
        *distance = nearest;
    }
    for distance in distances.iter_mut().rev() {
        nearest = nearest.saturating_add(1).min(*distance);
        *distance = nearest;
    }
    distances
}

/// The size and the number of hidden pixels, not every flag.
impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mask")
            .field("width", &self.width)
            .field("height", &self.height)
            .field("hidden_count", &self.hidden_count())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hidden in a 3x3 mask:
    /// ```text
    /// . . #
    /// . # #
    /// . . .
    /// ```
    fn corner() -> Mask {
        let flags = [0, 0, 1, 0, 1, 1, 0, 0, 0];
        Mask::new(3, 3, flags.map(|flag| flag == 1).to_vec()).expect("nine flags for 3x3")
    }

    #[test]
    fn a_3x3_mask_by_hand() {
        let mask = corner();
        assert_eq!((mask.width(), mask.height()), (3, 3));
        assert_eq!(mask.hidden_count(), 3);
        assert_eq!(mask.hidden_fraction(), 3.0 / 9.0);
        assert!(mask.is_hidden(2, 0) && mask.is_hidden(1, 1) && mask.is_hidden(2, 1));
        assert!(!mask.is_hidden(0, 2) && !mask.is_hidden(1, 0));
        assert!(!mask.is_empty() && !mask.is_full());
        let expected = Rect { x: 1, y: 0, width: 2, height: 2 };
        assert_eq!(mask.bounds(), Some(expected));
        assert_eq!(mask.to_luma().into_raw(), [0, 0, 255, 0, 255, 255, 0, 0, 0]);
        assert_eq!(mask.inverted().hidden_count(), 6);
        assert_eq!(mask.inverted().inverted(), mask);
    }

    #[test]
    fn columns_and_rows_are_not_exchanged() {
        let mask = Mask::from_fn(3, 2, |x, y| (x, y) == (2, 0));
        assert_eq!(mask.hidden(), [false, false, true, false, false, false]);
        assert_eq!(mask.to_luma().dimensions(), (3, 2));
        assert_eq!(mask.to_luma().get_pixel(2, 0).0, [255]);
    }

    #[test]
    fn the_number_of_flags_is_checked() {
        let error = Mask::new(3, 3, vec![true; 8]).expect_err("eight flags for 3x3");
        assert!(matches!(error, MaskError::Length { actual: 8, .. }));
        assert!(error.to_string().contains("3x3") && error.to_string().contains('9'));
        let error = Mask::new(0, 3, vec![]).expect_err("no pixels");
        assert!(matches!(error, MaskError::NoPixels { width: 0, height: 3 }));
    }

    #[test]
    fn bounds_of_one_pixel_and_of_everything() {
        let one = Mask::from_fn(5, 4, |x, y| (x, y) == (4, 3));
        let expected = Rect { x: 4, y: 3, width: 1, height: 1 };
        assert_eq!(one.bounds(), Some(expected));
        let all = Mask::visible(5, 4).inverted();
        assert_eq!(all.bounds().map(|rect| rect.area()), Some(20));
        assert!(all.is_full());
    }

    #[test]
    fn hiding_clips_to_the_mask_and_keeps_what_was_hidden() {
        let mut mask = corner();
        mask.hide(Rect { x: 0, y: 1, width: 2, height: u32::MAX });
        let expected = [0, 0, 1, 1, 1, 1, 1, 1, 0].map(|flag| flag == 1);
        assert_eq!(mask.hidden(), expected);
        let before = mask.clone();
        for (x, y) in [(3, 0), (0, 3), (u32::MAX, u32::MAX)] {
            mask.hide(Rect { x, y, width: 1, height: 1 });
        }
        assert_eq!(mask, before);
    }

    #[test]
    fn growth_is_a_disc_around_every_hidden_pixel() {
        let hidden = [(2, 3), (3, 3), (11, 0), (0, 8)];
        let mask = Mask::from_fn(13, 9, |x, y| hidden.contains(&(x, y)));
        for radius in 0..8_u32 {
            let near = |x: u32, y: u32| {
                hidden.iter().any(|&(i, j)| x.abs_diff(i).pow(2) + y.abs_diff(j).pow(2) <= radius.pow(2))
            };
            assert_eq!(mask.grown(radius).hidden(), Mask::from_fn(13, 9, near).hidden(), "{radius}");
        }
        assert!(mask.grown(u32::MAX).is_full());
        assert!(Mask::visible(4, 4).grown(9).is_empty());
    }

    #[test]
    fn edges_of_a_rectangle_are_half_open() {
        let rect = Rect { x: 1, y: 1, width: 2, height: 1 };
        let inside: Vec<_> =
            (0..4).flat_map(|y| (0..4).map(move |x| (x, y))).filter(|&(x, y)| rect.contains(x, y)).collect();
        assert_eq!(inside, [(1, 1), (2, 1)]);
        assert_eq!(rect.area(), inside.len());
        assert_eq!(Rect::central(227, 227), Rect { x: 57, y: 57, width: 113, height: 113 });
    }

    #[test]
    #[should_panic(expected = "inside the 3x3 mask, got (3, 0)")]
    fn a_pixel_outside_is_the_callers_bug() {
        corner().is_hidden(3, 0);
    }

    #[test]
    #[should_panic(expected = "must have pixels, got 0x4")]
    fn a_mask_without_pixels_is_the_callers_bug() {
        Mask::visible(0, 4);
    }
}
