//! One import: its progress, its results, and its end.

use std::sync::{Mutex, MutexGuard, PoisonError};

use time::OffsetDateTime;
use tokio::sync::watch;

use crate::{
    domain::{
        import_run::{FailedLine, ImportRecord, ImportState, MAXIMUM_DETAIL, MAXIMUM_FAILURES},
        user::UserId,
    },
    service::errors::{ChangeUserError, SaveCredentialError},
};

/// An import that was started.
pub(crate) struct ImportJob {
    pub(crate) id: String,
    /// The login name of the administrator who started it.
    pub(crate) started_by: String,
    pub(crate) started_at: OffsetDateTime,
    pub(crate) is_dry_run: bool,
    progress: Mutex<Progress>,
    /// In the order in which they became known.
    results: Mutex<Vec<JobResult>>,
    cancel: watch::Sender<bool>,
}

/// How far an import is.
#[derive(Clone, Default)]
pub(crate) struct Progress {
    pub(crate) state: JobState,
    /// Number of bytes of the file that were read.
    pub(crate) position: u64,
    /// Number of bytes of the file.
    pub(crate) length: u64,
    pub(crate) added: u64,
    pub(crate) changed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Progress {
    /// True while lines are imported.
    pub(super) fn is_running(&self) -> bool {
        self.state == JobState::Running
    }
}

/// The state of an import.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum JobState {
    /// The whole file is checked. Nothing was changed.
    #[default]
    Checking,
    Running,
    Ended(JobEnd),
}

impl JobState {
    fn stored(&self) -> ImportState {
        match self {
            Self::Checking => ImportState::Checking,
            Self::Running => ImportState::Running,
            Self::Ended(JobEnd::Completed) => ImportState::Completed,
            Self::Ended(JobEnd::Canceled) => ImportState::Canceled,
            Self::Ended(JobEnd::Refused(_)) => ImportState::Refused,
            Self::Ended(JobEnd::Failed(JobFailure::RightLost)) => ImportState::RightLost,
            Self::Ended(JobEnd::Failed(JobFailure::Unavailable)) => ImportState::Unavailable,
        }
    }
}

/// The end of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum JobEnd {
    /// Every line has a result.
    Completed,
    /// An administrator canceled it. The lines without a result were not imported.
    Canceled,
    /// The file cannot be imported, for this reason. Nothing was changed.
    Refused(String),
    /// It ended early.
    Failed(JobFailure),
}

/// Why an import ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JobFailure {
    /// The administrator signed out or lost the right.
    RightLost,
    /// The database did not answer, or the service failed.
    Unavailable,
}

impl JobFailure {
    pub(super) fn of(error: &ChangeUserError) -> Self {
        let is_right_lost = matches!(
            error,
            ChangeUserError::Forbidden
                | ChangeUserError::ProofOutdated
                | ChangeUserError::Sensitive(_)
                | ChangeUserError::Credential(
                    SaveCredentialError::ProofOutdated | SaveCredentialError::Sensitive(_)
                )
        );
        if is_right_lost { Self::RightLost } else { Self::Unavailable }
    }
}

/// The kind of a result, spelled as in the output of the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResultKind {
    Added,
    Changed,
    WouldBeAdded,
    WouldBeChanged,
    Failed,
    Skipped,
}

impl ResultKind {
    /// Every kind.
    pub(super) const ALL: [Self; 6] = [
        Self::Added,
        Self::Changed,
        Self::WouldBeAdded,
        Self::WouldBeChanged,
        Self::Failed,
        Self::Skipped,
    ];

    /// The spelling of the command.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::WouldBeAdded => "would_be_added",
            Self::WouldBeChanged => "would_be_changed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// The result of a line. It names the member of a failed one, never a value.
#[derive(Clone)]
pub(crate) struct JobResult {
    /// The number of the line.
    pub(crate) number: u64,
    pub(crate) kind: ResultKind,
    pub(crate) user_id: Option<UserId>,
    pub(crate) field: String,
    pub(crate) reason: String,
}

impl ImportJob {
    pub(super) fn new(
        id: String,
        started_by: String,
        is_dry_run: bool,
        started_at: OffsetDateTime,
    ) -> Self {
        let (progress, results) = (Mutex::default(), Mutex::default());
        let cancel = watch::Sender::new(false);
        Self { id, started_by, started_at, is_dry_run, progress, results, cancel }
    }

    /// How far the import is.
    pub(crate) fn progress(&self) -> Progress {
        self.locked_progress().clone()
    }

    /// How far the import is, for every instance.
    pub(crate) fn snapshot(&self) -> ImportRecord {
        self.record_of(&self.progress())
    }

    /// As [`Self::snapshot`], with an end that this instance does not show yet.
    pub(super) fn ended_snapshot(&self, end: &JobEnd) -> ImportRecord {
        self.record_of(&Progress { state: JobState::Ended(end.clone()), ..self.progress() })
    }

    fn record_of(&self, progress: &Progress) -> ImportRecord {
        let detail = match &progress.state {
            JobState::Ended(JobEnd::Refused(reason)) => Some(reason),
            JobState::Checking | JobState::Running | JobState::Ended(_) => None,
        };
        let failures = self.results(0, MAXIMUM_FAILURES, |kind| kind == ResultKind::Failed);
        let failure =
            |JobResult { number, field, reason, .. }| FailedLine { number, field, reason };
        ImportRecord {
            id: self.id.clone(),
            started_by: self.started_by.clone(),
            started_at: self.started_at,
            is_dry_run: self.is_dry_run,
            state: progress.state.stored(),
            detail: detail.map(|reason| reason.chars().take(MAXIMUM_DETAIL).collect()),
            position: progress.position,
            length: progress.length,
            added: progress.added,
            changed: progress.changed,
            failed: progress.failed,
            failures: failures.into_iter().map(failure).collect(),
        }
    }

    /// Up to `limit` results from `start` on, in the order in which they became known, of entries that
    /// are wanted.
    pub(crate) fn results(
        &self,
        start: usize,
        limit: usize,
        is_wanted: fn(ResultKind) -> bool,
    ) -> Vec<JobResult> {
        let results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = results.iter().skip(start).filter(|result| is_wanted(result.kind));
        wanted.take(limit).cloned().collect()
    }

    /// Stops the import after the lines in progress.
    pub(crate) fn cancel(&self) {
        self.cancel.send_replace(true);
    }

    /// Completes when the import is canceled.
    pub(super) async fn canceled(&self) {
        // The sender lives as long as this import.
        let _ = self.cancel.subscribe().wait_for(|is_canceled| *is_canceled).await;
    }

    pub(super) fn begin(&self, length: u64) {
        let mut progress = self.locked_progress();
        progress.state = JobState::Running;
        progress.length = length;
    }

    pub(super) fn read(&self, position: u64) {
        self.locked_progress().position = position;
    }

    pub(super) fn record(&self, result: JobResult) {
        let mut progress = self.locked_progress();
        *match result.kind {
            ResultKind::Added | ResultKind::WouldBeAdded => &mut progress.added,
            ResultKind::Changed | ResultKind::WouldBeChanged => &mut progress.changed,
            ResultKind::Failed => &mut progress.failed,
            ResultKind::Skipped => &mut progress.skipped,
        } += 1;
        drop(progress);
        self.results.lock().unwrap_or_else(PoisonError::into_inner).push(result);
    }

    /// Shows the end. Another import may start now.
    pub(super) fn end(&self, end: JobEnd) {
        self.locked_progress().state = JobState::Ended(end);
    }

    fn locked_progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
