//! Errors of the engine.

use std::{io, sync::Arc, time::Duration};

use super::random::RandomError;

/// A hash was not computed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum HashingError {
    /// The queue is full, or the job would exceed its deadline.
    #[error("the hashing queue is full; retry in {} s", .retry_after.as_secs())]
    Overloaded {
        /// When a retry is likely to succeed.
        retry_after: Duration,
    },
    /// The engine finishes accepted jobs and accepts no more.
    #[error("the hashing engine is shutting down")]
    ShuttingDown,
    /// Argon2 does not support these parameters.
    #[error("invalid argon2 parameters")]
    InvalidParameters,
    /// A salt or key could not be generated.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The operating system did not start a hashing thread.
    #[error("failed to start a hashing thread")]
    ThreadStart(#[source] Arc<io::Error>),
}
