//! Max pooling.

use burn::tensor::Tensor;

use crate::{ConvGeometry, implementation::Implementation, plain};

/// The largest value below each position of a window, channel by channel. Where values are equal, the
/// gradient goes to the first, row by row.
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]`
/// - output: `[batch, channels, down(height), down(width)]`, see [`ConvGeometry::down`]
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
/// When the map is smaller than the window, or more than half of the window is padding.
pub fn max_pool(x: Tensor<4>, window: ConvGeometry) -> Tensor<4> {
    let [_, _, height, width] = x.dims();
    assert!(
        height.min(width) + 2 * window.padding >= window.kernel && 2 * window.padding <= window.kernel,
        "max pooling by {window:?} does not take {:?}",
        x.dims()
    );
    match Implementation::of(&x) {
        #[cfg(feature = "flex")]
        Implementation::Optimized => crate::flex::max_pool(x, window),
        _ => plain::max_pool(x, window),
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::noise::{difference, noise};

    #[test]
    fn pooling_is_its_plain_form() {
        let device = Device::flex().autodiff();
        for (window, dims) in [
            (ConvGeometry::new(3, 2, 0), [3, 37, 13, 17]),
            (ConvGeometry::new(3, 2, 0), [1, 96, 27, 27]), // AlexNet's
            (ConvGeometry::new(3, 2, 0), [2, 64, 6, 8]),   // a line and a column that no window sees
            (ConvGeometry::new(2, 2, 1), [2, 19, 7, 5]),
            (ConvGeometry::new(3, 1, 1), [1, 200, 5, 4]), // windows that overlap in both ways
        ] {
            let x = noise(dims, 1, &device).require_grad();
            let dy = noise([dims[0], dims[1], window.down(dims[2]), window.down(dims[3])], 2, &device);
            let run = |form: fn(Tensor<4>, ConvGeometry) -> Tensor<4>| {
                let y = form(x.clone(), window);
                let grads = (y.clone() * dy.clone()).sum().backward();
                (y, x.grad(&grads).expect("tracked"))
            };
            let (fast, plain) = (run(max_pool), run(plain::max_pool));
            fast.0.into_data().assert_eq(&plain.0.into_data(), true);
            let apart = difference(fast.1, plain.1);
            assert!(apart < 1e-6, "{window:?} of {dims:?}: gradients differ by {apart}");
        }
    }

    #[test]
    fn of_equal_values_the_first_has_the_gradient() {
        let device = Device::flex().autodiff();
        let x = Tensor::<4>::from_floats([[[[1.0, 2.0], [2.0, 2.0]]]], &device).require_grad();
        let grads = max_pool(x.clone(), ConvGeometry::new(2, 2, 0)).sum().backward();
        let dx: Vec<f32> = x.grad(&grads).expect("tracked").into_data().try_to_vec().expect("f32");
        assert_eq!(dx, [0.0, 1.0, 0.0, 0.0]);
    }
}
