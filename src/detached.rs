//! Work that goes on when the request that began it is dropped.

use std::{future::Future, panic::resume_unwind};

use tracing::Instrument;

/// Runs a future in a task of its own, and waits for its result. When the caller is dropped, it goes on
/// to its end.
pub(crate) async fn detached<F>(future: F) -> F::Output
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    match tokio::spawn(future.in_current_span()).await {
        Ok(output) => output,
        // It panicked: the runtime cancels tasks only when it ends, with the caller.
        Err(error) => resume_unwind(error.into_panic()),
    }
}
