//! The HTTP client that fetches the key sets (RFC 7517) of token issuers.

mod client;
mod refresh;

pub(crate) use self::refresh::{IssuerUnavailable, KeySets};
