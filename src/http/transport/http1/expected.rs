//! The parts of a request, in the order in which they arrive.

use super::chunked::ChunkedBody;

/// The next part of a request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Expected {
    #[default]
    Head,
    /// A body with this number of bytes left.
    Sized(u64),
    Chunked(ChunkedBody),
}
