//! What every worker shares.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use crate::service::ServiceHandle;

/// Shared by all workers; built once in `startup`.
pub(crate) struct HttpState {
    pub(crate) service: ServiceHandle,
    pub(crate) readiness: Readiness,
    /// Answered hosts, in lower case and without port; empty: all.
    pub(crate) allowed_hosts: Vec<String>,
    /// True when this listener answers health too, as `dev`'s does.
    pub(crate) serves_health: bool,
    /// How long a body may take to arrive.
    pub(crate) read_timeout: Duration,
    /// The challenges of a 401, one for each scheme that is offered.
    pub(crate) challenges: Vec<&'static str>,
}

/// False as soon as the process has been told to stop.
#[derive(Default)]
pub(crate) struct Readiness {
    is_stopping: AtomicBool,
}

impl Readiness {
    /// From now on this instance wants no more requests.
    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    /// True after [`Self::stop`].
    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }
}
