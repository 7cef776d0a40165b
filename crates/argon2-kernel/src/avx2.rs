//! Vectors of AVX2.
#![expect(unsafe_code, reason = "vector loads and stores")]

use std::arch::x86_64::{
    __m256i, _MM_HINT_T0, _mm_cvtsi128_si64, _mm_prefetch, _mm256_add_epi64, _mm256_alignr_epi8,
    _mm256_castsi256_si128, _mm256_loadu_si256, _mm256_mul_epu32, _mm256_permute4x64_epi64,
    _mm256_setr_epi8, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_shuffle_epi32,
    _mm256_srli_epi64, _mm256_storeu_si256, _mm256_xor_si256,
};
use std::hint::black_box;

/// Four words.
pub(crate) type Vector = __m256i;

/// The name for operators.
pub const NAME: &str = "avx2";

/// True when this processor has these vectors.
pub(crate) fn is_supported() -> bool {
    is_x86_feature_detected!("avx2")
}

/// The byte shuffles that rotate each word to the right.
///
/// They are opaque to the compiler, which would replace a known shuffle with two or three others.
#[derive(Clone, Copy)]
pub(crate) struct Rotations {
    by_16: Vector,
    by_24: Vector,
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

/// Four times zero.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn zero() -> Vector {
    _mm256_setzero_si256()
}

/// Four words as a vector.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn load(words: &[u64; 4]) -> Vector {
    // SAFETY: the reference is to exactly 32 readable bytes; no alignment is needed.
    unsafe { _mm256_loadu_si256(std::ptr::from_ref(words).cast()) }
}

/// A vector as four words.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn store(words: &mut [u64; 4], vector: Vector) {
    // SAFETY: the reference is to exactly 32 writable bytes; no alignment is needed.
    unsafe { _mm256_storeu_si256(std::ptr::from_mut(words).cast(), vector) }
}

/// The first word.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn first_word(vector: Vector) -> u64 {
    _mm_cvtsi128_si64(_mm256_castsi256_si128(vector)).cast_unsigned()
}

/// `a ^ b`
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn xor(a: Vector, b: Vector) -> Vector {
    _mm256_xor_si256(a, b)
}

/// `a + b + 2 * trunc(a) * trunc(b)`, where `trunc` takes the lower 32 bits of each word.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn sum_with_product(a: Vector, b: Vector) -> Vector {
    let product = _mm256_mul_epu32(a, b);
    _mm256_add_epi64(_mm256_add_epi64(a, b), _mm256_add_epi64(product, product))
}

/// Each word rotated to the right by 16.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn rotated_16(vector: Vector, rotations: Rotations) -> Vector {
    _mm256_shuffle_epi8(vector, rotations.by_16)
}

/// Each word rotated to the right by 24.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn rotated_24(vector: Vector, rotations: Rotations) -> Vector {
    _mm256_shuffle_epi8(vector, rotations.by_24)
}

/// Each word rotated to the right by 32.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn rotated_32(vector: Vector) -> Vector {
    _mm256_shuffle_epi32::<0b10_11_00_01>(vector)
}

/// Each word rotated to the right by 63.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn rotated_63(vector: Vector) -> Vector {
    _mm256_xor_si256(_mm256_srli_epi64::<63>(vector), _mm256_add_epi64(vector, vector))
}

/// The words moved down by `BY`, 1 to 3, in a circle.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn words_rotated<const BY: usize>(vector: Vector) -> Vector {
    match BY {
        1 => _mm256_permute4x64_epi64::<0b00_11_10_01>(vector),
        2 => _mm256_permute4x64_epi64::<0b01_00_11_10>(vector),
        _ => _mm256_permute4x64_epi64::<0b10_01_00_11>(vector),
    }
}

/// In each half, the second word of `a` and the first word of `b`.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn halves_joined(a: Vector, b: Vector) -> Vector {
    _mm256_alignr_epi8::<8>(b, a)
}

/// Prefetches the cache line of the address. Does not affect the result.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn prefetch(address: *const i8) {
    _mm_prefetch::<_MM_HINT_T0>(address);
}
