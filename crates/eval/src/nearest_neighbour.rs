//! Pasting from the picture whose surroundings look most alike (paper, Table 1, "NN-inpainting").

use std::sync::{Mutex, PoisonError};

use burn::tensor::Device;
use context_encoder_inpaint::{Fill, InpaintError, check_mask};
use context_encoder_mask::Mask;
use image::RgbImage;

use crate::{
    EvalError,
    retrieval::{Descriptor, Search},
};

/// Fills a hole with the pixels that the nearest picture of a gallery has in the same place; nearest by what
/// surrounds the hole, as a [`Descriptor`] sees it. Neither the hole's content nor the gallery's in that
/// place is looked at.
pub struct NearestNeighbour<D> {
    gallery: Vec<RgbImage>,
    descriptor: D,
    name: String,
    device: Device,
    /// The gallery's vectors around one hole: most fills are of the same one.
    described: Mutex<Option<(Mask, Vec<Vec<f32>>)>>,
}

impl<D: Descriptor> NearestNeighbour<D> {
    /// Takes a gallery of pictures of the size that will be filled.
    pub fn new(gallery: Vec<RgbImage>, descriptor: D, device: &Device) -> Self {
        let name = format!("nearest neighbour, {}", descriptor.name());
        Self { gallery, descriptor, name, device: device.clone(), described: Mutex::new(None) }
    }

    /// The place in the gallery of the picture nearest to each.
    fn nearest(&self, pictures: &[RgbImage], mask: &Mask) -> Result<Vec<Option<usize>>, EvalError> {
        let mut described = self.described.lock().unwrap_or_else(PoisonError::into_inner);
        let vectors = match described.take() {
            Some((before, vectors)) if before == *mask => vectors,
            _ => self.descriptor.describe(&self.gallery, &vec![mask.clone(); self.gallery.len()])?,
        };
        let queries = self.descriptor.describe(pictures, &vec![mask.clone(); pictures.len()])?;
        let mut search = Search::new(&queries, 1, &self.device);
        search.take_rows(&vectors);
        *described = Some((mask.clone(), vectors));
        Ok(search.finish().into_iter().map(|found| found.first().map(|neighbour| neighbour.index)).collect())
    }
}

impl<D: Descriptor> Fill for NearestNeighbour<D> {
    fn name(&self) -> &str {
        &self.name
    }

    /// # Errors
    /// [`EvalError::Gallery`] when the gallery's pictures are of another size, and what the descriptor
    /// refuses.
    fn fill(&self, picture: &RgbImage, mask: &Mask) -> Result<RgbImage, InpaintError> {
        let filled = self.fill_all(std::slice::from_ref(picture), std::slice::from_ref(mask))?;
        Ok(filled.into_iter().next().unwrap_or_else(|| picture.clone()))
    }

    fn fill_all(&self, pictures: &[RgbImage], masks: &[Mask]) -> Result<Vec<RgbImage>, InpaintError> {
        let mut filled = Vec::with_capacity(pictures.len());
        // Runs of equal masks are looked up together.
        let mut rest = pictures.iter().zip(masks).peekable();
        while let Some((first, mask)) = rest.next() {
            let mut run = vec![first.clone()];
            while let Some((picture, _)) = rest.next_if(|(_, next)| *next == mask) {
                run.push(picture.clone());
            }
            for picture in &run {
                check_mask(picture.dimensions(), mask)?;
            }
            for (picture, place) in run.iter().zip(self.nearest(&run, mask)?) {
                filled.push(match place {
                    Some(place) => paste(picture, mask, &self.gallery[place])?,
                    None => return Err(EvalError::EmptyGallery.into()),
                });
            }
        }
        Ok(filled)
    }
}

/// The picture with another's pixels where the mask hides.
fn paste(picture: &RgbImage, mask: &Mask, other: &RgbImage) -> Result<RgbImage, EvalError> {
    let (width, height) = picture.dimensions();
    if other.dimensions() != (width, height) {
        return Err(EvalError::Gallery { picture: (width, height), gallery: other.dimensions() });
    }
    Ok(RgbImage::from_fn(width, height, |x, y| {
        *if mask.is_hidden(x, y) { other.get_pixel(x, y) } else { picture.get_pixel(x, y) }
    }))
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;
    use crate::{Protocol, retrieval::Hog};

    /// Stripes of one direction around a grey square.
    fn stripes(gradient: u32, centre: u8) -> RgbImage {
        RgbImage::from_fn(64, 64, |x, y| {
            let inside = (16..48).contains(&x) && (16..48).contains(&y);
            Rgb([if inside { centre } else { ((2 * x + gradient * y) / 12 % 2 * 200) as u8 }; 3])
        })
    }

    #[test]
    fn picture_with_the_same_surroundings_fills_the_hole() {
        let gallery = vec![stripes(0, 10), stripes(2, 20), stripes(6, 30)];
        let fill = NearestNeighbour::new(gallery, Hog, &Device::flex());
        let mask = Protocol::Hidden.mask(64);
        for (gradient, centre) in [(6, 30), (0, 10), (2, 20)] {
            let filled = fill.fill(&stripes(gradient, 255), &mask).expect("found");
            assert!(filled == stripes(gradient, centre), "gradient {gradient}");
        }
        assert_eq!(fill.name(), "nearest neighbour, HOG");
    }

    #[test]
    fn empty_gallery_is_refused() {
        let fill = NearestNeighbour::new(Vec::new(), Hog, &Device::flex());
        let error = fill.fill(&stripes(2, 0), &Protocol::Hidden.mask(64)).expect_err("nothing to paste");
        assert!(error.to_string().contains("gallery"));
    }
}
