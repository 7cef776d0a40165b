//! Vectors of NEON, which are half as long: two of them are one vector.
#![expect(unsafe_code, reason = "vector loads and stores")]

use std::arch::aarch64::{
    uint8x16_t, uint64x2_t, uint64x2x2_t, vaddq_u64, vdupq_n_u64, veorq_u64, vextq_u64,
    vgetq_lane_u64, vld1q_u8, vld1q_u64_x2, vmlal_u32, vmovn_u64, vqtbl1q_u8, vreinterpretq_u8_u64,
    vreinterpretq_u32_u64, vreinterpretq_u64_u8, vreinterpretq_u64_u32, vrev64q_u32, vshlq_n_u64,
    vshrq_n_u64, vst1q_u64_x2,
};

use zeroize::Zeroize;

/// Four words.
#[derive(Clone, Copy)]
pub(crate) struct Vector([uint64x2_t; 2]);

impl Zeroize for Vector {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

/// The name for operators.
pub const NAME: &str = "neon";

/// True when this processor has these vectors.
pub(crate) fn is_supported() -> bool {
    std::arch::is_aarch64_feature_detected!("neon")
}

/// The byte shuffles that rotate each word to the right.
#[derive(Clone, Copy)]
pub(crate) struct Rotations {
    by_16: uint8x16_t,
    by_24: uint8x16_t,
}

impl Rotations {
    /// Loads the shuffles, for any number of permutations.
    #[target_feature(enable = "neon")]
    pub(crate) fn new() -> Self {
        Self {
            by_16: shuffle(&[2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9]),
            by_24: shuffle(&[3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10]),
        }
    }
}

#[inline]
#[target_feature(enable = "neon")]
fn shuffle(bytes: &[u8; 16]) -> uint8x16_t {
    // SAFETY: the reference is to exactly 16 readable bytes.
    unsafe { vld1q_u8(bytes.as_ptr()) }
}

/// Four times zero.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn zero() -> Vector {
    Vector([vdupq_n_u64(0); 2])
}

/// Four words as a vector.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn load(words: &[u64; 4]) -> Vector {
    // SAFETY: the reference is to exactly four readable words.
    let pair = unsafe { vld1q_u64_x2(words.as_ptr()) };
    Vector([pair.0, pair.1])
}

/// A vector as four words.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn store(words: &mut [u64; 4], Vector([low, high]): Vector) {
    // SAFETY: the reference is to exactly four writable words.
    unsafe { vst1q_u64_x2(words.as_mut_ptr(), uint64x2x2_t(low, high)) }
}

/// The first word.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn first_word(Vector([low, _]): Vector) -> u64 {
    vgetq_lane_u64::<0>(low)
}

/// `a ^ b`
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn xor(Vector([a0, a1]): Vector, Vector([b0, b1]): Vector) -> Vector {
    Vector([veorq_u64(a0, b0), veorq_u64(a1, b1)])
}

/// `a + b + 2 * trunc(a) * trunc(b)`, where `trunc` takes the lower 32 bits of each word.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn sum_with_product(Vector([a0, a1]): Vector, Vector([b0, b1]): Vector) -> Vector {
    Vector([half_sum(a0, b0), half_sum(a1, b1)])
}

#[inline]
#[target_feature(enable = "neon")]
fn half_sum(a: uint64x2_t, b: uint64x2_t) -> uint64x2_t {
    let (x, y) = (vmovn_u64(a), vmovn_u64(b));
    vmlal_u32(vmlal_u32(vaddq_u64(a, b), x, y), x, y)
}

/// Each word rotated to the right by 16.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn rotated_16(vector: Vector, rotations: Rotations) -> Vector {
    shuffled(vector, rotations.by_16)
}

/// Each word rotated to the right by 24.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn rotated_24(vector: Vector, rotations: Rotations) -> Vector {
    shuffled(vector, rotations.by_24)
}

#[inline]
#[target_feature(enable = "neon")]
fn shuffled(Vector([low, high]): Vector, shuffle: uint8x16_t) -> Vector {
    Vector([
        vreinterpretq_u64_u8(vqtbl1q_u8(vreinterpretq_u8_u64(low), shuffle)),
        vreinterpretq_u64_u8(vqtbl1q_u8(vreinterpretq_u8_u64(high), shuffle)),
    ])
}

/// Each word rotated to the right by 32.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn rotated_32(Vector([low, high]): Vector) -> Vector {
    Vector([
        vreinterpretq_u64_u32(vrev64q_u32(vreinterpretq_u32_u64(low))),
        vreinterpretq_u64_u32(vrev64q_u32(vreinterpretq_u32_u64(high))),
    ])
}

/// Each word rotated to the right by 63.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn rotated_63(Vector([low, high]): Vector) -> Vector {
    Vector([
        veorq_u64(vshrq_n_u64::<63>(low), vshlq_n_u64::<1>(low)),
        veorq_u64(vshrq_n_u64::<63>(high), vshlq_n_u64::<1>(high)),
    ])
}

/// The words moved down by `BY`, 1 to 3, in a circle.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn words_rotated<const BY: usize>(Vector([low, high]): Vector) -> Vector {
    match BY {
        1 => Vector([vextq_u64::<1>(low, high), vextq_u64::<1>(high, low)]),
        2 => Vector([high, low]),
        _ => Vector([vextq_u64::<1>(high, low), vextq_u64::<1>(low, high)]),
    }
}

/// In each half, the second word of `a` and the first word of `b`.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn halves_joined(Vector([a0, a1]): Vector, Vector([b0, b1]): Vector) -> Vector {
    Vector([vextq_u64::<1>(a0, b0), vextq_u64::<1>(a1, b1)])
}

/// Does nothing: the stable compiler has no prefetch for this processor.
#[inline]
pub(crate) fn prefetch(_address: *const i8) {}
