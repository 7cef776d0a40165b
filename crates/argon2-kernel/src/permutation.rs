//! P, the permutation of the compression function (RFC 9106, section 3.6), on AVX2. It accesses
//! memory only through references, so it needs no `unsafe`.

use std::arch::x86_64::{
    __m256i, _mm256_add_epi64, _mm256_alignr_epi8, _mm256_mul_epu32, _mm256_permute4x64_epi64,
    _mm256_setr_epi8, _mm256_shuffle_epi8, _mm256_shuffle_epi32, _mm256_srli_epi64,
    _mm256_xor_si256,
};
use std::hint::black_box;

/// A block as vectors.
pub(crate) type Vectors = [__m256i; 32];

/// The byte shuffles that rotate each word to the right.
///
/// They are opaque to the compiler, which would replace a known shuffle with two or three others.
#[derive(Clone, Copy)]
pub(crate) struct Rotations {
    by_16: __m256i,
    by_24: __m256i,
}

impl Rotations {
    /// Loads the shuffles, for any number of permutations.
    #[target_feature(enable = "avx2")]
    #[rustfmt::skip]
    pub(crate) fn new() -> Self {
        Self {
            by_16: black_box(_mm256_setr_epi8(
                2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9,
                2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9,
            )),
            by_24: black_box(_mm256_setr_epi8(
                3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10,
                3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10,
            )),
        }
    }
}

/// Selects the next, the second next and the third next of four words.
pub(crate) const BY_1: i32 = 0b00_11_10_01;
pub(crate) const BY_2: i32 = 0b01_00_11_10;
pub(crate) const BY_3: i32 = 0b10_01_00_11;

/// P on two columns of the block at once, each of the halves of eight vectors, one of each row. The
/// first two columns complete the first word of a block: the fewer columns at once, the sooner.
///
/// Diagonals are formed within the halves, which takes one cycle. Across halves it takes more.
#[inline]
#[target_feature(enable = "avx2")]
#[expect(clippy::indexing_slicing, reason = "constant indexes, checked by the compiler")]
pub(crate) fn permute_columns<const START: usize>(
    block: &Vectors,
    rotations: Rotations,
) -> [__m256i; 8] {
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
#[target_feature(enable = "avx2")]
pub(crate) fn mix<const N: usize>([a, b, c, d]: &mut [[__m256i; N]; 4], rotations: Rotations) {
    add_multiplied(a, b);
    xor_rotated_32(d, a);
    add_multiplied(c, d);
    xor_shuffled(b, c, rotations.by_24);
    add_multiplied(a, b);
    xor_shuffled(d, a, rotations.by_16);
    add_multiplied(c, d);
    xor_rotated_63(b, c);
}

/// Rotates the words of the second, third and fourth quarter of rows: diagonals into columns, and
/// back.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn rotate_quarters<const B: i32, const C: i32, const D: i32>(
    [_, b, c, d]: &mut [[__m256i; 4]; 4],
) {
    for b in b {
        *b = _mm256_permute4x64_epi64::<B>(*b);
    }
    for c in c {
        *c = _mm256_permute4x64_epi64::<C>(*c);
    }
    for d in d {
        *d = _mm256_permute4x64_epi64::<D>(*d);
    }
}

/// Transposes rows and columns of vectors.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn transposed(rows: &[[__m256i; 4]; 4]) -> [[__m256i; 4]; 4] {
    let [[a0, b0, c0, d0], [a1, b1, c1, d1], [a2, b2, c2, d2], [a3, b3, c3, d3]] = *rows;
    [[a0, a1, a2, a3], [b0, b1, b2, b3], [c0, c1, c2, c3], [d0, d1, d2, d3]]
}

/// Moves the 64-bit words of each half down by one, from one vector to the other.
#[inline]
#[target_feature(enable = "avx2")]
fn shifted([v0, v1]: [__m256i; 2]) -> [__m256i; 2] {
    [_mm256_alignr_epi8::<8>(v1, v0), _mm256_alignr_epi8::<8>(v0, v1)]
}

/// Swaps the two vectors.
#[inline]
#[target_feature(enable = "avx2")]
fn swapped([v0, v1]: [__m256i; 2]) -> [__m256i; 2] {
    [v1, v0]
}

/// `a = a + b + 2 * trunc(a) * trunc(b)` (RFC 9106, section 3.6).
#[inline]
#[target_feature(enable = "avx2")]
fn add_multiplied<const N: usize>(a: &mut [__m256i; N], b: &[__m256i; N]) {
    for (a, b) in a.iter_mut().zip(b) {
        let product = _mm256_mul_epu32(*a, *b);
        *a = _mm256_add_epi64(_mm256_add_epi64(*a, *b), _mm256_add_epi64(product, product));
    }
}

/// `a = (a ^ b) >>> 32`
#[inline]
#[target_feature(enable = "avx2")]
fn xor_rotated_32<const N: usize>(a: &mut [__m256i; N], b: &[__m256i; N]) {
    for (a, b) in a.iter_mut().zip(b) {
        *a = _mm256_shuffle_epi32::<0b10_11_00_01>(_mm256_xor_si256(*a, *b));
    }
}

/// `a = a ^ b` with its bytes shuffled: a rotation by 16 or 24.
#[inline]
#[target_feature(enable = "avx2")]
fn xor_shuffled<const N: usize>(a: &mut [__m256i; N], b: &[__m256i; N], rotation: __m256i) {
    for (a, b) in a.iter_mut().zip(b) {
        *a = _mm256_shuffle_epi8(_mm256_xor_si256(*a, *b), rotation);
    }
}

/// `a = (a ^ b) >>> 63`
#[inline]
#[target_feature(enable = "avx2")]
fn xor_rotated_63<const N: usize>(a: &mut [__m256i; N], b: &[__m256i; N]) {
    for (a, b) in a.iter_mut().zip(b) {
        let x = _mm256_xor_si256(*a, *b);
        *a = _mm256_xor_si256(_mm256_srli_epi64::<63>(x), _mm256_add_epi64(x, x));
    }
}
