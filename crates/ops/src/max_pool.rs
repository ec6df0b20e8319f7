//! Max pooling.

use burn::tensor::{
    Tensor,
    module::{avg_pool2d, max_pool2d},
    ops::{AvgPoolOptions, MaxPoolOptions},
};

use crate::{
    ConvGeometry,
    dispatch::{Implementation, is_without_kinks},
    in_32_bits,
};

/// The largest value below each position of the kernel, channel by channel. Where values are equal, the
/// gradient goes to the first, row by row.
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]`
/// - output: `[batch, channels, height', width']`, sides by [`ConvGeometry::output_size`]
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use context_encoder_ops::{ConvGeometry, max_pool};
///
/// let x = Tensor::<4>::from_floats([[[[1.0, 5.0, 2.0], [0.0, 3.0, 4.0], [9.0, 7.0, 8.0]]]], &Device::default());
/// let y = max_pool(x, ConvGeometry::new(2, 1, 0));
/// assert_eq!(y.into_data().try_to_vec::<f32>().expect("f32"), [5.0, 5.0, 9.0, 8.0]);
/// ```
///
/// # Panics
/// When the map is smaller than the kernel, or more than half of the kernel is padding.
pub fn max_pool(x: Tensor<4>, geometry: ConvGeometry) -> Tensor<4> {
    let [_, _, height, width] = x.dims();
    assert!(
        height.min(width) + 2 * geometry.padding >= geometry.kernel
            && 2 * geometry.padding <= geometry.kernel,
        "max pooling by {geometry:?} does not take {:?}",
        x.dims()
    );
    let x = in_32_bits(x);
    if is_without_kinks() {
        let ConvGeometry { kernel, stride, padding } = geometry;
        let options = AvgPoolOptions::new([kernel; 2]).with_stride([stride; 2]).with_padding([padding; 2]);
        return avg_pool2d(x, options);
    }
    match Implementation::of(&x) {
        #[cfg(feature = "flex")]
        Implementation::Cpu => crate::cpu::max_pool(x, geometry),
        _ => reference(x, geometry),
    }
}

fn reference(x: Tensor<4>, ConvGeometry { kernel, stride, padding }: ConvGeometry) -> Tensor<4> {
    let options = MaxPoolOptions::new([kernel; 2]).with_stride([stride; 2]).with_padding([padding; 2]);
    max_pool2d(x, options)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::testing::{assert_close, noise, output_and_gradient};

    #[test]
    fn max_pool_matches_reference() {
        let device = Device::flex().autodiff();
        for (geometry, dims) in [
            (ConvGeometry::new(3, 2, 0), [3, 37, 13, 17]),
            (ConvGeometry::new(3, 2, 0), [1, 96, 27, 27]), // AlexNet's
            (ConvGeometry::new(3, 2, 0), [2, 64, 6, 8]),   // a line and a column that no kernel sees
            (ConvGeometry::new(2, 2, 1), [2, 19, 7, 5]),
            (ConvGeometry::new(3, 1, 1), [1, 200, 5, 4]), // kernels that overlap along both axes
        ] {
            let x = noise(dims, 1, &device).require_grad();
            let (y, dx) = output_and_gradient(&x, |x| max_pool(x, geometry));
            let (expected_y, expected_dx) = output_and_gradient(&x, |x| reference(x, geometry));
            y.into_data().assert_eq(&expected_y.into_data(), true);
            assert_close(dx, expected_dx, 1e-6, format_args!("{geometry:?} of {dims:?}: gradient"));
        }
    }

    #[test]
    fn max_pool_gradient_goes_to_the_first_of_equal_values() {
        let device = Device::flex().autodiff();
        let x = Tensor::<4>::from_floats([[[[1.0, 2.0], [2.0, 2.0]]]], &device).require_grad();
        let grads = max_pool(x.clone(), ConvGeometry::new(2, 2, 0)).sum().backward();
        let dx: Vec<f32> = x.grad(&grads).expect("tracked").into_data().try_to_vec().expect("f32");
        assert_eq!(dx, [0.0, 1.0, 0.0, 0.0]);
    }
}
