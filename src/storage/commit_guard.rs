//! A value that a task keeps until the server has answered all its statements.
//!
//! A commit goes on when the task that waits for it is canceled, for example because its client has
//! left. The guard lasts as long as the server may still commit.

use std::{future::Future, sync::Arc};

/// A value whose drop shows the end of all commits.
type Guard = Arc<dyn Send + Sync>;

tokio::task_local! {
    /// The guard of this task.
    static GUARD: Guard;
}

/// Runs a future with a guard. A connection that it drops before its last statement is answered keeps
/// the guard until the server has answered, or is given up.
pub(crate) fn guarding<F: Future>(guard: Guard, future: F) -> impl Future<Output = F::Output> {
    GUARD.scope(guard, future)
}

/// The guard of the current task; `None` without one.
pub(super) fn current() -> Option<Guard> {
    GUARD.try_with(Arc::clone).ok()
}
