//! A picture with its hidden part in one colour, as the encoder sees it.

use burn::tensor::{Tensor, TensorData};

use crate::implementation::Implementation;

/// `(1 - M) x + M colour`, the mask M being 1 where a pixel is hidden.
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
pub fn apply_mask(images: Tensor<4>, masks: Tensor<4>, colour: [f32; 3]) -> Tensor<4> {
    let [batch, channels, height, width] = images.dims();
    assert!(
        channels == 3 && masks.dims() == [batch, 1, height, width],
        "masks {:?} do not belong to pictures {:?}",
        masks.dims(),
        images.dims()
    );
    match Implementation::of(&images) {
        #[cfg(feature = "flex")]
        Implementation::Optimized => match crate::flex::apply_mask(&images, &masks, colour) {
            Some(concealed) => concealed,
            None => plain(images, masks, colour),
        },
        _ => plain(images, masks, colour),
    }
}

fn plain(images: Tensor<4>, masks: Tensor<4>, colour: [f32; 3]) -> Tensor<4> {
    let colour = Tensor::<4>::from_data(TensorData::new(colour.to_vec(), [1, 3, 1, 1]), &images.device());
    let visible = masks.clone().neg().add_scalar(1.0);
    images * visible + masks * colour
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::noise::noise;

    #[test]
    fn it_is_the_plain_form_with_and_without_gradients() {
        let device = Device::flex();
        let (images, masks) = (noise([3, 3, 7, 5], 1, &device), noise([3, 1, 7, 5], 2, &device));
        let masks = masks.greater_elem(0.0).float();
        let expected = plain(images.clone(), masks.clone(), [0.1, -0.2, 0.3]).into_data();
        apply_mask(images.clone(), masks.clone(), [0.1, -0.2, 0.3]).into_data().assert_eq(&expected, true);

        let device = device.autodiff();
        let images = Tensor::<4>::from_data(images.into_data(), &device).require_grad();
        let masks = Tensor::<4>::from_data(masks.into_data(), &device);
        let seen = apply_mask(images.clone(), masks.clone(), [0.1, -0.2, 0.3]);
        seen.clone().into_data().assert_eq(&expected, true);
        let slope = images.grad(&seen.sum().backward()).expect("tracked");
        let visible = masks.neg().add_scalar(1.0).inner().expand([3, 3, 7, 5]);
        slope.into_data().assert_eq(&visible.into_data(), true);
        apply_mask(images.detach(), Tensor::zeros([3, 1, 7, 5], &device), [0.0; 3]); // a constant of a graph
    }
}
