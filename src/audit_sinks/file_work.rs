//! Reads and writes the files of a sink on threads for blocking work, in bounded time.

use std::time::Duration;

use tokio::{
    sync::Mutex,
    task::{JoinHandle, spawn_blocking},
    time::timeout,
};

use super::error::SinkError;

/// The time in which a batch must be on disk, or files must be read. After it, another instance may
/// deliver.
pub(super) const LIMIT: Duration = Duration::from_secs(30);

/// Works with files, one piece of work after the other. A volume that hangs holds one thread.
pub(super) struct FileWork<T>(Mutex<Option<JoinHandle<Result<T, SinkError>>>>);

impl<T> Default for FileWork<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Send + 'static> FileWork<T> {
    /// Runs a piece of work; `None` if it, or an earlier one, takes longer than the limit. Then it goes
    /// on, and no other one begins before it ends.
    pub(super) async fn run(
        &self,
        limit: Duration,
        work: impl FnOnce() -> Result<T, SinkError> + Send + 'static,
    ) -> Option<Result<T, SinkError>> {
        let mut running = self.0.lock().await;
        if running.as_ref().is_some_and(|earlier| !earlier.is_finished()) {
            return None;
        }
        // Kept before it is awaited: the delivery is dropped when the lease is lost.
        let work = running.insert(spawn_blocking(work));
        let done = timeout(limit, &mut *work).await.ok()?;
        *running = None;
        Some(done.unwrap_or(Err(SinkError::Stopped)))
    }

    /// Reads files within [`LIMIT`].
    ///
    /// # Errors
    /// When they cannot be used, or their volume does not answer.
    pub(super) async fn read(
        &self,
        read: impl FnOnce() -> Result<T, SinkError> + Send + 'static,
    ) -> Result<T, SinkError> {
        self.run(LIMIT, read).await.unwrap_or(Err(SinkError::SlowFiles))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_hangs_is_a_failure_and_no_other_one_begins() {
        let work = FileWork::default();
        let (answer, volume) = std::sync::mpsc::channel::<()>();
        let limit = Duration::from_millis(50);
        let hangs = move || volume.recv().map_err(|_| SinkError::Stopped);
        assert!(work.run(limit, hangs).await.is_none());
        assert!(work.run(limit, || panic!("it has begun")).await.is_none());
        answer.send(()).unwrap();
        let next = async || work.run(limit, || Ok(())).await;
        while next().await.is_none() {
            tokio::task::yield_now().await;
        }
        assert!(matches!(next().await, Some(Ok(()))));
    }
}
