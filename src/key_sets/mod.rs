//! The HTTP client that fetches the key sets (RFC 7517) of token issuers.
//!
//! The only module of the server that knows `reqwest`.

mod client;
mod refresh;

pub(crate) use self::refresh::{IssuerUnavailable, KeySets};
