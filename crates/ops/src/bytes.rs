//! Images of bytes on their way to a device.

#[cfg(feature = "cube")]
use burn::tensor::Int;
use burn::tensor::{Device, Tensor, TensorData};

use crate::dispatch::Implementation;

/// Bytes of a word, as graphics devices get them.
#[cfg(feature = "cube")]
const BYTES: usize = size_of::<i32>();

/// Images of bytes as a tensor of numbers, `value_of[byte]` for each byte.
///
/// A graphics device gets the bytes and looks the numbers up itself: the host writes and sends a quarter of
/// what they take. The result is the same to the bit.
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
/// When an image has another number of bytes.
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
    let checked = images.inspect(|image| {
        let bytes = image.as_ref().len();
        assert!(bytes == bytes_of_image, "an image of {bytes} bytes is not [{height}, {width}, {channels}]");
    });
    match Implementation::of_device(device.clone()) {
        #[cfg(feature = "cube")]
        Implementation::Cube => {
            let mut bytes = Vec::with_capacity((batch * bytes_of_image).next_multiple_of(BYTES));
            checked.for_each(|image| bytes.extend_from_slice(image.as_ref()));
            looked_up(bytes, value_of, device).reshape([batch, height, width, channels]).permute([0, 3, 1, 2])
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
#[cfg(feature = "cube")]
fn looked_up(mut bytes: Vec<u8>, value_of: &[f32; 256], device: &Device) -> Tensor<1> {
    let count = bytes.len();
    bytes.resize(count.next_multiple_of(BYTES), 0);
    let (words, _) = bytes.as_chunks::<BYTES>();
    let words: Vec<i32> = words.iter().map(|&bytes| i32::from_le_bytes(bytes)).collect();
    let words = Tensor::<1, Int>::from_data(TensorData::new(words, [count.div_ceil(BYTES)]), device);
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
