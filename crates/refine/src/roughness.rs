//! How rough the picture is around each pixel.

/// Pixels on each side of one whose gradients count.
const RADIUS: usize = 6;

/// Levels of roughness for one level of mean gradient.
const SCALE: u64 = 2;

/// So many gradients make a mean.
const ENOUGH: u64 = 16;

/// The mean length of the luminance's gradient around each pixel, of visible pixels only: a first fill is
/// smooth where the picture is not. Where too few are near, those of a square twice as large count.
pub(crate) fn roughness(width: usize, pixels: &[[u8; 3]], hidden: &[bool]) -> Vec<u8> {
    let luminance = |at: usize| pixels[at].iter().map(|&value| i32::from(value)).sum::<i32>();
    let gradient = |at: usize| {
        let (right, below) = (at + 1, at + width);
        let inside = right % width > 0 && below < pixels.len();
        let visible = inside && !hidden[at] && !hidden[right] && !hidden[below];
        visible.then(|| {
            let here = luminance(at);
            luminance(right).abs_diff(here) + luminance(below).abs_diff(here)
        })
    };
    let gradients: Vec<Option<u32>> = (0..pixels.len()).map(gradient).collect();
    let lengths: Vec<u32> = gradients.iter().map(|gradient| gradient.unwrap_or(0)).collect();
    let known: Vec<u32> = gradients.iter().map(|gradient| u32::from(gradient.is_some())).collect();
    let mut rough: Vec<Option<u8>> = vec![None; pixels.len()];
    let mut radius = RADIUS;
    while !pixels.is_empty() && rough.contains(&None) && radius < 4 * width.max(pixels.len() / width) {
        let (sums, counts) = (box_sums(width, &lengths, radius), box_sums(width, &known, radius));
        for (rough, (sum, count)) in rough.iter_mut().zip(sums.into_iter().zip(counts)) {
            if rough.is_none() && count >= ENOUGH {
                *rough = Some((SCALE * sum / (3 * count)).min(255) as u8);
            }
        }
        radius *= 2;
    }
    rough.into_iter().map(|rough| rough.unwrap_or(0)).collect()
}

/// Sums, which may be beyond 32 bits, over the squares of `2 radius + 1` pixels around each, as far as they
/// lie in the picture.
fn box_sums(width: usize, values: &[u32], radius: usize) -> Vec<u64> {
    let height = values.len() / width;
    let mut rows = vec![0_u64; values.len()];
    for (sums, values) in rows.chunks_mut(width).zip(values.chunks(width)) {
        let mut sum: u64 = values.iter().take(radius).copied().map(u64::from).sum();
        for (x, total) in sums.iter_mut().enumerate() {
            sum += values.get(x + radius).copied().map_or(0, u64::from);
            *total = sum;
            sum -= x.checked_sub(radius).map_or(0, |left| u64::from(values[left]));
        }
    }
    let mut sum = vec![0; width];
    let mut squares = vec![0; values.len()];
    let row = |y: usize| &rows[y * width..(y + 1) * width];
    for y in 0..radius.min(height) {
        sum.iter_mut().zip(row(y)).for_each(|(sum, value)| *sum += value);
    }
    for (y, squares) in squares.chunks_mut(width).enumerate() {
        if y + radius < height {
            sum.iter_mut().zip(row(y + radius)).for_each(|(sum, value)| *sum += value);
        }
        squares.copy_from_slice(&sum);
        if let Some(above) = y.checked_sub(radius) {
            sum.iter_mut().zip(row(above)).for_each(|(sum, value)| *sum -= value);
        }
    }
    squares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn box_sums_end_at_the_border() {
        let values = [1, 2, 3, 10, 20, 30];
        assert_eq!(box_sums(3, &values, 1), [33, 66, 55, 33, 66, 55]);
        assert_eq!(box_sums(3, &values, 5), [66; 6]);
        assert_eq!(box_sums(3, &values, 0), values.map(u64::from));
        assert_eq!(box_sums(1, &[u32::MAX; 3], 1)[1], 3 * u64::from(u32::MAX));
    }

    #[test]
    fn roughness_of_stripes_and_what_a_hole_takes_from_them() {
        // columns of 0 and 30: along each row the gradient is 30, times 3 channels; doubled, over 3
        let pixels: Vec<[u8; 3]> =
            (0..40 * 40).map(|at| if at % 2 == 0 { [0; 3] } else { [30; 3] }).collect();
        let hidden: Vec<bool> = (0..40 * 40).map(|at| at % 40 >= 10 && at / 40 >= 10).collect();
        assert_eq!(roughness(40, &pixels, &hidden), [60; 40 * 40]);
    }
}
