//! The connected components of a mask.

use context_encoder_mask::{Mask, Rect};

/// Hidden pixels of one row: columns `start..end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) y: u32,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

/// Hidden pixels that touch each other by edges or corners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Component {
    /// The smallest rectangle around it.
    pub(crate) bounds: Rect,
    /// Its pixels, row by row.
    pub(crate) runs: Vec<Run>,
}

/// The components of what a mask hides (1 = hidden), in the order of their first pixels: union-find over
/// runs.
pub(crate) fn connected_components(mask: &Mask) -> Vec<Component> {
    let runs = runs(mask);
    let parents = union_touching(&runs);
    let mut number = vec![usize::MAX; runs.len()];
    let mut components: Vec<Component> = Vec::new();
    for (index, &run) in runs.iter().enumerate() {
        let root = root(&parents, index);
        if number[root] == usize::MAX {
            number[root] = components.len();
            let bounds = Rect { x: run.start, y: run.y, width: run.end - run.start, height: 1 };
            components.push(Component { bounds, runs: Vec::new() });
        }
        let component = &mut components[number[root]];
        let Rect { x, y, .. } = component.bounds;
        let right = component.bounds.right().max(run.end);
        let x = x.min(run.start);
        component.bounds = Rect { x, y, width: right - x, height: run.y + 1 - y };
        component.runs.push(run);
    }
    components
}

impl Component {
    /// The upper left corners of all squares of `side` pixels a side that fit into it, row by row: where runs
    /// of that length lie in each of as many rows, one below the other.
    pub(crate) fn squares(&self, side: u32) -> Vec<Run> {
        let long_enough = |run: &Run| run.end - run.start >= side;
        let mut common = self.runs.clone();
        common.retain(long_enough);
        let mut rows = 1;
        while rows < side && !common.is_empty() {
            let step = rows.min(side - rows);
            common = intersection_with_lower(&common, step);
            common.retain(long_enough);
            rows += step;
        }
        common.iter_mut().for_each(|run| run.end -= side.saturating_sub(1));
        common
    }
}

/// What of each run is also in the row `step` rows below.
fn intersection_with_lower(runs: &[Run], step: u32) -> Vec<Run> {
    let mut first = 0;
    let mut common = Vec::new();
    for &Run { y, start, end } in runs {
        let lower = y + step;
        while runs.get(first).is_some_and(|other| (other.y, other.end) <= (lower, start)) {
            first += 1;
        }
        let overlapping = runs[first..].iter().take_while(|other| other.y == lower && other.start < end);
        common.extend(overlapping.map(|other| Run {
            y,
            start: start.max(other.start),
            end: end.min(other.end),
        }));
    }
    common
}

fn runs(mask: &Mask) -> Vec<Run> {
    let mut runs = Vec::new();
    for (y, row) in (0..).zip(mask.hidden().chunks(mask.width() as usize)) {
        let mut x = 0;
        while let Some(start) = row[x..].iter().position(|&hidden| hidden) {
            let start = x + start;
            let length = row[start..].iter().position(|&hidden| !hidden).unwrap_or(row.len() - start);
            x = start + length;
            runs.push(Run { y, start: start as u32, end: x as u32 });
        }
    }
    runs
}

/// For each run its parent in union-find: a run of the same component that comes no later; a component's
/// first run is its own parent.
fn union_touching(runs: &[Run]) -> Vec<usize> {
    let mut parents: Vec<usize> = (0..runs.len()).collect();
    let mut above = 0;
    for (index, run) in runs.iter().enumerate() {
        // Runs of the row above that end too far left touch no later run of this row either.
        while runs[above].y + 1 < run.y || (runs[above].y < run.y && runs[above].end < run.start) {
            above += 1;
        }
        let touching =
            (above..index).take_while(|&other| runs[other].y < run.y && runs[other].start <= run.end);
        for other in touching {
            let (a, b) = (root_halving(&mut parents, other), root_halving(&mut parents, index));
            parents[a.max(b)] = a.min(b);
        }
    }
    parents
}

fn root(parents: &[usize], mut index: usize) -> usize {
    while parents[index] != index {
        index = parents[index];
    }
    index
}

/// The root, with the path to it halved.
fn root_halving(parents: &mut [usize], mut index: usize) -> usize {
    while parents[index] != index {
        parents[index] = parents[parents[index]];
        index = parents[index];
    }
    index
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn drawn(rows: &[&str]) -> Mask {
        let flags: Vec<bool> = rows.concat().chars().map(|c| c == '#').collect();
        Mask::new(rows[0].len() as u32, rows.len() as u32, flags).expect("a rectangle")
    }

    #[test]
    fn corners_connect_and_gaps_do_not() {
        let components = connected_components(&drawn(&["##..#", "..#..", "....#", "#...#"]));
        let bounds: Vec<Rect> = components.iter().map(|component| component.bounds).collect();
        let expected = [(0, 0, 3, 2), (4, 0, 1, 1), (4, 2, 1, 2), (0, 3, 1, 1)];
        assert_eq!(bounds, expected.map(|(x, y, width, height)| Rect { x, y, width, height }));
        assert_eq!(components[0].runs, [Run { y: 0, start: 0, end: 2 }, Run { y: 1, start: 2, end: 3 }]);
    }

    #[test]
    fn squares_fit_into_what_is_thick_enough() {
        let component = |rows: &[&str]| connected_components(&drawn(rows)).remove(0);
        let stairs = component(&["###..", "####.", ".####", "..###"]);
        let corners = [(0, 0, 2), (1, 1, 3), (2, 2, 4)];
        assert_eq!(stairs.squares(2), corners.map(|(y, start, end)| Run { y, start, end }));
        assert!(stairs.squares(3).is_empty() && stairs.squares(1) == stairs.runs);
        let wall = component(&[".###.", "#####", "#####", "#.#.#"]);
        assert_eq!(wall.squares(3), [Run { y: 0, start: 1, end: 2 }]);
    }

    /// The sizes of the components, by flood fill.
    fn flood_fill_sizes(mask: &Mask) -> Vec<usize> {
        let (width, height) = (mask.width() as i64, mask.height() as i64);
        let mut left: Vec<bool> = mask.hidden().to_vec();
        let mut sizes = vec![];
        for first in 0..left.len() {
            if std::mem::take(&mut left[first]) {
                let (mut open, mut size) = (vec![first as i64], 0);
                while let Some(at) = open.pop() {
                    size += 1;
                    for (dx, dy) in (-1..=1).flat_map(|dx| (-1..=1).map(move |dy| (dx, dy))) {
                        let (x, y) = (at % width + dx, at / width + dy);
                        let inside = (0..width).contains(&x) && (0..height).contains(&y);
                        if inside && std::mem::take(&mut left[(y * width + x) as usize]) {
                            open.push(y * width + x);
                        }
                    }
                }
                sizes.push(size);
            }
        }
        sizes
    }

    proptest! {
        #[test]
        fn squares_are_found_wherever_they_are(
            flags in proptest::collection::vec(0..6_u8, 12 * 10), side in 1..6_u32,
        ) {
            let mask = Mask::new(12, 10, flags.into_iter().map(|draw| draw > 0).collect()).expect("a rectangle");
            let hidden = |x: u32, y: u32| (y..y + side).all(|y| (x..x + side).all(|x| mask.is_hidden(x, y)));
            let corners = (0..=10 - side).flat_map(|y| (0..=12 - side).map(move |x| (x, y)));
            let expected: Vec<_> = corners.filter(|&(x, y)| hidden(x, y)).collect();
            let components = connected_components(&mask);
            let runs = components.iter().flat_map(|component| component.squares(side));
            let mut found: Vec<_> = runs.flat_map(|run| (run.start..run.end).map(move |x| (x, run.y))).collect();
            found.sort_unstable_by_key(|&(x, y)| (y, x));
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn components_are_those_of_flood_fill(
            (width, flags) in (1..20_u32, 1..20_u32, 1..10_u8).prop_flat_map(|(width, height, density)| {
                let flag = (0..10_u8).prop_map(move |draw| draw < density);
                (Just(width), proptest::collection::vec(flag, (width * height) as usize))
            }),
        ) {
            let mask = Mask::new(width, flags.len() as u32 / width, flags).expect("a rectangle");
            let found: Vec<usize> = connected_components(&mask)
                .iter()
                .map(|component| component.runs.iter().map(|run| (run.end - run.start) as usize).sum())
                .collect();
            prop_assert_eq!(found, flood_fill_sizes(&mask));
        }
    }
}
