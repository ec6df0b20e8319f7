//! Pictures on their way through the network: the crops of all their holes, several at a time.

use burn::tensor::{Device, Tensor, TensorData};
use context_encoder_mask::{Mask, Rect};
use context_encoder_model::Predictor;
use rayon::prelude::*;

use crate::{
    blend::{Blend, Correction},
    channel::{Channel, Image},
    crop::{Crop, InputSpec, Weighting},
    hole::Hole,
    model_input::ModelInput,
    patch::{Patch, PatchAggregator},
    refine::{Refine, with_patches},
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
    /// The picture is of the network's size and the network can fill it as it is.
    as_it_is: bool,
}

/// One hole with what has been predicted for it.
struct HoleJob {
    hole: Hole,
    rounds: Vec<Vec<Crop>>,
    predicted: PatchAggregator,
}

impl<'a, S: Channel> Job<'a, S> {
    /// Finds the holes and their crops. The mask is of the picture's size and leaves something visible.
    pub(crate) fn new(picture: &'a Image<S>, mask: &'a Mask, spec: &InputSpec) -> Self {
        let size = picture.dimensions();
        let as_it_is = fits(mask, spec);
        let holes: Vec<Hole> = if as_it_is {
            Hole::whole(mask).into_iter().collect()
        } else {
            Hole::find(mask, spec.side / TOGETHER)
        };
        let job = |hole: Hole| {
            let rounds = if as_it_is {
                vec![vec![Crop { x: 0, y: 0, side: spec.side, weighting: Weighting::Single }]]
            } else {
                spec.crops(&hole, size)
            };
            HoleJob { predicted: PatchAggregator::new(&hole), rounds, hole }
        };
        Self { picture, mask, holes: holes.into_par_iter().map(job).collect(), as_it_is }
    }

    /// What a network sees of a crop in some round.
    fn input(&self, spec: &InputSpec, hole: usize, round: usize, crop: &Crop) -> ModelInput {
        let HoleJob { hole, predicted, .. } = &self.holes[hole];
        let width = self.mask.width() as usize;
        let hidden = self.mask.hidden();
        let read = |x: u32, y: u32| {
            if !hidden[y as usize * width + x as usize] {
                return Some(S::normalized(self.picture.get_pixel(x, y)));
            }
            let filled = round > 0 && hole.frame.contains(x, y) && hole.inside[hole.index(x, y)];
            filled.then(|| predicted.pixels[hole.index(x, y)])
        };
        let mut input = ModelInput::cut(crop, self.picture.dimensions(), spec.side as usize, read);
        // A network for the centre has seen no hole but that, so it sees other holes filled smoothly. One for
        // whole pictures has seen holes anywhere, and nothing invented should pass for the picture.
        if !self.as_it_is && (round > 0 || spec.predicts_centre()) {
            input.hide_only(spec.hidden_square());
        }
        input
    }

    /// The picture with its holes filled.
    pub(crate) fn finish(self, blend: Blend, refine: Refine) -> Image<S> {
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
        if refine == Refine::Patches {
            with_patches(&mut filled, self.mask, &holes);
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

/// Sends the crops of all pictures through the network, round after round.
pub(crate) fn predict<S: Channel>(
    jobs: &mut [Job<'_, S>],
    spec: &InputSpec,
    predictor: &Predictor,
    device: &Device,
) {
    let holes: Vec<(usize, usize)> = jobs
        .iter()
        .enumerate()
        .flat_map(|(picture, job)| (0..job.holes.len()).map(move |hole| (picture, hole)))
        .collect();
    let rounds = jobs.iter().flat_map(|job| &job.holes).map(|hole| hole.rounds.len()).max().unwrap_or(0);
    for round in 0..rounds {
        let crops: Vec<(usize, usize, Crop)> = holes
            .iter()
            .flat_map(|&(picture, hole)| {
                let crops = jobs[picture].holes[hole].rounds.get(round).into_iter().flatten();
                crops.map(move |&crop| (picture, hole, crop))
            })
            .collect();
        for batch in crops.chunks(BATCH) {
            let inputs: Vec<ModelInput> = batch
                .par_iter()
                .map(|(picture, hole, crop)| jobs[*picture].input(spec, *hole, round, crop))
                .collect();
            let patches = forward(&inputs, spec, predictor, device);
            for ((picture, hole, crop), patch) in batch.iter().zip(&patches) {
                jobs[*picture].holes[*hole].predicted.add(crop, patch);
            }
        }
        for &(picture, hole) in &holes {
            jobs[picture].holes[hole].predicted.end_round(round == 0);
        }
    }
}

/// One pass through the network.
fn forward(inputs: &[ModelInput], spec: &InputSpec, predictor: &Predictor, device: &Device) -> Vec<Patch> {
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
    let values = match prediction.try_into_vec_as::<f32>() {
        Ok(values) => values,
        Err(error) => panic!("cannot read a prediction from its device: {error}"),
    };
    let area = predicted * predicted;
    let patch = |planes: &[f32]| {
        let pixels = (0..area).map(|at| [0, 1, 2].map(|color| planes[color * area + at])).collect();
        Patch { side: predicted, pixels, central: spec.predicts_centre() }
    };
    values.chunks(3 * area).map(patch).collect()
}
