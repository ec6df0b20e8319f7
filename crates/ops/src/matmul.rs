//! Products of matrices, batch by batch.

use burn::tensor::Tensor;

/// `a b` for each matrix of the batch, in 32 bits: Burn's product, but where the environment variable
/// `CONTEXT_ENCODER_KERNELS` asks for `ieee` on a graphics device, which Burn's product would round to TF32.
///
/// # Shapes
/// - `a`: `[batch, m, k]`, `b`: `[batch, k, n]`
/// - output: `[batch, m, n]`
///
/// ```
/// use burn::tensor::{Device, Tensor};
///
/// let device = Device::default();
/// let a = Tensor::<3>::from_floats([[[1.0, 2.0]], [[3.0, 4.0]]], &device);
/// let b = Tensor::<3>::from_floats([[[5.0], [6.0]], [[7.0], [8.0]]], &device);
/// let product = context_encoder_ops::matmul(a, b);
/// assert_eq!(product.into_data().try_to_vec::<f32>().expect("f32"), [17.0, 53.0]);
/// ```
///
/// # Panics
/// When the shapes do not belong together.
pub fn matmul(a: Tensor<3>, b: Tensor<3>) -> Tensor<3> {
    let ([a_batch, _, a_depth], [b_batch, b_depth, _]) = (a.dims(), b.dims());
    assert!(
        a_batch == b_batch && a_depth == b_depth,
        "matrices {:?} cannot be multiplied by {:?}",
        a.dims(),
        b.dims()
    );
    #[cfg(feature = "cube")]
    {
        use crate::dispatch::{Implementation, is_ieee};
        let are_ours = [&a, &b].into_iter().all(|factor| Implementation::of(factor) == Implementation::Cube);
        if is_ieee() && are_ours {
            return crate::cube::matmul(a, b);
        }
    }
    a.matmul(b)
}
