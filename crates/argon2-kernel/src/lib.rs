//! Argon2id (RFC 9106) with one lane on AVX2 and NEON, in memory that the caller reuses.
//!
//! [`kernel`] computes it with the vectors of the processor, which are in a file for each
//! architecture. Its function returns `None` where it does not support the processor or the
//! parameters. Use the `argon2` crate then. All `unsafe` code of the project is in this crate, behind
//! safe interfaces.
//!
//! ```
//! use argon2_kernel::{
//!     initial_hash::{Cost, Inputs},
//!     kernel::argon2id,
//!     memory::allocate,
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
mod avx2;
pub mod initial_hash;
#[cfg_attr(
    not(any(target_arch = "x86_64", all(target_arch = "aarch64", target_endian = "little"))),
    path = "unsupported.rs"
)]
pub mod kernel;
pub mod memory;
#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
mod neon;
#[cfg(any(target_arch = "x86_64", all(target_arch = "aarch64", target_endian = "little")))]
mod permutation;

#[cfg(target_arch = "x86_64")]
use self::avx2 as vector;
#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
use self::neon as vector;
