//! Squares of values turned over, between rows in memory and registers.

use pulp::Simd;

use super::lanes::{load, store};

/// Lanes of the widest register there is (AVX-512), and values of a row that are turned at a time.
pub(crate) const SIDE: usize = 16;

/// Up to a register's worth of rows, turned: `columns[c]` begins with the values of column `c`.
pub(crate) struct Square {
    columns: [[f32; SIDE]; SIDE],
}

impl Square {
    pub(crate) const ZEROS: Self = Self { columns: [[0.0; SIDE]; SIDE] };

    /// Takes `rows` rows, `step` values apart, of up to [`SIDE`] values each.
    ///
    /// # Panics
    /// When there are not as many values.
    #[inline(always)]
    pub(crate) fn take_rows(&mut self, values: &[f32], step: usize, rows: usize, count: usize) {
        if count == SIDE {
            // The same with a count that the compiler knows.
            self.take::<SIDE>(values, step, rows);
            return;
        }
        for row in 0..rows {
            for (column, value) in self.columns.iter_mut().zip(&values[row * step..][..count]) {
                column[row] = *value;
            }
        }
    }

    #[inline(always)]
    fn take<const COUNT: usize>(&mut self, values: &[f32], step: usize, rows: usize) {
        for row in 0..rows {
            let values = &values[row * step..][..COUNT];
            for (column, value) in self.columns.iter_mut().zip(values) {
                column[row] = *value;
            }
        }
    }

    /// The rows' values in one column.
    #[inline(always)]
    pub(crate) fn column<S: Simd>(&self, column: usize) -> S::f32s {
        // SAFETY: no register is wider than a column.
        unsafe { load::<S>(self.columns[column].as_ptr()) }
    }

    /// Sets the rows' values in one column.
    #[inline(always)]
    pub(crate) fn set_column<S: Simd>(&mut self, column: usize, values: S::f32s) {
        // SAFETY: no register is wider than a column.
        unsafe { store::<S>(self.columns[column].as_mut_ptr(), values) }
    }

    /// The first values of one row.
    #[inline(always)]
    pub(crate) fn put_row(&self, row: usize, to: &mut [f32]) {
        for (value, column) in to.iter_mut().zip(&self.columns) {
            *value = column[row];
        }
    }
}
