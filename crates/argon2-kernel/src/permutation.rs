//! P, the permutation of the compression function (RFC 9106, section 3.6), on AVX2. It accesses
//! memory only through references, so it needs no `unsafe`.

use std::arch::x86_64::{
    __m256i, _mm256_add_epi64, _mm256_alignr_epi8, _mm256_mul_epu32, _mm256_permute4x64_epi64,
    _mm256_setr_epi8, _mm256_shuffle_epi8, _mm256_shuffle_epi32, _mm256_srli_epi64,
    _mm256_xor_si256,
};
use std::hint::black_box;

/// Four independent vectors, for instruction-level parallelism.
pub(crate) type Four = [__m256i; 4];

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

/// P on four rows of the block at once, each of four vectors (RFC 9106, section 3.6).
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn permute_rows(rows: &mut [Four; 4], rotations: Rotations) {
    // Diagonals into columns and back: rotations of a row's four quarters.
    const BY_1: i32 = 0b00_11_10_01;
    const BY_2: i32 = 0b01_00_11_10;
    const BY_3: i32 = 0b10_01_00_11;

    let [a, b, c, d] = mix(transposed(rows), rotations);
    let b = each(b, |b| _mm256_permute4x64_epi64::<BY_1>(b));
    let c = each(c, |c| _mm256_permute4x64_epi64::<BY_2>(c));
    let d = each(d, |d| _mm256_permute4x64_epi64::<BY_3>(d));
    let [a, b, c, d] = mix([a, b, c, d], rotations);
    let b = each(b, |b| _mm256_permute4x64_epi64::<BY_3>(b));
    let c = each(c, |c| _mm256_permute4x64_epi64::<BY_2>(c));
    let d = each(d, |d| _mm256_permute4x64_epi64::<BY_1>(d));
    *rows = transposed(&[a, b, c, d]);
}

/// P on four columns of the block at once, each of the halves of eight vectors.
///
/// Diagonals are formed within the halves, which takes one cycle. Across halves it takes more.
#[inline]
#[target_feature(enable = "avx2")]
#[expect(clippy::indexing_slicing, reason = "constant indexes, checked by the compiler")]
pub(crate) fn permute_columns<const START: usize>(block: &mut Vectors, rotations: Rotations) {
    let (left, right) = (START, START + 1);
    let a = [block[left], block[left + 4], block[right], block[right + 4]];
    let b = [block[left + 8], block[left + 12], block[right + 8], block[right + 12]];
    let c = [block[left + 16], block[left + 20], block[right + 16], block[right + 20]];
    let d = [block[left + 24], block[left + 28], block[right + 24], block[right + 28]];
    let [a, b, c, d] = mix([a, b, c, d], rotations);
    let [a, b, c, d] = mix([a, shifted(b), swapped(c), swapped(shifted(d))], rotations);
    let [b, c, d] = [swapped(shifted(b)), swapped(c), shifted(d)];
    [block[left], block[left + 4], block[right], block[right + 4]] = a;
    [block[left + 8], block[left + 12], block[right + 8], block[right + 12]] = b;
    [block[left + 16], block[left + 20], block[right + 16], block[right + 20]] = c;
    [block[left + 24], block[left + 28], block[right + 24], block[right + 28]] = d;
}

/// GB (RFC 9106, section 3.6) on sixteen columns. Each step is four independent instructions, so
/// that none waits for the multiplication of the previous one.
#[inline]
#[target_feature(enable = "avx2")]
fn mix([a, b, c, d]: [Four; 4], rotations: Rotations) -> [Four; 4] {
    let a = pairwise(a, b, |a, b| add_multiplied(a, b));
    let d = pairwise(d, a, |d, a| xor_rotated_32(d, a));
    let c = pairwise(c, d, |c, d| add_multiplied(c, d));
    let b = pairwise(b, c, |b, c| xor_shuffled(b, c, rotations.by_24));
    let a = pairwise(a, b, |a, b| add_multiplied(a, b));
    let d = pairwise(d, a, |d, a| xor_shuffled(d, a, rotations.by_16));
    let c = pairwise(c, d, |c, d| add_multiplied(c, d));
    let b = pairwise(b, c, |b, c| xor_rotated_63(b, c));
    [a, b, c, d]
}

/// Applies a function to each vector.
#[inline]
#[target_feature(enable = "avx2")]
fn each([v0, v1, v2, v3]: Four, f: impl Fn(__m256i) -> __m256i) -> Four {
    [f(v0), f(v1), f(v2), f(v3)]
}

/// Applies a function to each pair of vectors.
#[inline]
#[target_feature(enable = "avx2")]
fn pairwise(
    [v0, v1, v2, v3]: Four,
    [w0, w1, w2, w3]: Four,
    f: impl Fn(__m256i, __m256i) -> __m256i,
) -> Four {
    [f(v0, w0), f(v1, w1), f(v2, w2), f(v3, w3)]
}

/// Transposes rows and columns of vectors.
#[inline]
#[target_feature(enable = "avx2")]
fn transposed(rows: &[Four; 4]) -> [Four; 4] {
    let [[a0, b0, c0, d0], [a1, b1, c1, d1], [a2, b2, c2, d2], [a3, b3, c3, d3]] = *rows;
    [[a0, a1, a2, a3], [b0, b1, b2, b3], [c0, c1, c2, c3], [d0, d1, d2, d3]]
}

/// Moves the 64-bit words of each half down by one, in each pair of vectors.
#[inline]
#[target_feature(enable = "avx2")]
fn shifted([v0, v1, v2, v3]: Four) -> Four {
    [
        _mm256_alignr_epi8::<8>(v1, v0),
        _mm256_alignr_epi8::<8>(v0, v1),
        _mm256_alignr_epi8::<8>(v3, v2),
        _mm256_alignr_epi8::<8>(v2, v3),
    ]
}

/// Swaps the vectors of each pair.
#[inline]
#[target_feature(enable = "avx2")]
fn swapped([v0, v1, v2, v3]: Four) -> Four {
    [v1, v0, v3, v2]
}

/// `a + b + 2 * trunc(a) * trunc(b)` (RFC 9106, section 3.6).
#[inline]
#[target_feature(enable = "avx2")]
fn add_multiplied(a: __m256i, b: __m256i) -> __m256i {
    let product = _mm256_mul_epu32(a, b);
    _mm256_add_epi64(_mm256_add_epi64(a, b), _mm256_add_epi64(product, product))
}

/// `(a ^ b) >>> 32`
#[inline]
#[target_feature(enable = "avx2")]
fn xor_rotated_32(a: __m256i, b: __m256i) -> __m256i {
    _mm256_shuffle_epi32::<0b10_11_00_01>(_mm256_xor_si256(a, b))
}

/// `a ^ b` with its bytes shuffled: a rotation by 16 or 24.
#[inline]
#[target_feature(enable = "avx2")]
fn xor_shuffled(a: __m256i, b: __m256i, rotation: __m256i) -> __m256i {
    _mm256_shuffle_epi8(_mm256_xor_si256(a, b), rotation)
}

/// `(a ^ b) >>> 63`
#[inline]
#[target_feature(enable = "avx2")]
fn xor_rotated_63(a: __m256i, b: __m256i) -> __m256i {
    let x = _mm256_xor_si256(a, b);
    _mm256_xor_si256(_mm256_srli_epi64::<63>(x), _mm256_add_epi64(x, x))
}
