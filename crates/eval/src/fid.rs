//! Fréchet inception distance (Heusel et al., NIPS 2017).

use std::path::Path;

use burn::{
    linalg::svd,
    tensor::{Device, Tensor, TensorData},
};
use context_encoder_data::pixel::images_to_tensor;
use context_encoder_model::read_tensors;
use context_encoder_ops::resize;
use image::RgbImage;

use crate::{
    EvalError,
    inception::{FEATURES, Inception, SIDE},
};

/// Images that go through the network at a time.
const BATCH: usize = 16;

/// Most sweeps of the singular value decomposition for each value.
const SWEEPS: usize = 60;

/// How different two sets of images look: the Fréchet distance of two normal distributions, fitted to what
/// Inception v3 computes for each set. 0 for equal sets; lower is better. With fewer than some thousand
/// images it is larger than it would be with more: compare sets of equal size only.
///
/// The weights are not part of this library: they are the file `pt_inception-2015-12-05-6726825d.pth` of the
/// Python package pytorch-fid, and the distances are those that it gives.
pub struct Fid {
    network: Inception,
    device: Device,
}

/// What Inception v3 computes for a set of images: 2048 numbers each.
#[derive(Clone, Debug)]
pub struct FidFeatures(Vec<Vec<f64>>);

impl Fid {
    /// Reads the weights from a PyTorch or safetensors file under torchvision's names.
    ///
    /// # Errors
    /// [`EvalError::Model`] when the file cannot be read, [`EvalError::Fid`] when a tensor is missing or of
    /// another shape.
    pub fn load(path: impl AsRef<Path>, device: &Device) -> Result<Self, EvalError> {
        let path = path.as_ref();
        let network = Inception::from_tensors(read_tensors(path)?, device)
            .map_err(|reason| EvalError::Fid { path: path.to_owned(), reason })?;
        Ok(Self { network, device: device.clone() })
    }

    /// What the network computes for images, each resized to 299x299.
    pub fn features<'a>(&self, images: impl IntoIterator<Item = &'a RgbImage>) -> FidFeatures {
        let images: Vec<&RgbImage> = images.into_iter().collect();
        let mut features = Vec::with_capacity(images.len());
        // Images of one size go through the network together.
        for images in images.chunk_by(|one, next| one.dimensions() == next.dimensions()) {
            for batch in images.chunks(BATCH) {
                let batch: Vec<RgbImage> = batch.iter().map(|&image| image.clone()).collect();
                let maps = self.network.maps(resize(images_to_tensor(&batch, &self.device), SIDE));
                let means: Vec<f64> = maps.mean_dims(&[2, 3]).into_data().iter::<f64>().collect();
                features.extend(means.chunks(FEATURES).map(<[f64]>::to_vec));
            }
        }
        FidFeatures(features)
    }

    /// The distance of two sets: `|m - m'|^2 + tr(C + C' - 2 (C C')^0.5)` of means and covariances. None when
    /// a set has fewer than two images, or features that are not finite.
    ///
    /// Time grows with the cube of the number of images.
    pub fn distance(&self, one: &FidFeatures, other: &FidFeatures) -> Option<f64> {
        let is_finite = |set: &FidFeatures| set.0.iter().flatten().all(|value| value.is_finite());
        if one.0.len().min(other.0.len()) < 2 || !is_finite(one) || !is_finite(other) {
            return None;
        }
        let [(mean, deviations), (other_mean, other_deviations)] = [one, other].map(FidFeatures::centred);
        let square = |values: &[f64]| values.iter().map(|value| value * value).sum::<f64>();
        let apart: Vec<f64> = mean.iter().zip(&other_mean).map(|(one, other)| one - other).collect();
        let scale = |deviations: &[Vec<f64>]| 1.0 / (deviations.len() as f64 - 1.0);
        let trace = |deviations: &[Vec<f64>]| {
            scale(deviations) * deviations.iter().map(|row| square(row)).sum::<f64>()
        };
        // With the centred features in the rows of A and B, C = A'A / (n - 1), and the eigenvalues of C C'
        // that are not 0 are the squares of the singular values of A B'.
        let norm = (scale(&deviations) * scale(&other_deviations)).sqrt();
        let product = deviations.iter().flat_map(|row| {
            let dot = |other: &Vec<f64>| row.iter().zip(other).map(|(one, other)| one * other).sum::<f64>();
            other_deviations.iter().map(move |other| (norm * dot(other)) as f32)
        });
        let shape = [deviations.len(), other_deviations.len()];
        let product =
            Tensor::<2>::from_data(TensorData::new(product.collect::<Vec<f32>>(), shape), &self.device);
        let (_, values, _) = svd::<2, 1>(product, SWEEPS);
        let root = values.into_data().iter::<f64>().sum::<f64>();
        Some(square(&apart) + trace(&deviations) + trace(&other_deviations) - 2.0 * root)
    }
}

impl FidFeatures {
    /// The mean, and what each image's features are above it.
    fn centred(&self) -> (Vec<f64>, Vec<Vec<f64>>) {
        let mut mean = vec![0.0; FEATURES];
        for row in &self.0 {
            mean.iter_mut().zip(row).for_each(|(mean, value)| *mean += value / self.0.len() as f64);
        }
        let above = |row: &Vec<f64>| row.iter().zip(&mean).map(|(value, mean)| value - mean).collect();
        let deviations = self.0.iter().map(above).collect();
        (mean, deviations)
    }
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;
    use crate::inception::formula_weights;

    fn image(number: u32) -> RgbImage {
        let color = |x: u32, y: u32| {
            [(3 * x + 20 * number) as u8, (4 * y * (number + 1)) as u8, (x * y * (number + 2) % 256) as u8]
        };
        RgbImage::from_fn(60, 48, |x, y| Rgb(color(x, y)))
    }

    #[test]
    fn distances_are_those_of_the_python_package() {
        let device = Device::flex();
        let network = Inception::from_tensors(formula_weights(), &device).expect("complete");
        let fid = Fid { network, device };
        let images: Vec<RgbImage> = (0..7).map(image).collect();
        let [one, other] = [&images[..3], &images[3..]].map(|images| fid.features(images));
        let distance = fid.distance(&one, &other).expect("more than one each");
        // pytorch-fid 0.3.0 with these weights: 138.00370, with a singular matrix under its root.
        assert!((distance - 138.0).abs() < 1e-3 * 138.0, "{distance}");
        assert!(fid.distance(&one, &one).expect("three").abs() < 1e-4 * 138.0);
        assert!(fid.distance(&fid.features(&images[..1]), &other).is_none());
    }
}
