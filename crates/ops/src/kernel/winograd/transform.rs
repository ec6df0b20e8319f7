//! The transforms of minimal filtering, in registers.

use pulp::Simd;

use super::PLANES;
use crate::kernel::lanes::store;

/// `B^T d B`, each element to its plane.
///
/// # Safety
/// `to` must be valid for one register in each of nine planes.
#[inline(always)]
pub(super) unsafe fn transform<S: Simd>(simd: S, d: [[S::f32s; 3]; 3], to: *mut f32, plane: usize) {
    let [top, middle, bottom] = d;
    let (mut above, mut below) = (top, bottom);
    for x in 0..3 {
        above[x] = simd.sub_f32s(top[x], middle[x]);
        below[x] = simd.sub_f32s(bottom[x], middle[x]);
    }
    for (y, [left, centre, right]) in [above, middle, below].into_iter().enumerate() {
        // SAFETY: the caller's promise.
        unsafe {
            store::<S>(to.add((3 * y) * plane), simd.sub_f32s(left, centre));
            store::<S>(to.add((3 * y + 1) * plane), centre);
            store::<S>(to.add((3 * y + 2) * plane), simd.sub_f32s(right, centre));
        }
    }
}

/// `A^T m A`.
#[inline(always)]
pub(super) fn fold<S: Simd>(simd: S, m: [[S::f32s; 3]; 3]) -> [[S::f32s; 2]; 2] {
    let [top, middle, bottom] = m;
    let (mut above, mut below) = (top, bottom);
    for x in 0..3 {
        above[x] = simd.add_f32s(top[x], middle[x]);
        below[x] = simd.add_f32s(middle[x], bottom[x]);
    }
    let [a, b, c] = above;
    let [d, e, f] = below;
    [[simd.add_f32s(a, b), simd.add_f32s(b, c)], [simd.add_f32s(d, e), simd.add_f32s(e, f)]]
}

/// `G g G^T`, which is also `A y A^T`.
#[inline(always)]
pub(super) fn filter<S: Simd>(simd: S, [[a, b], [c, d]]: [[S::f32s; 2]; 2]) -> [S::f32s; PLANES] {
    let (left, right) = (simd.add_f32s(a, c), simd.add_f32s(b, d));
    [a, simd.add_f32s(a, b), b, left, simd.add_f32s(left, right), right, c, simd.add_f32s(c, d), d]
}
