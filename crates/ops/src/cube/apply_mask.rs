//! Images with their hidden part in one color.

use burn_cubecl::{kernel::into_contiguous, tensor::CubeTensor};
use cubecl::prelude::*;

use super::layout::{channels_first, dims, empty, one_unit_each};

/// One unit writes one pixel.
#[cube(launch)]
fn apply_mask_kernel(
    images: &Tensor<f32>,
    masks: &Tensor<f32>,
    masked: &mut Tensor<f32>,
    red: f32,
    green: f32,
    blue: f32,
) {
    let pixels = images.shape(2) * images.shape(3);
    if ABSOLUTE_POS >= masks.len() {
        terminate!();
    }
    let from = ABSOLUTE_POS / pixels * 3 * pixels + ABSOLUTE_POS % pixels;
    let to = ABSOLUTE_POS * 3;
    let hidden = masks[ABSOLUTE_POS];
    let visible = 1.0f32 - hidden;
    masked[to] = images[from] * visible + hidden * red;
    masked[to + 1] = images[from + pixels] * visible + hidden * green;
    masked[to + 2] = images[from + 2 * pixels] * visible + hidden * blue;
}

/// `(1 - m) x + m color` for images `[batch, 3, height, width]` and masks `[batch, 1, height, width]`;
/// channels last, as the first convolution reads it.
pub(super) fn apply_mask(images: CubeTensor, masks: CubeTensor, [red, green, blue]: [f32; 3]) -> CubeTensor {
    let [batch, channels, height, width] = dims(&images);
    let [images, masks] = [images, masks].map(into_contiguous);
    let masked = empty(&images, [batch, height, width, channels], images.dtype);
    let (cube_count, cube_dim) = one_unit_each(&images, batch * height * width);
    apply_mask_kernel::launch(
        &images.client.clone(),
        cube_count,
        cube_dim,
        images.into_tensor_arg(),
        masks.into_tensor_arg(),
        masked.clone().into_tensor_arg(),
        red,
        green,
        blue,
    );
    channels_first(masked)
}
