//! Feature maps as kernels see them: channels last.

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

    /// Picture, row and column of a pixel.
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

    /// The channels of a pixel, null outside the picture.
    #[inline(always)]
    pub(crate) fn pixel(&self, picture: usize, y: isize, x: isize) -> *const f32 {
        let Shape { height, width, channels, .. } = self.shape;
        if y < 0 || x < 0 || y >= height as isize || x >= width as isize {
            return std::ptr::null();
        }
        let index = ((picture * height + y as usize) * width + x as usize) * channels;
        self.values[index..][..channels].as_ptr()
    }

    /// Pixels on a square grid, `step` apart, null outside the picture.
    #[inline(always)]
    pub(crate) fn grid<const SIDE: usize>(
        &self,
        picture: usize,
        [top, left]: [isize; 2],
        step: isize,
    ) -> [[*const f32; SIDE]; SIDE] {
        let mut grid = [[std::ptr::null(); SIDE]; SIDE];
        for (y, line) in grid.iter_mut().enumerate() {
            for (x, pixel) in line.iter_mut().enumerate() {
                *pixel = self.pixel(picture, top + y as isize * step, left + x as isize * step);
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
    values: *mut f32,
    pub(crate) shape: Shape,
}

// SAFETY: writing goes through `pixel`, whose callers promise that no two write the same pixel.
unsafe impl Send for Sink {}
// SAFETY: as above.
unsafe impl Sync for Sink {}

impl Sink {
    /// # Panics
    /// When the values are not as many as the shape says.
    pub(crate) fn new(values: &mut [f32], shape: Shape) -> Self {
        assert_eq!(values.len(), shape.size(), "a map of {shape:?} has another number of values");
        Self { values: values.as_mut_ptr(), shape }
    }

    /// The channels of a pixel, null outside the picture.
    #[inline(always)]
    pub(crate) fn pixel(&self, picture: usize, y: usize, x: usize) -> *mut f32 {
        let Shape { batch, height, width, channels } = self.shape;
        if picture >= batch || y >= height || x >= width {
            return std::ptr::null_mut();
        }
        let index = ((picture * height + y) * width + x) * channels;
        // SAFETY: inside the picture, so inside the values.
        unsafe { self.values.add(index) }
    }
}
