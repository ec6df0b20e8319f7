//! Pointwise operations with a kernel of their own: masking and tanh.

use burn::tensor::{Tensor, TensorData};

use crate::{dispatch::Implementation, in_32_bits};

/// `(1 - M) x + M color`: an image with its hidden part in one color, as the encoder sees it. The mask M is 1
/// where a pixel is hidden.
///
/// # Shapes
/// - `images`: `[batch, 3, height, width]`, `masks`: `[batch, 1, height, width]`, 1 = hidden
/// - output: `[batch, 3, height, width]`
///
/// ```
/// use burn::tensor::{Device, Tensor};
///
/// let device = Device::default();
/// let (image, mask) = (Tensor::<4>::zeros([1, 3, 1, 1], &device), Tensor::<4>::ones([1, 1, 1, 1], &device));
/// let seen = context_encoder_ops::apply_mask(image, mask, [0.1, 0.2, 0.3]);
/// assert_eq!(seen.into_data().try_to_vec::<f32>().expect("f32"), [0.1, 0.2, 0.3]);
/// ```
///
/// # Panics
/// When the shapes do not belong together.
pub fn apply_mask(images: Tensor<4>, masks: Tensor<4>, color: [f32; 3]) -> Tensor<4> {
    assert_mask_shape(&images, &masks);
    match Implementation::of(&images) {
        #[cfg(feature = "flex")]
        Implementation::Cpu => match crate::cpu::apply_mask(&images, &masks, color) {
            Some(masked) => masked,
            None => apply_mask_reference(images, masks, color), // somebody wants gradients
        },
        #[cfg(feature = "cube")]
        Implementation::Cube => match crate::cube::apply_mask(&images, &masks, color) {
            Some(masked) => masked,
            None => apply_mask_reference(images, masks, color),
        },
        _ => apply_mask_reference(images, masks, color),
    }
}

pub(crate) fn assert_mask_shape(images: &Tensor<4>, masks: &Tensor<4>) {
    let [batch, channels, height, width] = images.dims();
    assert!(
        channels == 3 && masks.dims() == [batch, 1, height, width],
        "masks {:?} do not belong to images {:?}",
        masks.dims(),
        images.dims()
    );
}

fn apply_mask_reference(images: Tensor<4>, masks: Tensor<4>, color: [f32; 3]) -> Tensor<4> {
    let color = Tensor::<4>::from_data(TensorData::new(color.to_vec(), [1, 3, 1, 1]), &images.device());
    let visible = masks.clone().neg().add_scalar(1.0);
    images * visible + masks * color
}

/// `tanh(x)`, any shape of four axes.
///
/// ```
/// use burn::tensor::{Device, Tensor};
///
/// let x = Tensor::<4>::ones([1, 1, 1, 1], &Device::default());
/// let y = context_encoder_ops::tanh(x).into_scalar::<f32>();
/// assert!((y - 1_f32.tanh()).abs() < 1e-6);
/// ```
pub fn tanh(x: Tensor<4>) -> Tensor<4> {
    match Implementation::of(&x) {
        #[cfg(feature = "flex")]
        Implementation::Cpu => crate::cpu::tanh(x),
        _ => in_32_bits(x).tanh(),
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::testing::{difference, noise, output_and_gradient};

    #[test]
    fn apply_mask_matches_reference_with_and_without_gradients() {
        let device = Device::flex();
        let (images, masks) = (noise([3, 3, 7, 5], 1, &device), noise([3, 1, 7, 5], 2, &device));
        let masks = masks.greater_elem(0.0).float();
        let expected = apply_mask_reference(images.clone(), masks.clone(), [0.1, -0.2, 0.3]).into_data();
        apply_mask(images.clone(), masks.clone(), [0.1, -0.2, 0.3]).into_data().assert_eq(&expected, true);

        let device = device.autodiff();
        let images = Tensor::<4>::from_data(images.into_data(), &device).require_grad();
        let masks = Tensor::<4>::from_data(masks.into_data(), &device);
        let seen = apply_mask(images.clone(), masks.clone(), [0.1, -0.2, 0.3]);
        seen.clone().into_data().assert_eq(&expected, true);
        let dx = images.grad(&seen.sum().backward()).expect("tracked");
        let visible = masks.neg().add_scalar(1.0).inner().expand([3, 3, 7, 5]);
        dx.into_data().assert_eq(&visible.into_data(), true);
        apply_mask(images.detach(), Tensor::zeros([3, 1, 7, 5], &device), [0.0; 3]); // a constant of a graph
    }

    #[test]
    fn tanh_matches_reference_with_gradient() {
        let device = Device::flex().autodiff();
        for scale in [0.01, 1.0, 30.0] {
            let x = (noise([2, 3, 5, 7], 1, &device) * scale).detach().require_grad();
            let (y, dx) = output_and_gradient(&x, tanh);
            let (expected_y, expected_dx) = output_and_gradient(&x, Tensor::tanh);
            assert!((y - expected_y).abs().max().into_scalar::<f32>() < 5e-7);
            assert!(difference(dx, expected_dx) < 1e-5);
        }
    }
}
