//! P, the permutation of the compression function (RFC 9106, section 3.6), on vectors. It accesses
//! memory only through references, so it needs no `unsafe`.

use crate::vector::{
    Rotations, Vector, halves_joined, rotated_16, rotated_24, rotated_32, rotated_63,
    sum_with_product, words_rotated, xor,
};

/// A block as vectors.
pub(crate) type Vectors = [Vector; 32];

/// P on two columns of the block at once, each of the halves of eight vectors, one of each row. The
/// first two columns complete the first word of a block: the fewer columns at once, the sooner.
///
/// Diagonals are formed within the halves, which takes one cycle. Across halves it takes more.
#[inline]
#[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2"))]
#[cfg_attr(target_arch = "aarch64", target_feature(enable = "neon"))]
#[expect(clippy::indexing_slicing, reason = "constant indexes, checked by the compiler")]
pub(crate) fn permute_columns<const START: usize>(
    block: &Vectors,
    rotations: Rotations,
) -> [Vector; 8] {
    let mut quarters = [
        [block[START], block[START + 4]],
        [block[START + 8], block[START + 12]],
        [block[START + 16], block[START + 20]],
        [block[START + 24], block[START + 28]],
    ];
    mix(&mut quarters, rotations);
    let [a, b, c, d] = quarters;
    let mut quarters = [a, shifted(b), swapped(c), swapped(shifted(d))];
    mix(&mut quarters, rotations);
    let [a, b, c, d] = quarters;
    let [[a0, a1], [b0, b1], [c0, c1], [d0, d1]] = [a, swapped(shifted(b)), swapped(c), shifted(d)];
    [a0, a1, b0, b1, c0, c1, d0, d1]
}

/// GB (RFC 9106, section 3.6) on `N` vectors of columns. Each step is `N` independent instructions,
/// so that none waits for the multiplication of the previous one.
#[inline]
#[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2"))]
#[cfg_attr(target_arch = "aarch64", target_feature(enable = "neon"))]
pub(crate) fn mix<const N: usize>([a, b, c, d]: &mut [[Vector; N]; 4], rotations: Rotations) {
    add(a, b);
    xor_rotated(d, a, |word| rotated_32(word));
    add(c, d);
    xor_rotated(b, c, |word| rotated_24(word, rotations));
    add(a, b);
    xor_rotated(d, a, |word| rotated_16(word, rotations));
    add(c, d);
    xor_rotated(b, c, |word| rotated_63(word));
}

/// Rotates the words of the second, third and fourth quarter of rows: diagonals into columns.
#[inline]
#[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2"))]
#[cfg_attr(target_arch = "aarch64", target_feature(enable = "neon"))]
pub(crate) fn diagonals_to_columns([_, b, c, d]: &mut [[Vector; 4]; 4]) {
    rotate::<1>(b);
    rotate::<2>(c);
    rotate::<3>(d);
}

/// The inverse of [`diagonals_to_columns`].
#[inline]
#[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2"))]
#[cfg_attr(target_arch = "aarch64", target_feature(enable = "neon"))]
pub(crate) fn columns_to_diagonals([_, b, c, d]: &mut [[Vector; 4]; 4]) {
    rotate::<3>(b);
    rotate::<2>(c);
    rotate::<1>(d);
}

/// Moves the words of each vector down by `BY`.
#[inline]
#[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2"))]
#[cfg_attr(target_arch = "aarch64", target_feature(enable = "neon"))]
fn rotate<const BY: usize>(vectors: &mut [Vector; 4]) {
    for vector in vectors {
        *vector = words_rotated::<BY>(*vector);
    }
}

/// Transposes rows and columns of vectors.
#[inline]
#[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2"))]
#[cfg_attr(target_arch = "aarch64", target_feature(enable = "neon"))]
pub(crate) fn transposed(rows: &[[Vector; 4]; 4]) -> [[Vector; 4]; 4] {
    let [[a0, b0, c0, d0], [a1, b1, c1, d1], [a2, b2, c2, d2], [a3, b3, c3, d3]] = *rows;
    [[a0, a1, a2, a3], [b0, b1, b2, b3], [c0, c1, c2, c3], [d0, d1, d2, d3]]
}

/// Moves the 64-bit words of each half down by one, from one vector to the other.
#[inline]
#[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2"))]
#[cfg_attr(target_arch = "aarch64", target_feature(enable = "neon"))]
fn shifted([v0, v1]: [Vector; 2]) -> [Vector; 2] {
    [halves_joined(v0, v1), halves_joined(v1, v0)]
}

/// Swaps the two vectors.
#[inline]
#[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2"))]
#[cfg_attr(target_arch = "aarch64", target_feature(enable = "neon"))]
fn swapped([v0, v1]: [Vector; 2]) -> [Vector; 2] {
    [v1, v0]
}

/// `a = a + b + 2 * trunc(a) * trunc(b)` (RFC 9106, section 3.6).
#[inline]
#[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2"))]
#[cfg_attr(target_arch = "aarch64", target_feature(enable = "neon"))]
fn add<const N: usize>(a: &mut [Vector; N], b: &[Vector; N]) {
    for (a, b) in a.iter_mut().zip(b) {
        *a = sum_with_product(*a, *b);
    }
}

/// `a = (a ^ b)` with its words rotated.
#[inline]
#[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2"))]
#[cfg_attr(target_arch = "aarch64", target_feature(enable = "neon"))]
fn xor_rotated<const N: usize>(
    a: &mut [Vector; N],
    b: &[Vector; N],
    rotated: impl Fn(Vector) -> Vector,
) {
    for (a, b) in a.iter_mut().zip(b) {
        *a = rotated(xor(*a, *b));
    }
}
