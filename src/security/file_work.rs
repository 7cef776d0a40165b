//! Works with files on threads for blocking work, in bounded time: a volume may not answer.

use std::{
    io,
    time::{Duration, Instant},
};

use tokio::{
    sync::Mutex,
    task::{JoinHandle, spawn_blocking},
    time::timeout,
};

/// The time limit for reading or writing files, unless the caller gives up earlier.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// Why a piece of work has no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileWorkError {
    #[error("timed out waiting for files or a server; check that the volume or the server answers")]
    Slow,
    /// Its task ended without a result.
    #[error("a task panicked or was canceled; look for its error in the log")]
    Stopped,
}

impl From<FileWorkError> for io::Error {
    fn from(error: FileWorkError) -> Self {
        let kind = match error {
            FileWorkError::Slow => io::ErrorKind::TimedOut,
            FileWorkError::Stopped => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

/// Works with files, one piece of work after the other. A volume that hangs holds one thread.
pub(crate) struct FileWork<T>(Mutex<Option<Begun<T>>>);

/// A piece of work whose result nobody has.
struct Begun<T> {
    at: Instant,
    work: JoinHandle<T>,
}

impl<T> Default for FileWork<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Send + 'static> FileWork<T> {
    /// Runs a piece of work on a thread for blocking work. If it takes longer than the limit, it goes
    /// on, and no other one begins before it ends.
    ///
    /// # Errors
    /// When it, with the wait for earlier ones, takes longer than the limit.
    pub(crate) async fn run(
        &self,
        limit: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, FileWorkError> {
        self.complete(limit, move || spawn_blocking(work)).await
    }

    /// As [`Self::run`], for work that also waits for servers. It must not block its thread.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub(crate) async fn run_async(
        &self,
        limit: Duration,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, FileWorkError> {
        self.complete(limit, move || tokio::spawn(work)).await
    }

    async fn complete(
        &self,
        limit: Duration,
        begin: impl FnOnce() -> JoinHandle<T>,
    ) -> Result<T, FileWorkError> {
        // Also bounds the wait for other callers.
        timeout(limit, self.complete_in_turn(limit, begin))
            .await
            .unwrap_or(Err(FileWorkError::Slow))
    }

    async fn complete_in_turn(
        &self,
        limit: Duration,
        begin: impl FnOnce() -> JoinHandle<T>,
    ) -> Result<T, FileWorkError> {
        let mut current = self.0.lock().await;
        if let Some(Begun { at, work }) = current.as_mut() {
            let rest = limit.saturating_sub(at.elapsed());
            drop(timeout(rest, work).await.map_err(|_| FileWorkError::Slow)?);
        }
        // Kept before it is awaited: this future may be dropped meanwhile.
        let Begun { work, .. } = current.insert(Begun { at: Instant::now(), work: begin() });
        let done = work.await;
        *current = None;
        done.map_err(|_| FileWorkError::Stopped)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn work_that_hangs_is_a_failure_and_no_other_one_begins() {
        let work = FileWork::default();
        let (answer, volume) = mpsc::channel::<()>();
        let limit = Duration::from_millis(50);
        let hangs = move || volume.recv().unwrap_or_default();
        assert!(matches!(work.run(limit, hangs).await, Err(FileWorkError::Slow)));
        let other = work.run(limit, || panic!("it has begun")).await;
        assert!(matches!(other, Err(FileWorkError::Slow)));
        answer.send(()).unwrap();
        while work.run(limit, || {}).await.is_err() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn work_whose_caller_gave_up_does_not_fail_the_next_one() {
        let work = FileWork::default();
        let (answer, volume) = mpsc::channel::<()>();
        let takes_long = work.run(LIMIT, move || volume.recv().unwrap_or_default());
        assert!(timeout(Duration::from_millis(1), takes_long).await.is_err());
        answer.send(()).unwrap();
        work.run(LIMIT, || {}).await.unwrap();
    }
}
