//! Which regions of a picture are learned from.

use rand::{Rng, seq::SliceRandom};

use super::BoxDeltas;
use crate::{Rect, voc::Object};

/// How regions are sampled (Fast R-CNN, section 2.3).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// Regions a picture.
    pub regions: usize,
    /// The largest share of objects among them.
    pub objects: f32,
    /// Overlap with an object from which on a region is that object.
    pub object_from: f32,
    /// Overlap from which on, up to `object_from`, a region is background; less is too easy.
    pub background_from: f32,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { regions: 64, objects: 0.25, object_from: 0.5, background_from: 0.1 }
    }
}

/// A region to learn from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Region {
    /// Where.
    pub rect: Rect,
    /// Its class and how it must change; nothing for background.
    pub object: Option<(usize, BoxDeltas)>,
}

impl Sampling {
    /// Draws regions from proposals and from the objects themselves. Difficult objects are left out of
    /// everything.
    pub fn draw(&self, proposals: &[Rect], objects: &[Object], rng: &mut impl Rng) -> Vec<Region> {
        let truths: Vec<&Object> = objects.iter().filter(|object| !object.difficult).collect();
        let all = proposals.iter().copied().chain(truths.iter().map(|object| object.rect));
        let (mut found, mut ground, mut easy) = (Vec::new(), Vec::new(), Vec::new());
        for rect in all.filter(|rect| rect.width() >= 1.0 && rect.height() >= 1.0) {
            let overlaps = truths.iter().map(|object| (object.rect.iou(&rect), object));
            match overlaps.max_by(|a, b| a.0.total_cmp(&b.0)) {
                Some((overlap, object)) if overlap >= self.object_from => {
                    let deltas = BoxDeltas::between(&rect, &object.rect);
                    found.push(Region { rect, object: Some((object.class, deltas)) });
                }
                Some((overlap, _)) if overlap >= self.background_from => {
                    ground.push(Region { rect, object: None });
                }
                _ => easy.push(Region { rect, object: None }),
            }
        }
        for regions in [&mut found, &mut ground, &mut easy] {
            regions.shuffle(rng);
        }
        found.truncate((self.objects * self.regions as f32).round() as usize);
        // Easy background only where there is not enough of the other.
        let rest = ground.into_iter().chain(easy).take(self.regions.saturating_sub(found.len()));
        found.into_iter().chain(rest).collect()
    }
}

#[cfg(test)]
mod tests {
    use context_encoder_data::{Purpose, rng_for};

    use super::*;

    #[test]
    fn a_quarter_are_objects_at_most() {
        let object = Object { class: 2, rect: Rect::new(0.0, 0.0, 20.0, 20.0), difficult: false };
        let hard = Object { class: 1, rect: Rect::new(60.0, 0.0, 80.0, 20.0), difficult: true };
        let slide = |x: usize| Rect::new(x as f32, 0.0, x as f32 + 20.0, 20.0);
        let proposals: Vec<Rect> = (0..80).map(slide).collect();
        let sampling = Sampling { regions: 12, ..Sampling::default() };
        let regions = sampling.draw(&proposals, &[object, hard], &mut rng_for(1, Purpose::Crop, 0, 0));
        assert_eq!(regions.len(), 12);
        assert_eq!(regions.iter().filter(|region| region.object.is_some()).count(), 3);
        for Region { rect, object: what } in regions {
            let overlap = rect.iou(&object.rect);
            assert_eq!(what.is_some(), overlap >= 0.5);
            match what {
                Some((class, deltas)) => {
                    assert!(class == 2 && deltas.apply(&rect).iou(&object.rect) > 0.999);
                }
                None => assert!((0.1..0.5).contains(&overlap), "easy ones are not needed: {overlap}"),
            }
        }
        let few = sampling.draw(&proposals[70..75], &[object], &mut rng_for(1, Purpose::Crop, 0, 0));
        assert_eq!(few.len(), 6); // five easy ones and the object itself
    }
}
