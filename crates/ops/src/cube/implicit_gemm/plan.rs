//! What a kernel is compiled for: which product, and how it is divided.

/// Units of a plane.
pub(super) const LANES: usize = 32;

/// Results of one instruction.
pub(super) const TILE_ROWS: usize = 16;
pub(super) const TILE_COLUMNS: usize = 8;

/// Words of depth that one instruction takes.
pub(super) const TILE_WORDS: usize = 8;

/// Words that a unit reads and stages at once.
pub(super) const QUAD: usize = 4;

/// Which of a convolution's products is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Pass {
    /// The small map from the large one and the weights: rows are its positions, depth is what the kernel
    /// covers.
    SmallMap,
    /// The large map from the small one and the weights: rows are its positions of one class, which are those
    /// that the same values of the kernel meet, depth are those values and the small map's channels.
    LargeMap,
    /// The gradient of the weights from the small and the large map: rows are the small map's channels, depth
    /// are its positions.
    WeightGradient,
}

/// How a result is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Blocks {
    /// Results of a cube.
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Words of depth that are staged at once.
    pub(super) words: usize,
    /// Planes of a cube, along rows and along columns.
    pub(super) planes: [usize; 2],
}

impl Blocks {
    pub(super) const fn units(self) -> usize {
        self.planes[0] * self.planes[1] * LANES
    }
}

/// What a kernel is compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Plan {
    pub(super) pass: Pass,
    pub(super) kernel: u32,
    pub(super) stride: u32,
    pub(super) padding: u32,
    pub(super) blocks: Blocks,
    /// Values of a word.
    pub(super) per_word: usize,
    /// Whether the map that the small one is computed from has four channels, as pictures with a fourth
    /// have, so that a tile of depth has several values of the kernel.
    pub(super) is_picture: bool,
    /// Whether no block reaches over the last column; not asked for the gradient of weights.
    pub(super) has_whole_columns: bool,
    /// Whether tiles of depth that are positions begin with a line or a share of it, so that the first of a
    /// tile says where all lie; asked for the gradient of weights alone.
    pub(super) has_whole_lines: bool,
    /// Whether a bias is added.
    pub(super) has_bias: bool,
    /// Whether the small map is the gradient of an activation's result, which is read with it: of the
    /// gradient of weights alone.
    pub(super) is_activated: bool,
    /// Without `mma` instructions, value by value: to compare the rest of the kernel where there are none.
    pub(super) emulated: bool,
}

impl Plan {
    /// Whether the left factor's memory runs along its depth.
    pub(super) fn a_is_deep(self) -> bool {
        self.pass != Pass::WeightGradient
    }

    pub(super) fn b_is_deep(self) -> bool {
        self.pass == Pass::SmallMap
    }

    /// Values of depth that are staged at once.
    pub(super) fn depth(self) -> usize {
        self.blocks.words * self.per_word
    }

    /// Classes of the large map's positions along each axis, which have kernels of their own.
    pub(super) fn classes(self) -> u32 {
        if self.pass == Pass::LargeMap { self.stride } else { 1 }
    }

    pub(super) fn a_stage(self) -> Stage {
        Stage { lines: self.blocks.rows, words: self.blocks.words, is_deep: self.a_is_deep() }
    }

    pub(super) fn b_stage(self) -> Stage {
        Stage { lines: self.blocks.columns, words: self.blocks.words, is_deep: self.b_is_deep() }
    }

    /// This plan with less depth, where its stages take more than so many bytes.
    pub(super) fn within(mut self, bytes: usize) -> Self {
        let size = |plan: Self| 2 * (plan.a_stage().size() + plan.b_stage().size()) * QUAD * size_of::<u32>();
        while size(self) > bytes && self.blocks.words > TILE_WORDS {
            self.blocks.words /= 2;
        }
        self
    }

    /// Quads of a stage that a unit reads.
    pub(super) fn quads(self, stage: Stage) -> usize {
        stage.lines * stage.words / QUAD / self.blocks.units()
    }

    /// Results of an activation that a unit reads with the small map's gradient: at least one, as there is
    /// no array of none.
    pub(super) fn activated_quads(self) -> usize {
        if self.is_activated { self.quads(self.a_stage()) * self.per_word } else { 1 }
    }

    /// Tiles of a plane's part of the block.
    pub(super) fn tiles(self) -> [usize; 2] {
        let Blocks { rows, columns, planes, .. } = self.blocks;
        [rows / planes[0] / TILE_ROWS, columns / planes[1] / TILE_COLUMNS]
    }
}

/// How a factor's tile lies in shared memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Stage {
    /// Rows or columns of the result.
    pub(super) lines: usize,
    /// Words of depth.
    pub(super) words: usize,
    /// Whether memory runs along the depth.
    pub(super) is_deep: bool,
}

impl Stage {
    /// Quads that lie side by side.
    pub(super) fn quads_of_run(self) -> u32 {
        (if self.is_deep { self.words } else { self.lines } / QUAD) as u32
    }

    /// Quads from one run to the next.
    pub(super) fn stride(self) -> u32 {
        self.quads_of_run() + if self.is_deep { 0 } else { 2 }
    }

    /// Quads in all.
    pub(super) fn size(self) -> usize {
        self.stride() as usize * if self.is_deep { self.lines } else { self.words }
    }

    /// Lines whose quads fill all banks.
    pub(super) fn lines_of_banks(self) -> u32 {
        8 / self.quads_of_run()
    }
}
