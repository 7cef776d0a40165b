//! Argon2id (RFC 9106) with one lane on AVX2, in memory that the caller reuses.
//!
//! [`avx2`] is the only module with `unsafe` code, behind a safe interface. Its function returns
//! `None` where it does not support the processor or the parameters. Use the `argon2` crate then.
//!
//! ```
//! use argon2_kernel::{
//!     avx2::{allocate, argon2id},
//!     initial_hash::{Cost, Inputs},
//! };
//!
//! let cost = Cost { memory_kib: 64, iterations: 1 };
//! let inputs = Inputs {
//!     secret: b"password",
//!     salt: b"somesalt",
//!     additional_secret: &[],
//!     associated_data: &[],
//! };
//! // 1 KiB blocks. Reuse the memory for the next hash.
//! let mut memory = allocate(64)?;
//! let mut tag = [0; 32];
//! if argon2id(&inputs, cost, &mut memory, &mut tag).is_some() {
//!     assert_ne!(tag, [0; 32]);
//! }
//! # Ok::<(), std::collections::TryReserveError>(())
//! ```

#[cfg(target_arch = "x86_64")]
pub mod avx2;
#[cfg(not(target_arch = "x86_64"))]
#[path = "no_avx2.rs"]
pub mod avx2;
pub mod initial_hash;
#[cfg(target_arch = "x86_64")]
mod permutation;
