//! Values that a task keeps until the server has answered all its statements.
//!
//! A commit goes on when the task that waits for it is canceled, for example because its client has
//! left. The guard lasts as long as the server may still commit.

use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
};

/// Lasts as long as a task and the unanswered statements of connections that the task dropped.
pub(super) struct CommitGuard {
    // Dropped before the change: its end must not be visible before theirs.
    kept: Mutex<Vec<Box<dyn Send + Sync>>>,
    change: Option<Arc<dyn Send + Sync>>,
}

impl CommitGuard {
    fn keep(&self, value: Box<dyn Send + Sync>) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(value);
    }

    /// True when nobody waits for its end.
    fn is_unused(&self) -> bool {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        self.change.is_none() && kept.is_empty()
    }
}

tokio::task_local! {
    /// The guard of this task.
    static GUARD: Arc<CommitGuard>;
}

/// Runs a future with a guard. For a change, the guard keeps a value whose drop shows its end. A
/// connection that the future drops before its last statement is answered keeps the guard until the
/// server has answered, or the connection is lost.
pub(crate) fn guarding<F: Future>(
    change: Option<Arc<dyn Send + Sync>>,
    future: F,
) -> impl Future<Output = F::Output> {
    GUARD.scope(Arc::new(CommitGuard { kept: Mutex::default(), change }), future)
}

/// Keeps a value as long as the guard of the current task. Without a guard, drops it now.
pub(crate) fn keep_until_answered(value: impl Send + Sync + 'static) {
    let _ = GUARD.try_with(|guard| guard.keep(Box::new(value)));
}

/// The guard of the current task; `None` without one, or if nobody waits for its end.
pub(super) fn current() -> Option<Arc<CommitGuard>> {
    GUARD.try_with(Arc::clone).ok().filter(|guard| !guard.is_unused())
}
