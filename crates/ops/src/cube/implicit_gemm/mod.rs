//! A convolution's three products where a device has tensor cores of a known form: nothing is unfolded in
//! memory, the kernel gathers what it multiplies. Elsewhere, and for numbers of channels that are no
//! multiples of what it stages, `columns` are written and multiplied.

mod kernel;
mod multiply;
mod plan;
mod reader;
mod stage;

use burn::{backend::cubecl::dtype_to_storage_type, tensor::DType};
use burn_cubecl::{kernel::into_contiguous, tensor::CubeTensor};
use cubecl::{
    ir::{ElemType, FloatKind, features::MmaConfig},
    prelude::*,
    std::FastDivmod,
};

use self::{
    plan::{Blocks, LANES, Pass, Plan},
    reader::ExtentsLaunch,
};
use super::layout::{channels_first, channels_last, contiguous, dims, empty, one_unit_each};
use super::sum::{Epilogue, sum};
use crate::ConvGeometry;

/// Words of depth that are staged at once.
const WORDS: usize = 16;

/// Values of the kernel that one position meets, at most: each is a bit.
const TAPS: usize = 32;

/// Tiles of depth that a part of a sum has, at least.
const TILES_OF_PART: usize = 8;

/// Cubes that a multiprocessor computes side by side.
const CUBES_OF_MULTIPROCESSOR: usize = 2;

/// Multiprocessors of a device that does not say.
const MULTIPROCESSORS: usize = 64;

/// How products in a type are computed: what is staged.
#[derive(Clone, Copy, Debug)]
struct Arithmetic {
    staged: ElemType,
    per_word: usize,
    emulated: bool,
}

impl Arithmetic {
    /// Nothing where the device has no such tensor cores, or they round what they may not.
    fn of(like: &CubeTensor, compute: DType) -> Option<Self> {
        if compute == DType::F32 && crate::dispatch::is_ieee() {
            return None;
        }
        let (staged, per_word) = match compute {
            DType::F32 => (FloatKind::TF32, 1),
            DType::BF16 => (FloatKind::BF16, 2),
            DType::F16 => (FloatKind::F16, 2),
            _ => return None,
        };
        let emulated = crate::dispatch::is_emulated();
        if emulated {
            let staged = if compute == DType::F32 { FloatKind::F32 } else { staged };
            return Some(Self { staged: ElemType::Float(staged), per_word, emulated });
        }
        let staged = ElemType::Float(staged);
        let instruction = MmaConfig {
            a_type: staged,
            b_type: staged,
            cd_type: ElemType::Float(FloatKind::F32),
            m: 16,
            n: 8,
            k: 8 * per_word as u32,
        };
        let properties = like.client.properties();
        let (hardware, matmul) = (&properties.hardware, &properties.features.matmul);
        let has_planes = [hardware.plane_size_min, hardware.plane_size_max] == [LANES as u32; 2];
        // `ldmatrix` moves rows of 16 bytes, whatever they are; it is named by a type of 16 bits.
        let moves_rows = matmul.ldmatrix.contains(&ElemType::Float(FloatKind::F16));
        (has_planes && moves_rows && matmul.mma.contains(&instruction)).then_some(Self {
            staged,
            per_word,
            emulated,
        })
    }
}

/// Values of a result, and of the sums that they are.
struct Size {
    rows: usize,
    columns: usize,
    depth: usize,
}

/// A convolution between a large and a small map.
struct Convolution {
    arithmetic: Arithmetic,
    geometry: ConvGeometry,
    pass: Pass,
    size: Size,
    /// Of the map that is unfolded.
    unfolded: [usize; 4],
    /// Lines and columns of the map whose positions are rows or depth.
    positions: [usize; 2],
    tap_channels: usize,
    row_vectors: usize,
    large_size: [usize; 2],
}

/// The small map `[batch, small, high, wide]`; nothing where the kernel does not apply.
pub(super) fn small_map(
    large: &CubeTensor,
    matrix: &CubeTensor,
    geometry: ConvGeometry,
    epilogue: &Epilogue,
    dtype: DType,
) -> Option<CubeTensor> {
    let arithmetic = Arithmetic::of(large, matrix.dtype)?;
    let ([batch, channels, height, width], [small, depth]) = (dims(large), dims(matrix));
    let is_picture = channels == 3;
    let (channels, depth) = if is_picture { (4, depth / 3 * 4) } else { (channels, depth) };
    let is_whole = if channels == 4 { depth } else { channels }.is_multiple_of(WORDS * arithmetic.per_word);
    if !is_whole || small % 4 != 0 || geometry.kernel.pow(2) > TAPS {
        return None;
    }
    let (large, matrix) = if is_picture {
        let taps = geometry.kernel.pow(2);
        let threes = contiguous(into_contiguous(matrix.clone()), [small * taps, 3, 1, 1].into());
        (with_fourth_channel(large.clone()), contiguous(with_fourth_channel(threes), [small, depth].into()))
    } else {
        (into_contiguous(channels_last(large.clone())), into_contiguous(matrix.clone()))
    };
    let [high, wide] = [height, width].map(|side| geometry.output_size(side));
    let convolution = Convolution {
        arithmetic,
        geometry,
        pass: Pass::SmallMap,
        size: Size { rows: batch * high * wide, columns: small, depth },
        unfolded: dims(&large),
        positions: [high, wide],
        tap_channels: channels,
        row_vectors: depth / 4,
        large_size: [height, width],
    };
    let rows = convolution.launch(large, matrix, epilogue, dtype)?;
    Some(channels_first(contiguous(rows, [batch, high, wide, small].into())))
}

/// The large map `[batch, large, height, width]` of the extents' batch, height and width; likewise.
pub(super) fn large_map(
    small: &CubeTensor,
    matrix: &CubeTensor,
    geometry: ConvGeometry,
    [batch, height, width]: [usize; 3],
    epilogue: &Epilogue,
    dtype: DType,
) -> Option<CubeTensor> {
    let arithmetic = Arithmetic::of(small, matrix.dtype)?;
    let ConvGeometry { kernel, stride, .. } = geometry;
    let ([_, channels, high, wide], [_, columns]) = (dims(small), dims(matrix));
    let large = columns / (kernel * kernel);
    let is_even = [kernel, height, width].iter().all(|extent| extent.is_multiple_of(stride));
    let is_whole = channels.is_multiple_of(WORDS * arithmetic.per_word) && is_even;
    let taps = kernel / stride;
    // Of a map smaller than what its values meet, most products would be with zeros around it.
    if !is_whole || large % 4 != 0 || taps.pow(2) > TAPS || high.min(wide) < taps {
        return None;
    }
    let small = into_contiguous(channels_last(small.clone()));
    let positions = [height / stride, width / stride];
    let convolution = Convolution {
        arithmetic,
        geometry,
        pass: Pass::LargeMap,
        size: Size {
            rows: batch * positions[0] * positions[1],
            columns: large,
            depth: taps.pow(2) * channels,
        },
        unfolded: dims(&small),
        positions,
        tap_channels: channels,
        row_vectors: columns / 4,
        large_size: [height, width],
    };
    let rows = convolution.launch(small, into_contiguous(matrix.clone()), epilogue, dtype)?;
    Some(channels_first(contiguous(rows, [batch, height, width, large].into())))
}

/// Parts `[parts, small, kernel^2 large]` that add up to the gradient of the weights, of pictures with a
/// fourth channel; likewise. With an activation's result and negative slope, the small map is the result's
/// gradient.
pub(super) fn weight_gradient_parts(
    large: &CubeTensor,
    small: &CubeTensor,
    activated: Option<(&CubeTensor, f32)>,
    geometry: ConvGeometry,
    compute: DType,
) -> Option<CubeTensor> {
    let arithmetic = Arithmetic::of(large, compute)?;
    let ([batch, rows, high, wide], [_, channels, height, width]) = (dims(small), dims(large));
    let is_picture = channels == 3;
    if rows % 4 != 0 || (channels % 4 != 0 && !is_picture) {
        return None;
    }
    let rows_of_channels = |map: &CubeTensor| into_contiguous(channels_last(map.clone()));
    let (small, activated) =
        (rows_of_channels(small), activated.map(|(map, slope)| (rows_of_channels(map), slope)));
    let (large, channels) = if is_picture {
        (with_fourth_channel(large.clone()), 4)
    } else {
        (rows_of_channels(large), channels)
    };
    let depth = batch * high * wide;
    // Where each position is a product by itself, they are one line.
    let is_pointwise = geometry == ConvGeometry { kernel: 1, stride: 1, padding: 0 };
    let (unfolded, positions) =
        if is_pointwise { ([1, 1, depth, channels], [1, depth]) } else { (dims(&large), [high, wide]) };
    let convolution = Convolution {
        arithmetic,
        geometry,
        pass: Pass::WeightGradient,
        size: Size { rows, columns: geometry.kernel.pow(2) * channels, depth },
        unfolded,
        positions,
        tap_channels: channels,
        row_vectors: rows / 4,
        large_size: [height, width],
    };
    convolution.launch_parts(small, activated, large, &Epilogue::NONE, DType::F32)
}

impl Convolution {
    /// How the result is divided: as large as registers allow, as large blocks read each factor less often.
    fn blocks(&self) -> Blocks {
        let Self { arithmetic: Arithmetic { per_word, emulated, .. }, pass, ref size, .. } = *self;
        let [is_low, is_narrow] = [size.rows, size.columns].map(|side| side <= 64);
        let (rows, columns, planes) = match (is_low, is_narrow) {
            _ if emulated => (64, 64, [2, 2]),
            (true, true) => (64, 64, [2, 2]),
            (true, false) => (64, 128, [2, 2]),
            (false, true) if per_word == 1 => (256, 64, [4, 1]),
            (false, true) => (128, 64, [2, 2]),
            (false, false) => (128, 128, [2, 2]),
        };
        // More values of 16 bits across their depth than that do not fit.
        let words = if pass == Pass::WeightGradient && per_word == 2 { WORDS / 2 } else { WORDS };
        Blocks { rows, columns, words, planes }
    }

    /// The product of `a` and `b` in a type.
    fn launch(&self, a: CubeTensor, b: CubeTensor, epilogue: &Epilogue, dtype: DType) -> Option<CubeTensor> {
        let parts = self.launch_parts(a, None, b, epilogue, dtype)?;
        let [count, ..] = dims::<3>(&parts);
        Some(sum(parts, if count == 1 { &Epilogue::NONE } else { epilogue }, dtype))
    }

    /// The product of `a` and `b` in parts; finished, and in the type, if it is one. With an activation's
    /// result and negative slope, `a` is the result's gradient.
    fn launch_parts(
        &self,
        a: CubeTensor,
        activated: Option<(CubeTensor, f32)>,
        b: CubeTensor,
        epilogue: &Epilogue,
        dtype: DType,
    ) -> Option<CubeTensor> {
        let Self { arithmetic, geometry, pass, ref size, .. } = *self;
        let plan = Plan {
            pass,
            kernel: geometry.kernel as u32,
            stride: geometry.stride as u32,
            padding: geometry.padding as u32,
            blocks: self.blocks(),
            per_word: arithmetic.per_word,
            is_picture: pass == Pass::SmallMap && self.tap_channels == 4,
            has_whole_columns: false,
            has_whole_lines: false,
            has_bias: false,
            is_activated: activated.is_some(),
            emulated: arithmetic.emulated,
        };
        let plan = plan.within(a.client.properties().hardware.max_shared_memory_size);
        let plan = match pass {
            Pass::WeightGradient => {
                let ([high, wide], depth) = (self.positions, plan.depth());
                let has_whole_lines = wide.is_multiple_of(arithmetic.per_word)
                    && (wide.is_multiple_of(depth) || depth.is_multiple_of(wide))
                    && (high * wide).is_multiple_of(depth);
                Plan { has_whole_lines, ..plan }
            }
            _ => Plan { has_whole_columns: size.columns.is_multiple_of(plan.blocks.columns), ..plan },
        };
        let classes = plan.classes().pow(2) as usize;
        let [down, right] =
            [size.rows.div_ceil(plan.blocks.rows), size.columns.div_ceil(plan.blocks.columns)];
        let tiles = size.depth.div_ceil(plan.depth());
        let multiprocessors = a.client.properties().hardware.num_streaming_multiprocessors;
        let wanted =
            CUBES_OF_MULTIPROCESSOR * multiprocessors.map_or(MULTIPROCESSORS, |count| count as usize);
        let parts = (wanted / (down * right * classes)).clamp(1, (tiles / TILES_OF_PART).max(1));
        let tiles_of_part = tiles.div_ceil(parts);
        let parts = tiles.div_ceil(tiles_of_part);
        let (_, max_down, max_parts) = a.client.properties().hardware.max_cube_count;
        if down > max_down as usize || parts * classes > max_parts as usize {
            return None;
        }
        let epilogue = if parts == 1 { epilogue } else { &Epilogue::NONE };
        let plan = Plan { has_bias: epilogue.bias.is_some(), ..plan };
        let bias = epilogue.bias.clone().unwrap_or_else(|| a.clone());
        let (activated, negative_slope) = activated.unwrap_or_else(|| (a.clone(), epilogue.negative_slope));
        let dtype = if parts == 1 { dtype } else { DType::F32 };
        let out = empty(&a, [parts, size.rows * classes, size.columns], dtype);
        let [_, height, width, channels] = self.unfolded;
        let extents = ExtentsLaunch::new(
            size.rows as u32,
            size.columns as u32,
            tiles as u32,
            tiles_of_part as u32,
            self.positions[0] as u32,
            self.positions[1] as u32,
            self.tap_channels as u32,
            height as u32,
            width as u32,
            (channels / 4) as u32,
            self.row_vectors as u32,
            size.depth as u32,
            self.large_size[0] as u32,
            self.large_size[1] as u32,
            negative_slope,
        );
        let [a_type, b_type, out_type] = [a.dtype, b.dtype, dtype].map(dtype_to_storage_type);
        let dtypes = [a_type, b_type, arithmetic.staged, out_type];
        // With 64 bits, what is constant in an index becomes part of an instruction.
        let address_type = if plan.emulated { AddressType::U32 } else { AddressType::U64 };
        // SAFETY: maps, weights and bias are contiguous, their channels multiples of the vectors that are
        // read; what lies outside of the maps or the result is neither read nor written.
        unsafe {
            kernel::implicit_gemm::launch_unchecked(
                &a.client.clone(),
                CubeCount::Static(right as u32, down as u32, (parts * classes) as u32),
                CubeDim::new_2d(LANES as u32, (plan.blocks.units() / LANES) as u32),
                address_type,
                a.into_tensor_arg(),
                activated.into_tensor_arg(),
                b.into_tensor_arg(),
                bias.into_tensor_arg(),
                out.clone().into_tensor_arg(),
                extents,
                plan,
                dtypes,
            );
        }
        Some(out)
    }
}

/// A map of three channels `[batch, 3, height, width]`, however it lies in memory, with a fourth of zeros,
/// channels last.
fn with_fourth_channel(map: CubeTensor) -> CubeTensor {
    let [batch, _, height, width] = dims(&map);
    let pictures = empty(&map, [batch, height, width, 4], map.dtype);
    let (cube_count, cube_dim) = one_unit_each(&map, batch * height * width);
    fourth_channel_kernel::launch(
        &map.client.clone(),
        cube_count,
        cube_dim,
        map.into_tensor_arg(),
        pictures.clone().into_tensor_arg(),
        height,
        width,
        dtype_to_storage_type(pictures.dtype),
    );
    pictures
}

/// One unit moves a pixel.
#[cube(launch)]
fn fourth_channel_kernel<F: Numeric>(
    map: &Tensor<F>,
    pictures: &mut Tensor<Vector<F, Const<4>>>,
    height: FastDivmod<usize>,
    width: FastDivmod<usize>,
    #[define(F)] _dtype: ElemType,
) {
    if ABSOLUTE_POS >= pictures.len() {
        terminate!();
    }
    let (rest, x) = width.div_mod(ABSOLUTE_POS);
    let (batch, y) = height.div_mod(rest);
    let from = batch * map.stride(0) + y * map.stride(2) + x * map.stride(3);
    let mut pixel = Vector::<F, Const<4>>::cast_from(0u32);
    #[unroll]
    for channel in 0..3usize {
        pixel.insert(channel, map[from + channel * map.stride(1)]);
    }
    pictures[ABSOLUTE_POS] = pixel;
}
