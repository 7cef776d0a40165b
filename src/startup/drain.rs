//! Takes this instance out of the rotation of a load balancer, and puts it back, at signals.

use std::{io, sync::Arc};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinSet,
};

use crate::http::Readiness;

/// The requests of an operator to drain this instance (SIGUSR1), and to take that back (SIGUSR2).
pub(crate) struct DrainSignals {
    drain: Signal,
    resume: Signal,
}

impl DrainSignals {
    /// Installs the handlers. From now on, the signals do not end the process.
    ///
    /// # Errors
    /// When the operating system refuses a handler.
    pub(crate) fn listen() -> io::Result<Self> {
        let drain = signal(SignalKind::user_defined1())?;
        Ok(Self { drain, resume: signal(SignalKind::user_defined2())? })
    }
}

/// Spawns the task that waits for the signals.
pub(super) fn spawn(tasks: &mut JoinSet<()>, signals: DrainSignals, readiness: Arc<Readiness>) {
    let DrainSignals { mut drain, mut resume } = signals;
    tasks.spawn(async move {
        loop {
            let (is_draining, text) = tokio::select! {
                Some(()) = drain.recv() => (true, "draining; the readiness check answers 503"),
                Some(()) = resume.recv() => (false, "no longer draining"),
                else => return,
            };
            readiness.set_draining(is_draining);
            tracing::info!("{text}");
        }
    });
}
