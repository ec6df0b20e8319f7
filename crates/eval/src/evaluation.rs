//! Any number of fills over any number of pictures with central holes, in one table.

use std::{fmt, str::FromStr};

use context_encoder_inpaint::Fill;
use context_encoder_mask::{Central, Mask, MaskGenerator, Rect};
use image::RgbImage;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::{EvalError, Interval, Scores};

/// How much of the central square stays visible along its rim. A visible rim flatters every fill, so
/// results of different protocols never stand in one column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protocol {
    /// 7 pixels visible, as the paper trains.
    Paper,
    /// 4 pixels visible, as the authors' command line has it.
    Authors,
    /// The whole square hidden.
    #[default]
    Hidden,
}

impl Protocol {
    /// Every protocol.
    pub const ALL: [Self; 3] = [Self::Paper, Self::Authors, Self::Hidden];

    /// Width of the visible rim, pixels.
    pub fn overlap(self) -> u32 {
        match self {
            Self::Paper => 7,
            Self::Authors => 4,
            Self::Hidden => 0,
        }
    }

    /// The name used on command lines and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Paper => "paper",
            Self::Authors => "authors",
            Self::Hidden => "hidden",
        }
    }

    /// The mask for square pictures of this side.
    pub fn mask(self, side: u32) -> Mask {
        // central masks draw nothing from their stream
        Central::new(self.overlap()).generate(side, side, &mut ChaCha8Rng::seed_from_u64(0))
    }

    /// The square over which scores are taken: half the side, rim included.
    ///
    /// ```
    /// use context_encoder_eval::Protocol;
    /// let square = Protocol::Paper.square(128);
    /// assert_eq!((square.x, square.width), (32, 64));
    /// assert_eq!(Protocol::Paper.mask(128).hidden_count(), 50 * 50);
    /// ```
    pub fn square(self, side: u32) -> Rect {
        Rect::central(side, side)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Protocol {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|protocol| protocol.name() == name)
            .ok_or_else(|| format!("there is no protocol `{name}`; choose paper, authors or hidden"))
    }
}

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
    /// The 95 % interval of the mean of a score over the square.
    ///
    /// ```
    /// # use context_encoder_eval::{Protocol, evaluate};
    /// # use context_encoder_inpaint::Harmonic;
    /// # let pictures: Vec<_> = (1..9).map(|i| image::RgbImage::from_fn(64, 64, |x, y| {
    /// #     image::Rgb([(i * x * y % 251) as u8; 3])
    /// # })).collect();
    /// let table = evaluate(&[&Harmonic], &pictures, Protocol::Hidden)?;
    /// let entry = &table.entries[0];
    /// let interval = entry.interval(|scores| scores.psnr).expect("numbers");
    /// assert!(interval.low < entry.square.psnr && entry.square.psnr < interval.high);
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
/// let ramp = RgbImage::from_fn(64, 64, |x, _| Rgb([(2 * x) as u8; 3]));
/// let table = evaluate(&[&BorderMean, &Harmonic], &[ramp], Protocol::Hidden)?;
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

/// Measures fills over the hidden pixels of any masks, 1 = hidden: each fill's scores of each picture, in the
/// order of fills and pictures.
///
/// ```
/// use context_encoder_eval::{BorderMean, Scores, evaluate_hidden};
/// use context_encoder_inpaint::Harmonic;
/// use context_encoder_mask::Mask;
/// use image::{Rgb, RgbImage};
///
/// let ramp = RgbImage::from_fn(64, 64, |x, _| Rgb([(2 * x) as u8; 3]));
/// let disk = Mask::from_fn(64, 64, |x, y| x.abs_diff(30).pow(2) + y.abs_diff(20).pow(2) < 99);
/// let scores = evaluate_hidden(&[&BorderMean, &Harmonic], &[ramp], &[disk])?;
/// let [flat, smooth] = [0, 1].map(|fill| Scores::mean(&scores[fill]).expect("one picture"));
/// assert!(smooth.psnr > flat.psnr);
/// # Ok::<(), context_encoder_eval::EvalError>(())
/// ```
///
/// # Errors
/// When a fill refuses a picture or its mask.
pub fn evaluate_hidden(
    fills: &[&dyn Fill],
    pictures: &[RgbImage],
    masks: &[Mask],
) -> Result<Vec<Vec<Scores>>, EvalError> {
    let scores = |fill: &&dyn Fill| {
        let filled = fill.fill_all(pictures, masks)?;
        let pairs = filled.iter().zip(pictures).zip(masks);
        Ok(pairs.map(|((filled, truth), mask)| Scores::hidden(filled, truth, mask)).collect())
    };
    fills.iter().map(scores).collect()
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
            let interval = entry.interval(|scores| scores.psnr).filter(|_| entry.pictures.len() > 1);
            let interval = interval.map(|Interval { low, high }| format!(" ({low:.2} to {high:.2})"));
            for (scores, interval) in
                [(entry.square, interval.unwrap_or_default()), (entry.hole, String::new())]
            {
                let Scores { l1, l2, psnr, ssim, sharpness } = scores;
                write!(f, " {l1:.2} | {l2:.2} | {psnr:.2}{interval} | {ssim:.3} | {sharpness:.2} |")?;
            }
        }
        Ok(())
    }
}

/// A row of a published table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Published {
    /// What was measured.
    pub name: &'static str,
    /// Mean absolute difference, per cent.
    pub l1: f64,
    /// Mean squared difference, per cent.
    pub l2: f64,
    /// Decibels.
    pub psnr: f64,
}

/// The paper's Table 1: 100 held-out pictures of Paris StreetView, which its authors do not pass on freely.
/// Over the whole central square; the paper's networks are trained with 7 pixels of it visible.
pub const TABLE_1: [Published; 3] = [
    Published { name: "paper: nearest neighbour, HOG", l1: 19.92, l2: 6.92, psnr: 12.79 },
    Published { name: "paper: nearest neighbour, context features", l1: 15.10, l2: 4.30, psnr: 14.70 },
    Published { name: "paper: context encoder", l1: 9.37, l2: 1.96, psnr: 18.58 },
];

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;
    use crate::BorderMean;
    use context_encoder_inpaint::Harmonic;

    #[test]
    fn visible_rim_flatters_the_square_but_not_the_hole() {
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
    fn table_is_markdown_with_a_row_for_each_fill() {
        let pictures = [RgbImage::new(64, 64), RgbImage::new(64, 64)];
        let text =
            evaluate(&[&BorderMean, &Harmonic], &pictures, Protocol::Authors).expect("usable").to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 6);
        assert!(lines[0].contains("4 px") && lines[0].contains("2 pictures"));
        assert!(lines[4].starts_with("| border mean | 0.00 | 0.00 | inf |"));
        assert!(lines.iter().skip(2).all(|line| line.matches('|').count() == 12), "{text}");
    }

    #[test]
    fn protocol_names_round_trip() {
        for protocol in Protocol::ALL {
            assert_eq!(protocol.name().parse(), Ok(protocol));
        }
        assert!("hiden".parse::<Protocol>().is_err());
    }
}
