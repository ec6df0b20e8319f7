//! Pictures on their way through the network: the crops of all their holes, several at a time.

use burn::tensor::{Device, Tensor, TensorData};
use context_encoder_mask::{Mask, Rect};
use context_encoder_model::Predictor;
use rayon::prelude::*;

use crate::{
    InpaintError,
    blend::{Blend, Correction},
    channel::{Channel, Image},
    crop::{Crop, InputSpec, Weighting},
    hole::{Hole, Parts, Thin},
    model_input::ModelInput,
    patch::{Patch, PatchAggregator},
    progress::{CROP, Progress, Report},
    refine::{self, Refine, with_patches},
    thin::{self, ThinPrediction},
};

/// Crops that go through the network at once.
pub(crate) const BATCH: usize = 16;

/// Components of a mask that lie in a square of the network's side divided by this are one hole.
const TOGETHER: u32 = 4;

/// One picture with its holes.
pub(crate) struct Job<'a, S: Channel> {
    picture: &'a Image<S>,
    mask: &'a Mask,
    holes: Vec<HoleJob>,
    thin: ThinPrediction,
    /// The picture is of the network's size and the network can fill it as it is.
    as_it_is: bool,
}

/// One hole with what has been predicted for it.
struct HoleJob {
    hole: Hole,
    rounds: Vec<Vec<Crop>>,
    predicted: PatchAggregator,
}

/// What a crop is for.
#[derive(Clone, Copy)]
enum Part {
    /// The hole of this number.
    Hole(usize),
    /// Scratches and wires.
    Thin,
}

impl HoleJob {
    /// What has been predicted for a pixel of the picture; none outside the hole.
    fn predicted_pixel(&self, x: u32, y: u32) -> Option<[f32; 3]> {
        if !self.hole.frame.contains(x, y) {
            return None;
        }
        let at = self.hole.index(x, y);
        self.hole.inside[at].then(|| self.predicted.pixels[at])
    }
}

impl<'a, S: Channel> Job<'a, S> {
    /// Finds the holes and their crops. The mask is of the picture's size and leaves something visible.
    pub(crate) fn new(picture: &'a Image<S>, mask: &'a Mask, spec: &InputSpec) -> Self {
        let size = picture.dimensions();
        let as_it_is = fits(mask, spec);
        let Parts { holes, thin } = if as_it_is {
            Parts { holes: Hole::whole(mask).into_iter().collect(), thin: Thin::default() }
        } else {
            Parts::find(mask, spec.side / TOGETHER)
        };
        let job = |hole: Hole| {
            let rounds = if as_it_is {
                vec![vec![Crop { x: 0, y: 0, side: spec.side, weighting: Weighting::Single }]]
            } else {
                spec.crops(&hole, size)
            };
            HoleJob { predicted: PatchAggregator::new(&hole), rounds, hole }
        };
        let thin = ThinPrediction::new(thin, spec, size);
        Self { picture, mask, holes: holes.into_par_iter().map(job).collect(), thin, as_it_is }
    }

    /// What a network sees of a crop in some round.
    fn input(&self, spec: &InputSpec, part: Part, round: usize, crop: &Crop) -> ModelInput {
        let width = self.mask.width() as usize;
        let hidden = self.mask.hidden();
        let predicted_before = |x: u32, y: u32| match part {
            Part::Hole(hole) if round > 0 => self.holes[hole].predicted_pixel(x, y),
            Part::Hole(_) | Part::Thin => None,
        };
        let read = |x: u32, y: u32| {
            if hidden[y as usize * width + x as usize] {
                predicted_before(x, y)
            } else {
                Some(S::normalized(self.picture.get_pixel(x, y)))
            }
        };
        let mut input = ModelInput::cut(crop, self.picture.dimensions(), spec.side as usize, read);
        // A network for the centre has seen no hole but that, so it sees other holes filled smoothly. One for
        // whole pictures has seen holes anywhere, and nothing invented should pass for the picture.
        if !self.as_it_is && (round > 0 || spec.predicts_centre()) {
            input.hide_only(spec.hidden_square());
        }
        input
    }

    /// The crops of a round, with what they are for.
    fn crops(&self, round: usize) -> impl Iterator<Item = (Part, Crop)> {
        let of_holes = self.holes.iter().enumerate().flat_map(move |(number, hole)| {
            hole.rounds.get(round).into_iter().flatten().map(move |&crop| (Part::Hole(number), crop))
        });
        let thin = if round == 0 { &self.thin.crops[..] } else { &[] };
        of_holes.chain(thin.iter().map(|&crop| (Part::Thin, crop)))
    }

    /// How many rounds there are.
    fn rounds(&self) -> usize {
        let of_holes = self.holes.iter().map(|hole| hole.rounds.len()).max().unwrap_or(0);
        of_holes.max(usize::from(!self.thin.crops.is_empty()))
    }

    /// About how much is to be done, in patches searched for.
    fn work(&self, refine: Refine) -> u64 {
        let crops: usize = (0..self.rounds()).map(|round| self.crops(round).count()).sum();
        let refining = match refine {
            Refine::None => 0,
            Refine::Patches => {
                let holes = self.holes.iter().map(|hole| refine::work(&hole.hole)).sum::<u64>();
                holes + thin::work(self.thin.pixels())
            }
        };
        crops as u64 * CROP + refining
    }

    /// The picture with its holes filled.
    pub(crate) fn finish(self, blend: Blend, refine: Refine, progress: &Progress<'_>) -> Image<S> {
        let mut filled = self.picture.clone();
        let mut holes = Vec::new();
        for HoleJob { hole, mut predicted, .. } in self.holes {
            if let Some(correction) = Correction::new(blend, &hole) {
                let visible = |at: usize| {
                    let (x, y) = hole.position(at);
                    S::normalized(self.picture.get_pixel(x, y))
                };
                for color in 0..3 {
                    let values = correction.solve(|at| visible(at)[color] - predicted.pixels[at][color]);
                    predicted.pixels.iter_mut().zip(values).for_each(|(pixel, value)| pixel[color] += value);
                }
            }
            for (x, y, at) in hole.pixels() {
                filled.put_pixel(x, y, S::to_pixel(predicted.pixels[at]));
            }
            holes.push(hole);
        }
        let thin = self.thin.fill(&mut filled);
        if refine == Refine::Patches {
            with_patches(&mut filled, self.mask, &holes, &thin, progress);
        }
        filled
    }
}

/// Whether the mask is of the network's size and hides only what the network predicts.
fn fits(mask: &Mask, spec: &InputSpec) -> bool {
    let side = spec.side;
    if (mask.width(), mask.height()) != (side, side) {
        return false;
    }
    let centre = Rect::central(side, side);
    let inside = |bounds: Rect| {
        bounds.x >= centre.x
            && bounds.y >= centre.y
            && bounds.right() <= centre.right()
            && bounds.bottom() <= centre.bottom()
    };
    !spec.predicts_centre() || mask.bounds().is_some_and(inside)
}

/// Progress over all pictures, if somebody wants to know.
pub(crate) fn progress<'a, S: Channel>(
    jobs: &[Job<'_, S>],
    refine: Refine,
    report: Option<&'a Report>,
) -> Progress<'a> {
    let total = report.map_or(0, |_| jobs.iter().map(|job| job.work(refine)).sum());
    Progress::new(report, total)
}

/// Sends the crops of all pictures through the network, round after round.
pub(crate) async fn predict<S: Channel>(
    jobs: &mut [Job<'_, S>],
    spec: &InputSpec,
    predictor: &Predictor,
    device: &Device,
    progress: &Progress<'_>,
) -> Result<(), InpaintError> {
    let rounds = jobs.iter().map(Job::rounds).max().unwrap_or(0);
    for round in 0..rounds {
        let crops: Vec<(usize, Part, Crop)> = jobs
            .iter()
            .enumerate()
            .flat_map(|(picture, job)| job.crops(round).map(move |(part, crop)| (picture, part, crop)))
            .collect();
        for batch in crops.chunks(BATCH) {
            let inputs: Vec<ModelInput> = batch
                .par_iter()
                .map(|&(picture, part, ref crop)| jobs[picture].input(spec, part, round, crop))
                .collect();
            let patches = forward(&inputs, spec, predictor, device).await?;
            for (&(picture, part, ref crop), patch) in batch.iter().zip(&patches) {
                match part {
                    Part::Hole(hole) => jobs[picture].holes[hole].predicted.add(crop, patch),
                    Part::Thin => jobs[picture].thin.add(crop, patch),
                }
            }
            progress.add(batch.len() as u64 * CROP);
        }
        for hole in jobs.iter_mut().flat_map(|job| &mut job.holes) {
            hole.predicted.end_round(round == 0);
        }
    }
    Ok(())
}

/// One pass through the network.
async fn forward(
    inputs: &[ModelInput],
    spec: &InputSpec,
    predictor: &Predictor,
    device: &Device,
) -> Result<Vec<Patch>, InpaintError> {
    let (count, side) = (inputs.len(), spec.side as usize);
    let colors: Vec<f32> = inputs.iter().flat_map(|input| input.colors.iter().flatten().copied()).collect();
    let hidden: Vec<f32> = inputs
        .iter()
        .flat_map(|input| input.hidden.iter().map(|&hidden| f32::from(u8::from(hidden))))
        .collect();
    let images = Tensor::<4>::from_data(TensorData::new(colors, [count, 3, side, side]), device);
    let masks = Tensor::<4>::from_data(TensorData::new(hidden, [count, 1, side, side]), device);
    let mut prediction = predictor.forward(images.clone(), masks.clone()); // [count, 3, predicted, predicted]
    if spec.mirror {
        let mirrored = predictor.forward(images.flip([3]), masks.flip([3])).flip([3]);
        prediction = (prediction + mirrored) * 0.5;
    }
    let [_, _, predicted, _] = prediction.dims();
    let data = prediction.into_data_async().await.map_err(InpaintError::device)?;
    let data = data.try_cast_as::<f32>().map_err(InpaintError::device)?;
    let values = data.try_into_vec::<f32>().map_err(InpaintError::device)?;
    let area = predicted * predicted;
    let patch = |planes: &[f32]| {
        let pixels = (0..area).map(|at| [0, 1, 2].map(|color| planes[color * area + at])).collect();
        Patch { side: predicted, pixels, central: spec.predicts_centre() }
    };
    Ok(values.chunks(3 * area).map(patch).collect())
}

#[cfg(test)]
mod tests {
    use context_encoder_model::Prediction;
    use image::RgbImage;

    use super::*;

    fn crops(width: u32, height: u32, is_hidden: impl FnMut(u32, u32) -> bool) -> usize {
        let spec = InputSpec { side: 128, prediction: Prediction::Centre, overlap: 0, mirror: false };
        let picture = RgbImage::new(width, height);
        let mask = Mask::from_fn(width, height, is_hidden);
        let job = Job::new(&picture, &mask, &spec);
        (0..job.rounds()).map(|round| job.crops(round).count()).sum()
    }

    #[test]
    fn lines_of_two_pixels_need_no_network_and_wires_share_its_crops() {
        assert_eq!(crops(400, 300, |x, y| x % 20 < 2 || y % 20 < 2), 0);
        let noise = |x: u32, y: u32| x.wrapping_mul(0x9E37_79B9) ^ y.wrapping_mul(0x85EB_CA6B);
        assert_eq!(crops(400, 300, |x, y| (noise(x, y) >> 13) % 5 == 0), 0);
        // wires of 6 pixels, 16 pixels apart: each tile of 32 pixels is predicted once
        assert!(crops(320, 320, |_, y| y % 16 < 6) <= 10 * 10);
        // along a diagonal about three tiles for every two that it is wide
        let diagonal = crops(3200, 3200, |x, y| x.abs_diff(y) < 4);
        assert!((100..=300).contains(&diagonal), "{diagonal}");
        // a blob has one crop
        assert_eq!(crops(320, 320, |x, y| x.abs_diff(160) < 20 && y.abs_diff(160) < 20), 1);
    }
}
