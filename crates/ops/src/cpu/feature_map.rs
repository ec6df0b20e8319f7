//! Feature maps with channels last in memory, between Burn's tensors and the slices that kernels read.
//!
//! To Burn a map is `[batch, channels, height, width]`. Channels last is a matter of strides: a tensor keeps
//! the layout that the kernels want from layer to layer, and other operations of Burn read it as they read
//! any permuted tensor.

use burn::tensor::{DType, Shape as Dims};
use burn_flex::{FlexTensor, Layout};
use burn_std::{AccessError, AccessPolicy, AllocationController, AllocationProperty, Bytes};

use super::buffer::{Buffer, SharedMut};

/// `[batch, height, width, channels]`, the channels of a pixel side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) batch: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) channels: usize,
}

impl Shape {
    /// Values in the map.
    pub(crate) fn size(&self) -> usize {
        self.batch * self.height * self.width * self.channels
    }

    /// Pixels in the map.
    pub(crate) fn pixels(&self) -> usize {
        self.batch * self.height * self.width
    }

    /// Image, row and column of a pixel.
    #[inline(always)]
    pub(crate) fn place(&self, pixel: usize) -> (usize, usize, usize) {
        let (line, x) = (pixel / self.width, pixel % self.width);
        (line / self.height, line % self.height, x)
    }
}

/// A map that is read.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) shape: Shape,
}

impl<'a> Source<'a> {
    /// # Panics
    /// When the values are not as many as the shape says.
    pub(crate) fn new(values: &'a [f32], shape: Shape) -> Self {
        assert_eq!(values.len(), shape.size(), "a map of {shape:?} has another number of values");
        Self { values, shape }
    }

    /// The channels of a pixel, null outside the image.
    #[inline(always)]
    pub(crate) fn pixel(&self, image: usize, y: isize, x: isize) -> *const f32 {
        let Shape { height, width, channels, .. } = self.shape;
        if y < 0 || x < 0 || y >= height as isize || x >= width as isize {
            return std::ptr::null();
        }
        let index = ((image * height + y as usize) * width + x as usize) * channels;
        self.values[index..][..channels].as_ptr()
    }

    /// Pixels on a square grid, `step` apart, null outside the image.
    #[inline(always)]
    pub(crate) fn grid<const SIDE: usize>(
        &self,
        image: usize,
        [top, left]: [isize; 2],
        step: isize,
    ) -> [[*const f32; SIDE]; SIDE] {
        let mut grid = [[std::ptr::null(); SIDE]; SIDE];
        for (y, line) in grid.iter_mut().enumerate() {
            for (x, pixel) in line.iter_mut().enumerate() {
                *pixel = self.pixel(image, top + y as isize * step, left + x as isize * step);
            }
        }
        grid
    }

    /// Whether the map goes on for `count` values from a place inside it.
    #[inline(always)]
    pub(crate) fn has_after(&self, place: *const f32, count: usize) -> bool {
        place.addr() + count * size_of::<f32>() <= self.values.as_ptr_range().end.addr()
    }
}

/// A map that several threads write, each its own pixels.
#[derive(Clone, Copy)]
pub(crate) struct Sink {
    values: SharedMut,
    pub(crate) shape: Shape,
}

impl Sink {
    /// # Panics
    /// When the values are not as many as the shape says.
    pub(crate) fn new(values: &mut [f32], shape: Shape) -> Self {
        assert_eq!(values.len(), shape.size(), "a map of {shape:?} has another number of values");
        Self { values: SharedMut::new(values), shape }
    }

    /// The channels of a pixel, null outside the image.
    #[inline(always)]
    pub(crate) fn pixel(&self, image: usize, y: usize, x: usize) -> *mut f32 {
        let Shape { batch, height, width, channels } = self.shape;
        if image >= batch || y >= height || x >= width {
            return std::ptr::null_mut();
        }
        let index = ((image * height + y) * width + x) * channels;
        // SAFETY: inside the image, so inside the values.
        unsafe { self.values.add(index) }
    }
}

/// A tensor whose memory is a feature map with channels last.
#[derive(Clone, Debug)]
pub(crate) struct FeatureMap {
    tensor: FlexTensor,
    pub(crate) shape: Shape,
}

impl FeatureMap {
    /// Copies only where the memory is not already in order.
    pub(crate) fn new(tensor: FlexTensor) -> Self {
        let dims = tensor.layout().shape();
        let [batch, channels, height, width] = [dims[0], dims[1], dims[2], dims[3]];
        let shape = Shape { batch, height, width, channels };
        let layout = tensor.layout();
        let [s0, s1, s2, s3]: [isize; 4] = std::array::from_fn(|axis| layout.strides()[axis]);
        let expected = [height * width * channels, 1, width * channels, channels];
        let axes = [batch, channels, height, width].into_iter().zip([s0, s1, s2, s3]).zip(expected);
        if axes.into_iter().all(|((size, stride), expected)| size == 1 || stride == expected as isize) {
            return Self { tensor, shape };
        }
        // Permute, copy, permute back.
        let permuted = Layout::new(
            Dims::new([batch, height, width, channels]),
            vec![s0, s2, s3, s1],
            layout.start_offset(),
        );
        let tensor = tensor.with_layout(permuted).to_contiguous().with_layout(layout_of(shape));
        Self { tensor, shape }
    }

    /// A tensor whose memory is the buffer, which returns to its pool with the tensor.
    pub(crate) fn from_buffer(buffer: Buffer, shape: Shape) -> Self {
        assert_eq!(buffer.len(), shape.size(), "a map of {shape:?}");
        Self { tensor: FlexTensor::new(bytes(buffer), layout_of(shape), DType::F32), shape }
    }

    /// A map whose values `write` writes, all of them.
    pub(crate) fn compute(shape: Shape, write: impl FnOnce(&mut [f32])) -> Self {
        let mut values = Buffer::uncleared(shape.size());
        write(&mut values);
        Self::from_buffer(values, shape)
    }

    /// The map as kernels read it.
    pub(crate) fn source(&self) -> Source<'_> {
        Source::new(self.values(), self.shape)
    }

    pub(crate) fn values(&self) -> &[f32] {
        let first = self.tensor.layout().start_offset();
        &self.tensor.storage::<f32>()[first..first + self.shape.size()]
    }

    /// Copies where somebody else holds the tensor.
    pub(crate) fn values_mut(&mut self) -> &mut [f32] {
        let first = self.tensor.layout().start_offset();
        &mut self.tensor.storage_mut::<f32>()[first..first + self.shape.size()]
    }

    pub(crate) fn into_tensor(self) -> FlexTensor {
        self.tensor
    }
}

/// The strides of a map with channels last.
fn layout_of(Shape { batch, height, width, channels }: Shape) -> Layout {
    let strides = [height * width * channels, 1, width * channels, channels].map(|stride| stride as isize);
    Layout::new(Dims::new([batch, channels, height, width]), strides.to_vec(), 0)
}

/// The values of a contiguous tensor.
pub(crate) fn slice(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice::<f32>().expect("a contiguous tensor of f32")
}

/// A tensor in the order of its shape.
pub(crate) fn from_buffer<const D: usize>(buffer: Buffer, dims: [usize; D]) -> FlexTensor {
    FlexTensor::new(bytes(buffer), Layout::contiguous(Dims::new(dims)), DType::F32)
}

/// Values as a tensor of one axis.
pub(crate) fn tensor_1d(values: &[f32]) -> FlexTensor {
    let mut buffer = Buffer::uncleared(values.len());
    buffer.copy_from_slice(values);
    from_buffer(buffer, [values.len()])
}

fn bytes(buffer: Buffer) -> Bytes {
    let length = size_of_val::<[f32]>(&buffer);
    // SAFETY: every value of a buffer is initialised.
    unsafe { Bytes::from_controller(Box::new(PooledBytes(buffer)), length) }
}

/// A buffer of the pool as the memory of a tensor.
struct PooledBytes(Buffer);

/// Alignment that Burn may rely on; ours is larger.
const ALIGNMENT: usize = 16;

impl AllocationController for PooledBytes {
    fn alloc_align(&self) -> usize {
        ALIGNMENT
    }

    fn property(&self) -> AllocationProperty {
        AllocationProperty::Other
    }

    unsafe fn memory_mut(
        &mut self,
        _: AccessPolicy,
    ) -> Result<&mut [std::mem::MaybeUninit<u8>], AccessError> {
        let length = size_of_val::<[f32]>(&self.0);
        // SAFETY: the buffer's values as bytes; the caller writes only initialised ones.
        Ok(unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), length) })
    }

    fn memory(&self, _: AccessPolicy) -> Result<&[std::mem::MaybeUninit<u8>], AccessError> {
        let length = size_of_val::<[f32]>(&self.0);
        // SAFETY: the buffer's values as bytes.
        Ok(unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), length) })
    }
}
