//! Reads the files of settings again while the service runs.

use std::{
    error::Error,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::{BoxFuture, FutureExt};
use tokio::sync::Mutex;

use super::fingerprints::{Fingerprints, fingerprints};
use crate::{
    log_events::ticket_alarm,
    security::file_work::{FileWork, FileWorkError, LIMIT},
    service::operations::reload_metrics::ReloadMetrics,
    telemetry::{error_chain, task_failed},
};

/// The time until a source that was unavailable is read again.
const RETRY_INTERVAL: Duration = Duration::from_secs(10);

/// The time after which a reload counts as failed. It goes on, and no other one of its setting begins
/// before it ends.
const RELOAD_LIMIT: Duration = Duration::from_secs(60);

/// The most alarms about one change, should each repetition fail for another reason.
const MAXIMUM_REPORTED: usize = 10;

/// Why a reload failed. The former content stays in use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReloadError {
    /// The new content is not usable. It is read again when it changes, or on SIGHUP.
    #[error(transparent)]
    Unusable(Box<dyn Error + Send + Sync>),
    /// A server or a volume that the reload needs did not answer. The reload is repeated until it
    /// succeeds.
    #[error(transparent)]
    Unavailable(Box<dyn Error + Send + Sync>),
}

impl ReloadError {
    /// The new content is not usable.
    pub(crate) fn unusable(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Unusable(Box::new(error))
    }

    /// A server or a volume that the reload needs did not answer.
    pub(crate) fn unavailable(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Unavailable(Box::new(error))
    }
}

/// Files with their state when they were last looked at. Create it before the files are read for
/// the first time, so that no change is missed.
pub(crate) struct WatchedFiles {
    files: FileNames,
    known: Fingerprints,
}

impl WatchedFiles {
    /// Looks at the files. They need not exist.
    pub(crate) fn new(files: Vec<PathBuf>) -> Self {
        let known = fingerprints(&files);
        Self { files: Box::new(move || files.clone()), known }
    }

    /// The same files, whose names can change from now on.
    pub(crate) fn following(
        self,
        files: impl Fn() -> Vec<PathBuf> + Send + Sync + 'static,
    ) -> Self {
        Self { files: Box::new(files), ..self }
    }
}

type FileNames = Box<dyn Fn() -> Vec<PathBuf> + Send + Sync>;

type Reload = Box<dyn Fn() -> BoxFuture<'static, Result<(), ReloadError>> + Send + Sync>;

/// Something that is read from files and can be read again.
pub(crate) struct Reloadable {
    /// The setting that names the files, for the log and the metrics.
    setting: &'static str,
    files: FileNames,
    reload: Reload,
    /// A volume on the network may answer neither a look nor a reload.
    looks: FileWork<Fingerprints>,
    reloads: FileWork<Result<(), ReloadError>>,
    /// The longest time of a reload.
    limit: Duration,
    /// Locked during a reload.
    state: Mutex<State>,
}

struct State {
    /// The files as they were before the last reload.
    read: Fingerprints,
    /// The files as they were at the last look.
    seen: Fingerprints,
    /// When a source that was unavailable is read again.
    retry_at: Option<Instant>,
    /// The errors since the last change or request, each of which was an alarm.
    reported: Vec<String>,
}

impl Reloadable {
    /// Calls `reload` on a thread for blocking work. It must either replace the content or leave
    /// it unchanged and fail.
    pub(crate) fn new(
        setting: &'static str,
        files: WatchedFiles,
        reload: impl Fn() -> Result<(), ReloadError> + Send + Sync + 'static,
    ) -> Self {
        let reload = Arc::new(reload);
        let on_thread = move || {
            let reload = Arc::clone(&reload);
            async move {
                let done = tokio::task::spawn_blocking(move || reload()).await;
                done.unwrap_or_else(|error| Err(ReloadError::unusable(task_failed(error))))
            }
        };
        Self::new_async(setting, files, on_thread)
    }

    /// Like [`Self::new`], for a reload that waits for a server. It must not block its thread.
    pub(crate) fn new_async<F>(
        setting: &'static str,
        files: WatchedFiles,
        reload: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), ReloadError>> + Send + 'static,
    {
        let WatchedFiles { files, known } = files;
        let (read, seen) = (known.clone(), known);
        let state = State { read, seen, retry_at: None, reported: Vec::new() };
        Self {
            setting,
            files,
            reload: Box::new(move || reload().boxed()),
            looks: FileWork::default(),
            reloads: FileWork::default(),
            limit: RELOAD_LIMIT,
            state: Mutex::new(state),
        }
    }

    /// The same for a reload that waits for this long, besides what it reads.
    pub(super) fn with_wait(self, wait: Duration) -> Self {
        Self { limit: self.limit + wait, ..self }
    }

    /// The setting that names the files.
    pub(super) fn setting(&self) -> &'static str {
        self.setting
    }

    /// Looks at the files, and reads them if they changed. A changed file is read when two looks found
    /// it the same, so that a file that is still being written is not read.
    pub(super) async fn poll(&self, metrics: &ReloadMetrics) {
        let Ok(seen) = self.look().await else { return };
        let mut state = self.state.lock().await;
        let is_complete = state.seen == seen;
        state.seen = seen;
        let is_changed = state.seen != state.read && is_complete;
        let is_due = state.retry_at.is_some_and(|at| at <= Instant::now());
        if is_changed {
            state.reported.clear();
        }
        if is_changed || is_due {
            self.run(&mut state, metrics).await;
        }
    }

    /// Reads the files, whether they changed or not. True when the new content is in use.
    pub(super) async fn reload(&self, metrics: &ReloadMetrics) -> bool {
        let seen = self.look().await;
        let mut state = self.state.lock().await;
        state.reported.clear();
        match seen {
            Ok(seen) => {
                state.seen = seen;
                self.run(&mut state, metrics).await
            }
            Err(error) => self.record(&mut state, Err(ReloadError::unavailable(error)), metrics),
        }
    }

    /// Reads the files.
    async fn run(&self, state: &mut State, metrics: &ReloadMetrics) -> bool {
        state.read.clone_from(&state.seen);
        let result = self.reloads.run_async(self.limit, (self.reload)()).await;
        let result = result.unwrap_or_else(|error| match error {
            FileWorkError::Slow => Err(ReloadError::unavailable(error)),
            FileWorkError::Stopped => Err(ReloadError::unusable(error)),
        });
        self.record(state, result, metrics)
    }

    /// Records the result of a reload. The repetition of a failure is not another alarm, but one for
    /// another reason is: the operator would not learn of it otherwise.
    fn record(
        &self,
        state: &mut State,
        result: Result<(), ReloadError>,
        metrics: &ReloadMetrics,
    ) -> bool {
        let is_reloaded = result.is_ok();
        metrics.record(self.setting, is_reloaded);
        state.retry_at = match &result {
            Err(ReloadError::Unavailable(_)) => Some(Instant::now() + RETRY_INTERVAL),
            Ok(()) | Err(ReloadError::Unusable(_)) => None,
        };
        match result {
            Ok(()) => {
                state.reported.clear();
                tracing::info!(setting = self.setting, "reloaded");
            }
            Err(error) => {
                let error = error_chain(&error);
                if !state.reported.contains(&error) && state.reported.len() < MAXIMUM_REPORTED {
                    ticket_alarm!(
                        setting = self.setting,
                        error = error.as_str(),
                        "failed to reload; the former content stays in use"
                    );
                    state.reported.push(error);
                }
            }
        }
        is_reloaded
    }

    async fn look(&self) -> Result<Fingerprints, FileWorkError> {
        let files = (self.files)();
        self.looks.run(LIMIT, move || fingerprints(&files)).await
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs, io,
        os::unix::fs::{PermissionsExt, symlink},
        sync::{
            atomic::{AtomicUsize, Ordering},
            mpsc,
        },
    };

    use super::*;

    /// Counts the reloads of a file, each of which ends with `result`.
    fn counted(
        files: Vec<PathBuf>,
        result: fn() -> Result<(), ReloadError>,
    ) -> (Reloadable, Arc<AtomicUsize>) {
        let count = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&count);
        let reload = move || {
            counter.fetch_add(1, Ordering::SeqCst);
            result()
        };
        (Reloadable::new("a.file", WatchedFiles::new(files), reload), count)
    }

    #[tokio::test]
    async fn a_changed_file_is_read_once_when_it_stays_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        fs::write(&file, "one").unwrap();
        let metrics = ReloadMetrics::default();
        let (reloadable, count) = counted(vec![file.clone()], || Ok(()));
        let polled = async |times: usize| {
            for _ in 0..times {
                reloadable.poll(&metrics).await;
            }
            count.load(Ordering::SeqCst)
        };
        assert_eq!(polled(3).await, 0);
        fs::write(&file, "two!").unwrap();
        assert_eq!(polled(1).await, 0, "it may still be written");
        assert_eq!(polled(3).await, 1);
        fs::set_permissions(&file, PermissionsExt::from_mode(0o400)).unwrap();
        assert_eq!(polled(3).await, 2, "other permissions may make it readable");
        fs::remove_file(&file).unwrap();
        assert_eq!(polled(3).await, 3);
        reloadable.reload(&metrics).await;
        assert_eq!(polled(3).await, 4, "on request, an unchanged file is read");
    }

    #[tokio::test]
    async fn a_swapped_folder_behind_symbolic_links_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for version in ["..1", "..2"] {
            fs::create_dir(path(version)).unwrap();
            fs::write(path(version).join("secret"), "same length").unwrap();
        }
        symlink("..1", path("..data")).unwrap();
        symlink("..data/secret", path("secret")).unwrap();
        let metrics = ReloadMetrics::default();
        let (reloadable, count) = counted(vec![path("secret")], || Ok(()));
        symlink("..2", path("..data_tmp")).unwrap();
        fs::rename(path("..data_tmp"), path("..data")).unwrap();
        for _ in 0..2 {
            reloadable.poll(&metrics).await;
        }
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn only_an_unavailable_source_is_read_again_without_a_change() {
        let metrics = ReloadMetrics::default();
        let (unavailable, count) =
            counted(Vec::new(), || Err(ReloadError::unavailable(io::Error::other("down"))));
        unavailable.reload(&metrics).await;
        assert!(unavailable.state.lock().await.retry_at.is_some());
        unavailable.state.lock().await.retry_at = Some(Instant::now());
        unavailable.poll(&metrics).await;
        assert_eq!(count.load(Ordering::SeqCst), 2);
        let (unusable, _) =
            counted(Vec::new(), || Err(ReloadError::unusable(io::Error::other("bad"))));
        unusable.reload(&metrics).await;
        assert!(unusable.state.lock().await.retry_at.is_none());
    }

    #[tokio::test]
    async fn a_repetition_that_fails_for_another_reason_is_another_alarm() {
        let metrics = ReloadMetrics::default();
        let count = AtomicUsize::new(0);
        let reload = move || match count.fetch_add(1, Ordering::SeqCst) {
            0 | 1 => Err(ReloadError::unavailable(io::Error::other("down"))),
            _ => Err(ReloadError::unusable(io::Error::other("denied"))),
        };
        let reloadable = Reloadable::new("a.file", WatchedFiles::new(Vec::new()), reload);
        let reported = async || reloadable.state.lock().await.reported.clone();
        reloadable.reload(&metrics).await;
        for expected in [&["down"][..], &["down", "denied"]] {
            reloadable.state.lock().await.retry_at = Some(Instant::now());
            reloadable.poll(&metrics).await;
            assert_eq!(reported().await, expected);
        }
    }

    #[tokio::test]
    async fn a_reload_that_hangs_fails_in_time_and_no_other_one_begins_before_it_ends() {
        let metrics = ReloadMetrics::default();
        let (answer, volume) = mpsc::channel::<()>();
        let volume = std::sync::Mutex::new(volume);
        let count = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&count);
        let reload = move || {
            counter.fetch_add(1, Ordering::SeqCst);
            volume.lock().unwrap().recv().map_err(ReloadError::unusable)
        };
        let mut reloadable = Reloadable::new("a.file", WatchedFiles::new(Vec::new()), reload);
        reloadable.limit = Duration::from_millis(50);
        for _ in 0..2 {
            assert!(!reloadable.reload(&metrics).await);
            let state = reloadable.state.lock().await;
            assert!(state.retry_at.is_some(), "it is repeated");
            assert_eq!(state.reported.len(), 1, "{:?}", state.reported);
        }
        assert!(count.load(Ordering::SeqCst) <= 1, "its thread may not have begun");
        for _ in 0..2 {
            answer.send(()).unwrap();
        }
        reloadable.limit = RELOAD_LIMIT;
        assert!(reloadable.reload(&metrics).await);
        assert_eq!(count.load(Ordering::SeqCst), 2);
    }
}
