//! The caller's side of a connection: address, TLS and host.

mod forwarded;
mod host;
mod identify;

pub(super) use self::identify::{Connection, check, identify};
