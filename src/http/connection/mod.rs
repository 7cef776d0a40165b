//! The caller's side of a connection: address, TLS and host.

mod forwarded;
#[cfg(feature = "fuzz")]
pub(super) mod fuzz_support;
mod host;
mod identify;

pub(super) use self::identify::{Connection, check, identify};
