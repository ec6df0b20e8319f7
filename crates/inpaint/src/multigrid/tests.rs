//! Against elimination on small holes, against known functions on large ones.

use proptest::prelude::*;

use super::*;

/// Gaussian elimination on all unknowns, in `f64`.
fn gaussian_elimination(
    width: usize,
    unknown: &[bool],
    known: &[f32],
    screening: f32,
    source: &dyn Fn(usize) -> f32,
) -> Vec<f32> {
    let height = unknown.len() / width;
    let cells: Vec<usize> = (0..unknown.len()).filter(|&at| unknown[at]).collect();
    let number = |at: usize| cells.binary_search(&at).expect("an unknown");
    let mut rows: Vec<Vec<f64>> = Vec::new();
    for &at in &cells {
        let mut row = vec![0.0; cells.len() + 1];
        let (x, y) = (at % width, at / width);
        let mut neighbours = vec![];
        neighbours.extend((x > 0).then(|| at - 1));
        neighbours.extend((x + 1 < width).then(|| at + 1));
        neighbours.extend((y > 0).then(|| at - width));
        neighbours.extend((y + 1 < height).then(|| at + width));
        row[number(at)] = neighbours.len() as f64 + f64::from(screening);
        row[cells.len()] = f64::from(source(at));
        for other in neighbours {
            if unknown[other] {
                row[number(other)] -= 1.0;
            } else {
                row[cells.len()] += f64::from(known[other]);
            }
        }
        rows.push(row);
    }
    for pivot in 0..cells.len() {
        for below in pivot + 1..cells.len() {
            let factor = rows[below][pivot] / rows[pivot][pivot];
            if factor != 0.0 {
                let (upper, lower) = rows.split_at_mut(below);
                for (value, by) in lower[0].iter_mut().zip(&upper[pivot]).skip(pivot) {
                    *value -= factor * by;
                }
            }
        }
    }
    let mut solution = vec![0.0_f64; cells.len()];
    for row in (0..cells.len()).rev() {
        let sum: f64 = (row + 1..cells.len()).map(|column| rows[row][column] * solution[column]).sum();
        solution[row] = (rows[row][cells.len()] - sum) / rows[row][row];
    }
    let mut all = vec![0.0; unknown.len()];
    for (at, value) in cells.into_iter().zip(solution) {
        all[at] = value as f32;
    }
    all
}

/// Whether every connected set of unknowns touches a known cell: grows the known cells until nothing changes.
fn solvable(width: usize, unknown: &[bool]) -> bool {
    let mut open = unknown.to_vec();
    loop {
        let reached: Vec<usize> = (0..open.len())
            .filter(|&at| {
                let x = at % width;
                open[at]
                    && ((x > 0 && !open[at - 1])
                        || (x + 1 < width && !open[at + 1])
                        || (at >= width && !open[at - width])
                        || open.get(at + width) == Some(&false))
            })
            .collect();
        if reached.is_empty() {
            return !open.contains(&true);
        }
        reached.iter().for_each(|&at| open[at] = false);
    }
}

fn noise(at: usize) -> f32 {
    let mixed = (at as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((mixed >> 40) as f32) / (1 << 24) as f32 * 2.0 - 1.0
}

/// Laplace's equation, and the screened Poisson equation.
fn assert_close(width: usize, unknown: &[bool]) {
    assert_solved(width, unknown, 0.0, &|_| 0.0);
    assert_solved(width, unknown, 0.03, &|at| 0.1 * noise(at + 1000));
}

fn assert_solved(width: usize, unknown: &[bool], screening: f32, source: &dyn Fn(usize) -> f32) {
    let known: Vec<f32> = (0..unknown.len()).map(noise).collect();
    let expected = gaussian_elimination(width, unknown, &known, screening, source);
    let multigrid = Multigrid::screened(width, unknown, screening);
    let (found, iterations) = multigrid.solve_counting_iterations(|at| known[at], source);
    for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert!(
            (found - expected).abs() < 2e-5,
            "cell {at}: {found}, not {expected}; {iterations} iterations"
        );
    }
}

#[test]
fn drawn_shapes_agree_with_gaussian_elimination() {
    let shapes = [
        // one pixel; a corner pixel; a row that ends at the border
        "... .#. ...",
        "#.. ... ...",
        ".## ... ...",
        // all but one pixel: one known value everywhere
        "#### #### ##.# ####",
        // a ring, two parts that touch at a corner, a comb
        "..... .###. .#.#. .###. .....",
        "##... ##... ..##. ..### ....#",
        "#.#.#.#.# #.#.#.#.# ######### ......... #########",
        // a single row, a single column
        "##.####",
        "# # . # #",
    ];
    for shape in shapes {
        let rows: Vec<&str> = shape.split(' ').collect();
        let unknown: Vec<bool> = rows.concat().chars().map(|c| c == '#').collect();
        assert_close(rows[0].len(), &unknown);
    }
}

proptest! {
    #[test]
    fn any_small_hole_agrees_with_gaussian_elimination(
        (width, unknown) in (1..14_usize, 1..14_usize, 1..10_u8).prop_flat_map(|(width, height, density)| {
            let cell = (0..10_u8).prop_map(move |draw| draw < density);
            (Just(width), proptest::collection::vec(cell, width * height))
        }),
    ) {
        prop_assume!(solvable(width, &unknown));
        assert_close(width, &unknown);
    }
}

/// Relative to the unit of the known values.
fn worst(width: usize, unknown: &[bool], truth: impl Fn(usize, usize) -> f32) -> (f32, usize) {
    let (found, iterations) =
        Multigrid::new(width, unknown).solve_counting_iterations(|at| truth(at % width, at / width), |_| 0.0);
    let off = |at: usize| (found[at] - truth(at % width, at / width)).abs();
    ((0..found.len()).filter(|&at| unknown[at]).map(off).fold(0.0, f32::max), iterations)
}

#[test]
fn megapixel_takes_few_iterations() {
    let side = 1027;
    let centred = |at: usize| ((at % side) as f32 / 513.0 - 1.0, (at / side) as f32 / 513.0 - 1.0);
    // x^2 - y^2 is harmonic, on the grid too; so is any linear function
    let truth = |x: usize, y: usize| {
        let (x, y) = (x as f32 / 513.0 - 1.0, y as f32 / 513.0 - 1.0);
        0.5 * (x * x - y * y) + 0.2 * x
    };
    let disc: Vec<bool> = (0..side * side)
        .map(|at| {
            let (x, y) = centred(at);
            x.hypot(y) < 0.99
        })
        .collect();
    let wavy: Vec<bool> = (0..side * side)
        .map(|at| {
            let (x, y) = centred(at);
            x.hypot(y) < 0.7 + 0.25 * (9.0 * y.atan2(x)).sin() + 0.03 * (200.0 * x).sin()
        })
        .collect();
    for (name, unknown) in [("disc", disc), ("wavy", wavy)] {
        let (error, iterations) = worst(side, &unknown, truth);
        assert!(error < 1e-4, "{name}: off by {error}");
        assert!(iterations <= 14, "{name}: {iterations} iterations");
    }
}

#[test]
fn no_unknowns_give_zeros() {
    assert_eq!(Multigrid::new(3, &[false; 6]).solve(|_| 1.0), [0.0; 6]);
}
