//! Between Burn's tensors and slices.
//!
//! A map is `[batch, channels, height, width]` to Burn; in memory its channels are last. That is a
//! matter of strides: a tensor keeps the layout that the kernels want from layer to layer, and other
//! operations of Burn read it as they read any permuted tensor.

use burn::tensor::{DType, Shape as Dims};
use burn_flex::{FlexTensor, Layout};
use burn_std::{AccessError, AccessPolicy, AllocationController, AllocationProperty, Bytes};

use crate::kernel::{
    map::{Shape, Source},
    scratch::Buffer,
};

/// A tensor whose memory is a map with channels last.
#[derive(Clone, Debug)]
pub(crate) struct Map {
    tensor: FlexTensor,
    pub(crate) shape: Shape,
}

impl Map {
    /// Copies only where the memory is not already in order.
    pub(crate) fn new(tensor: FlexTensor) -> Self {
        let dims = tensor.layout().shape();
        let [batch, channels, height, width] = [dims[0], dims[1], dims[2], dims[3]];
        let shape = Shape { batch, height, width, channels };
        let last = |tensor: &FlexTensor| {
            let strides = tensor.layout().strides();
            let expected = [height * width * channels, 1, width * channels, channels];
            let sizes = [batch, channels, height, width];
            (0..4).all(|axis| sizes[axis] == 1 || strides[axis] == expected[axis] as isize)
        };
        if last(&tensor) {
            return Self { tensor, shape };
        }
        // Permute, copy, permute back.
        let layout = tensor.layout();
        let [s0, s1, s2, s3]: [isize; 4] = std::array::from_fn(|axis| layout.strides()[axis]);
        let permuted = Layout::new(
            Dims::new([batch, height, width, channels]),
            vec![s0, s2, s3, s1],
            layout.start_offset(),
        );
        let tensor = tensor.with_layout(permuted).to_contiguous();
        let layout = layout_of(shape);
        Self { tensor: tensor.with_layout(layout), shape }
    }

    /// Lends a buffer to a tensor.
    pub(crate) fn from_buffer(buffer: Buffer, shape: Shape) -> Self {
        assert_eq!(buffer.len(), shape.size(), "a map of {shape:?}");
        Self { tensor: FlexTensor::new(bytes(buffer), layout_of(shape), DType::F32), shape }
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

/// A tensor whose memory is in the order of its shape.
pub(crate) fn in_order(tensor: &FlexTensor) -> FlexTensor {
    tensor.to_contiguous()
}

/// The values of a tensor from [`in_order`].
pub(crate) fn slice(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice::<f32>().expect("a tensor in order, of f32")
}

/// A tensor in the order of its shape.
pub(crate) fn from_buffer<const D: usize>(buffer: Buffer, dims: [usize; D]) -> FlexTensor {
    FlexTensor::new(bytes(buffer), Layout::contiguous(Dims::new(dims)), DType::F32)
}

/// Values as a tensor of one axis.
pub(crate) fn vector(values: &[f32]) -> FlexTensor {
    let mut buffer = Buffer::uncleared(values.len());
    buffer.copy_from_slice(values);
    from_buffer(buffer, [values.len()])
}

fn bytes(buffer: Buffer) -> Bytes {
    let length = size_of_val::<[f32]>(&buffer);
    // SAFETY: every value of a buffer is initialised.
    unsafe { Bytes::from_controller(Box::new(Lent(buffer)), length) }
}

/// A buffer of the pool as the memory of a tensor.
struct Lent(Buffer);

/// Alignment that Burn may rely on; ours is larger.
const ALIGNMENT: usize = 16;

impl AllocationController for Lent {
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
