//! Images of bytes on their way to a device.

#[cfg(all(feature = "cube", target_endian = "little"))]
use burn::tensor::{DType, Int};
use burn::tensor::{Device, Tensor, TensorData};

use crate::dispatch::Implementation;

/// Bytes of a word, as graphics devices get them; the first one is the lowest.
#[cfg(all(feature = "cube", target_endian = "little"))]
const BYTES: usize = size_of::<i32>();

/// Images of bytes as a tensor of numbers, `value_of[byte]` for each byte.
///
/// A graphics device gets the bytes and looks the numbers up itself: the host writes and sends a quarter of
/// what they take. The result is the same to the bit; it is channels last in memory there, as layers take it.
///
/// # Shapes
/// - `images`: each `height * width * channels` bytes, row by row, the channels of a pixel side by side
/// - output: `[images, channels, height, width]`
///
/// ```
/// use burn::tensor::Device;
/// use context_encoder_ops::tensor_of_bytes;
///
/// let value_of = std::array::from_fn(|byte| byte as f32 / 255.0);
/// let two_pixels = [255, 0, 0, 0, 51, 0]; // red and dark green
/// let images = tensor_of_bytes([two_pixels].iter(), [1, 2, 3], &value_of, &Device::default());
/// assert_eq!(images.dims(), [1, 3, 1, 2]);
/// let planes = images.into_data().try_to_vec::<f32>().expect("f32");
/// assert_eq!(planes, [1.0, 0.0, 0.0, 0.2, 0.0, 0.0]);
/// ```
///
/// # Panics
/// When there is no image, or when one has another number of bytes.
pub fn tensor_of_bytes<I>(
    images: I,
    [height, width, channels]: [usize; 3],
    value_of: &[f32; 256],
    device: &Device,
) -> Tensor<4>
where
    I: ExactSizeIterator,
    I::Item: AsRef<[u8]>,
{
    let (batch, bytes_of_image) = (images.len(), height * width * channels);
    assert!(batch > 0, "a tensor needs at least one image");
    let checked = images.inspect(|image| {
        let bytes = image.as_ref().len();
        assert!(bytes == bytes_of_image, "an image of {bytes} bytes is not [{height}, {width}, {channels}]");
    });
    match Implementation::of_device(device.clone()) {
        #[cfg(all(feature = "cube", target_endian = "little"))]
        Implementation::Cube => {
            let mut bytes = Vec::with_capacity((batch * bytes_of_image).next_multiple_of(BYTES));
            checked.for_each(|image| bytes.extend_from_slice(image.as_ref()));
            let values = looked_up(bytes, value_of, device);
            match channels {
                // A single channel gets the stride of its place (`canonical_strides` in conv.rs says why).
                1 => values.reshape([batch, 1, height, width]),
                _ => values.reshape([batch, height, width, channels]).permute([0, 3, 1, 2]),
            }
        }
        _ => {
            let mut values = Vec::with_capacity(batch * bytes_of_image);
            for image in checked {
                for channel in 0..channels {
                    let plane = image.as_ref().iter().skip(channel).step_by(channels);
                    values.extend(plane.map(|&byte| value_of[usize::from(byte)]));
                }
            }
            Tensor::from_data(TensorData::new(values, [batch, channels, height, width]), device)
        }
    }
}

/// The number of each byte, looked up on the device.
#[cfg(all(feature = "cube", target_endian = "little"))]
fn looked_up(mut bytes: Vec<u8>, value_of: &[f32; 256], device: &Device) -> Tensor<1> {
    let count = bytes.len();
    bytes.resize(count.next_multiple_of(BYTES), 0);
    let words = TensorData::from_bytes_vec(bytes, [count.div_ceil(BYTES)], DType::I32);
    let words = Tensor::<1, Int>::from_data(words, (device, DType::I32));
    let byte = |place| words.clone().bitwise_right_shift_scalar(8 * place).bitwise_and_scalar(0xFF);
    let bytes: Tensor<2, Int> = Tensor::stack((0..BYTES as i32).map(byte).collect(), 1); // [words, bytes]
    Tensor::<1>::from_floats(*value_of, device).select(0, bytes.flatten::<1>(0, 1).slice(0..count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "an image of 5 bytes is not [1, 2, 3]")]
    fn image_of_another_size_panics() {
        tensor_of_bytes([[0; 5]].iter(), [1, 2, 3], &[0.0; 256], &Device::default());
    }
}
