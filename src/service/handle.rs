//! Runs use cases on the runtime that owns the database connections.
//!
//! Each worker of the web server has its own runtime, which ends when the worker has no connections
//! left. A database connection opened there would be closed with it, even during a save of another
//! worker. Use cases therefore run on the main runtime, which outlives all workers.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::{runtime::Handle, task::JoinSet};
use tracing::Instrument;

use super::{
    operations::maintenance::in_change_of_task,
    services::{Capability, Services},
};
use crate::{
    domain::client_info::FairnessKey, security::keyring_handle::KeyringHandle, storage::working_for,
};

/// The use case did not complete.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Interrupted {
    /// The use case panicked, or the process is shutting down.
    #[error("the use case was interrupted")]
    Ended,
    /// The use case was canceled at the time limit, for example because the network to the database
    /// fails.
    #[error("the use case timed out and was canceled")]
    Late,
}

/// The services, with the runtime that their use cases run on.
#[derive(Clone)]
pub(crate) struct ServiceHandle {
    services: Arc<Services>,
    keyring: KeyringHandle,
    runtime: Handle,
    limit: Duration,
}

impl ServiceHandle {
    /// Runs use cases on the current runtime, each for `limit` at most.
    pub(crate) fn on_current_runtime(
        services: Services,
        keyring: KeyringHandle,
        limit: Duration,
    ) -> Self {
        Self { services: Arc::new(services), keyring, runtime: Handle::current(), limit }
    }

    /// Returns a capability, for calls that need neither the database nor hashing.
    pub(crate) fn get<C: Capability>(&self) -> &C {
        C::of(&self.services)
    }

    /// Starts a use case that goes on when the request is dropped, within the time limit. Nobody learns
    /// how it ended. Its database connections count for `caller`.
    pub(crate) fn start<C, U, F>(&self, caller: FairnessKey, use_case: U)
    where
        C: Capability,
        U: FnOnce(Arc<C>) -> F,
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let use_case = working_for(caller, use_case(Arc::clone(C::of(&self.services))));
        let use_case = self.keyring.run_use_case(use_case);
        let limited = tokio::time::timeout(self.limit, in_change_of_task(use_case));
        let ended = async {
            if limited.await.is_err() {
                tracing::error!("a use case timed out and was canceled");
            }
        };
        drop(self.runtime.spawn(ended.in_current_span()));
    }

    /// Starts a use case and waits for its end. It uses one keyring from start to end. When the
    /// request is dropped, the use case is canceled at its next await. It is a part of the change that
    /// the request makes, if any, and its database connections count for `caller`.
    ///
    /// # Errors
    /// [`Interrupted`] when it did not complete.
    pub(crate) fn run<C, U, F>(
        &self,
        caller: FairnessKey,
        use_case: U,
    ) -> impl Future<Output = Result<F::Output, Interrupted>> + use<C, U, F>
    where
        C: Capability,
        U: FnOnce(Arc<C>) -> F,
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        // A set of one task: dropping it cancels the task, which dropping a join handle does not.
        let mut task = JoinSet::new();
        let capability = Arc::clone(C::of(&self.services));
        let use_case = self.keyring.run_use_case(working_for(caller, use_case(capability)));
        task.spawn_on(in_change_of_task(use_case).in_current_span(), &self.runtime);
        let limit = self.limit;
        // The waiting future holds only the handle of the task, not its state.
        async move {
            match tokio::time::timeout(limit, task.join_next()).await {
                Ok(ended) => ended.and_then(Result::ok).ok_or(Interrupted::Ended),
                Err(_) => Err(Interrupted::Late),
            }
        }
    }
}
