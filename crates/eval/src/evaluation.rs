//! Any number of fills over any number of pictures, in one table.

use std::fmt;

use context_encoder_inpaint::Fill;
use context_encoder_mask::Mask;
use image::RgbImage;

use crate::{EvalError, Interval, Protocol, Scores};

/// Mean scores of one fill.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The fill's name.
    pub name: String,
    /// Over the whole central square, a visible rim included.
    pub square: Scores,
    /// Over the hidden pixels alone.
    pub hole: Scores,
    /// Of each picture's whole central square, in the order of the pictures.
    pub pictures: Vec<Scores>,
}

impl Entry {
    /// How sure the mean of a score over the square is.
    ///
    /// ```
    /// # use context_encoder_eval::{Protocol, evaluate};
    /// # use context_encoder_inpaint::Harmonic;
    /// # let pictures: Vec<_> = (1..9).map(|i| image::RgbImage::from_fn(64, 64, |x, y| {
    /// #     image::Rgb([(i * x * y % 251) as u8; 3])
    /// # })).collect();
    /// let table = evaluate(&[&Harmonic], &pictures, Protocol::Hidden)?;
    /// let entry = &table.entries[0];
    /// let sure = entry.interval(|scores| scores.psnr).expect("numbers");
    /// assert!(sure.low < entry.square.psnr && entry.square.psnr < sure.high);
    /// # Ok::<(), context_encoder_eval::EvalError>(())
    /// ```
    pub fn interval(&self, score: impl Fn(&Scores) -> f64) -> Option<Interval> {
        Interval::of_mean(&self.pictures.iter().map(score).collect::<Vec<f64>>())
    }
}

/// Mean scores of several fills on the same pictures and holes.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// What was hidden.
    pub protocol: Protocol,
    /// How many pictures the means are over.
    pub pictures: usize,
    /// One entry per fill, in the order given.
    pub entries: Vec<Entry>,
}

/// Measures fills on square pictures of the network's size with a central hole (paper, Table 1).
///
/// Visible pixels of the square stay as they are for every fill alike. Scores are averaged over pictures,
/// PSNR too.
///
/// ```
/// use context_encoder_eval::{BorderMean, Protocol, evaluate};
/// use context_encoder_inpaint::Harmonic;
/// use image::{Rgb, RgbImage};
///
/// let slope = RgbImage::from_fn(64, 64, |x, _| Rgb([(2 * x) as u8; 3]));
/// let table = evaluate(&[&BorderMean, &Harmonic], &[slope], Protocol::Hidden)?;
/// assert!(table.entries[1].square.psnr > table.entries[0].square.psnr);
/// println!("{table}");
/// # Ok::<(), context_encoder_eval::EvalError>(())
/// ```
///
/// # Errors
/// When a fill refuses a picture.
pub fn evaluate(fills: &[&dyn Fill], pictures: &[RgbImage], protocol: Protocol) -> Result<Table, EvalError> {
    let masks: Vec<Mask> = pictures.iter().map(|picture| protocol.mask(picture.width())).collect();
    let mut entries = Vec::with_capacity(fills.len());
    for fill in fills {
        let filled = fill.fill_all(pictures, &masks)?;
        let pairs = || filled.iter().zip(pictures);
        let square: Vec<Scores> = pairs()
            .map(|(filled, truth)| Scores::inside(filled, truth, protocol.square(truth.width())))
            .collect();
        let hole: Vec<Scores> = pairs()
            .zip(&masks)
            .filter_map(|((filled, truth), mask)| Some(Scores::inside(filled, truth, mask.bounds()?)))
            .collect();
        if let (Some(mean), Some(hole)) = (Scores::mean(&square), Scores::mean(&hole)) {
            entries.push(Entry { name: fill.name().to_owned(), square: mean, hole, pictures: square });
        }
    }
    Ok(Table { protocol, pictures: pictures.len(), entries })
}

impl fmt::Display for Table {
    /// As a Markdown table.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (protocol, pictures) = (self.protocol, self.pictures);
        let overlap = protocol.overlap();
        writeln!(
            f,
            "Protocol `{protocol}` ({overlap} px of the central square visible), mean of {pictures} pictures; in brackets 95 % intervals.\n"
        )?;
        writeln!(
            f,
            "| fill | L1 % | L2 % | PSNR dB | SSIM | sharpness | hole: L1 % | L2 % | PSNR dB | SSIM | sharpness |"
        )?;
        write!(f, "|---|---|---|---|---|---|---|---|---|---|---|")?;
        for entry in &self.entries {
            write!(f, "\n| {} |", entry.name)?;
            // The means of few pictures are unsure; the hole's are about as unsure as the square's.
            let sure = entry.interval(|scores| scores.psnr).filter(|_| entry.pictures.len() > 1);
            let sure = sure.map(|Interval { low, high }| format!(" ({low:.2} to {high:.2})"));
            for (scores, sure) in [(entry.square, sure.unwrap_or_default()), (entry.hole, String::new())] {
                let Scores { l1, l2, psnr, ssim, sharpness } = scores;
                write!(f, " {l1:.2} | {l2:.2} | {psnr:.2}{sure} | {ssim:.3} | {sharpness:.2} |")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;
    use crate::BorderMean;
    use context_encoder_inpaint::Harmonic;

    #[test]
    fn a_visible_rim_flatters_the_square_but_not_the_hole() {
        let picture = RgbImage::from_fn(64, 64, |x, y| Rgb([((x / 5 + y / 7) % 2 * 160) as u8; 3]));
        let at = |protocol| {
            let table = evaluate(&[&Harmonic], std::slice::from_ref(&picture), protocol).expect("usable");
            (table.entries[0].square, table.entries[0].hole)
        };
        let (hidden, hidden_hole) = at(Protocol::Hidden);
        let (paper, paper_hole) = at(Protocol::Paper);
        assert_eq!(hidden, hidden_hole);
        assert!(paper.l1 < paper_hole.l1 && paper.l1 < hidden.l1);
    }

    #[test]
    fn the_table_is_markdown_with_a_row_for_each_fill() {
        let pictures = [RgbImage::new(64, 64), RgbImage::new(64, 64)];
        let text =
            evaluate(&[&BorderMean, &Harmonic], &pictures, Protocol::Authors).expect("usable").to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 6);
        assert!(lines[0].contains("4 px") && lines[0].contains("2 pictures"));
        assert!(lines[4].starts_with("| border mean | 0.00 | 0.00 | inf |"));
        assert!(lines.iter().skip(2).all(|line| line.matches('|').count() == 12), "{text}");
    }
}
