//! Runs use cases on the runtime that owns the database connections.
//!
//! Each worker of the web server has a runtime of its own, which ends as soon as that worker has
//! no connections left. A database connection opened there would die with it, under another
//! worker's unfinished save. So use cases run on the main runtime, which outlives them all.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::{runtime::Handle, task::JoinSet};
use tracing::Instrument;

use super::Service;

/// The use case did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Interrupted {
    /// It panicked, or the process is stopping.
    #[error("the use case was interrupted")]
    Ended,
    /// It took too long, as when packets to the database vanish, and was cancelled wherever it was.
    #[error("the use case took longer than a caller is kept waiting")]
    Late,
}

/// The service, with the runtime its work belongs to.
#[derive(Clone)]
pub(crate) struct ServiceHandle {
    service: Arc<Service>,
    runtime: Handle,
    limit: Duration,
}

impl ServiceHandle {
    /// Ties the service to the current runtime; no use case takes longer than `limit`.
    pub(crate) fn on_current_runtime(service: Arc<Service>, limit: Duration) -> Self {
        Self { service, runtime: Handle::current(), limit }
    }

    /// The service itself, for what needs neither database nor hashing.
    pub(crate) fn service(&self) -> &Service {
        &self.service
    }

    /// Begins a use case, and waits for its end. When the caller goes away, it is cancelled at its
    /// next await.
    ///
    /// # Errors
    /// [`Interrupted`] when it did not come to its end.
    pub(crate) fn run<U, F>(
        &self,
        use_case: U,
    ) -> impl Future<Output = Result<F::Output, Interrupted>> + use<U, F>
    where
        U: FnOnce(Arc<Service>) -> F,
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        // A set of one: dropping it cancels the task, dropping a plain handle would not.
        let mut task = JoinSet::new();
        task.spawn_on(use_case(Arc::clone(&self.service)).in_current_span(), &self.runtime);
        let limit = self.limit;
        // Whoever waits needs no room for what the task has.
        async move {
            match tokio::time::timeout(limit, task.join_next()).await {
                Ok(ended) => ended.and_then(Result::ok).ok_or(Interrupted::Ended),
                Err(_) => Err(Interrupted::Late),
            }
        }
    }
}
