//! Pixels anywhere in a picture: what they cost is by the pixel, not by the rectangle around them.

use std::ops::Range;

use context_encoder_mask::Rect;

use crate::components::Run;

/// Pixels of a picture, numbered row by row.
#[derive(Clone, Debug, Default)]
pub(crate) struct PixelSet {
    /// Sorted by row and column; two of a row do not touch.
    runs: Vec<Run>,
    /// The number of each run's first pixel, and that of all pixels at the end.
    first: Vec<usize>,
}

impl PixelSet {
    /// The pixels of runs that do not touch each other, in any order.
    pub(crate) fn new(mut runs: Vec<Run>) -> Self {
        runs.sort_unstable_by_key(|run| (run.y, run.start));
        let mut first = vec![0];
        let mut count = 0;
        first.extend(runs.iter().map(|run| {
            count += (run.end - run.start) as usize;
            count
        }));
        Self { runs, first }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.first.last().copied().unwrap_or(0)
    }

    /// Column and row of each, in the order of their numbers.
    pub(crate) fn positions(&self) -> impl Iterator<Item = (u32, u32)> {
        self.runs.iter().flat_map(|run| (run.start..run.end).map(|x| (x, run.y)))
    }

    /// The runs, each with the number of its first pixel.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (Run, usize)> {
        self.runs.iter().copied().zip(self.first.iter().copied())
    }

    /// What of it lies in a rectangle, as runs with the numbers of their first pixels.
    pub(crate) fn runs_in(&self, rect: Rect) -> impl Iterator<Item = (Run, usize)> {
        let rows = self.runs_of_rows(rect.y..rect.bottom());
        let inside = move |(run, first): (Run, usize)| {
            let (start, end) = (run.start.max(rect.x), run.end.min(rect.right()));
            (start < end).then(|| (Run { start, end, ..run }, first + (start - run.start) as usize))
        };
        self.runs[rows.clone()].iter().copied().zip(self.first[rows].iter().copied()).filter_map(inside)
    }

    /// The numbers of all pairs of a pixel and the one below it.
    pub(crate) fn vertical_neighbours(&self) -> impl Iterator<Item = (usize, usize)> {
        let mut below = 0;
        self.runs().flat_map(move |(run, first)| {
            while self.runs.get(below).is_some_and(|other| (other.y, other.end) <= (run.y + 1, run.start)) {
                below += 1;
            }
            let lower = self.runs[below..].iter().zip(&self.first[below..]);
            let lower = lower.take_while(move |(other, _)| other.y == run.y + 1 && other.start < run.end);
            lower.flat_map(move |(other, &other_first)| {
                let (start, end) = (run.start.max(other.start), run.end.min(other.end));
                let number = |first: usize, run: Run, x: u32| first + (x - run.start) as usize;
                (start..end).map(move |x| (number(first, run, x), number(other_first, *other, x)))
            })
        })
    }

    /// Which runs lie in some rows.
    fn runs_of_rows(&self, rows: Range<u32>) -> Range<usize> {
        let before = |y: u32| self.runs.partition_point(|run| run.y < y);
        before(rows.start)..before(rows.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_numbered_row_by_row() {
        let run = |y, start, end| Run { y, start, end };
        let set = PixelSet::new(vec![run(7, 0, 3), run(2, 5, 6), run(2, 1, 3)]);
        assert_eq!(set.len(), 6);
        let positions: Vec<_> = set.positions().collect();
        assert_eq!(positions, [(1, 2), (2, 2), (5, 2), (0, 7), (1, 7), (2, 7)]);
        let below = [run(0, 2, 5), run(1, 0, 3), run(1, 4, 9)];
        let pairs: Vec<_> = PixelSet::new(below.to_vec()).vertical_neighbours().collect();
        assert_eq!(pairs, [(0, 5), (2, 6)]);
        let part: Vec<_> = set.runs_in(Rect { x: 2, y: 2, width: 8, height: 6 }).collect();
        assert_eq!(part, [(run(2, 2, 3), 1), (run(2, 5, 6), 2), (run(7, 2, 3), 5)]);
        assert_eq!((PixelSet::new(Vec::new()).len(), PixelSet::default().len()), (0, 0));
    }
}
