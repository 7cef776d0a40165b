//! Argon2id (RFC 9106) with one lane on AVX2, in reused memory, safe on the outside.
//!
//! [`avx2`] is the only module with `unsafe`. Where its function returns `None`, the `argon2` crate
//! is to be used.

#[cfg(target_arch = "x86_64")]
pub mod avx2;
#[cfg(not(target_arch = "x86_64"))]
#[path = "no_avx2.rs"]
pub mod avx2;
pub mod initial_hash;
#[cfg(target_arch = "x86_64")]
mod permutation;
