//! Keeps the results of an import in memory.

use std::sync::Arc;

use super::{
    job::{ImportJob, JobResult, ResultKind},
    metrics::ImportMetrics,
};
use crate::service::{
    errors::ChangeUserError,
    import::{
        file::{
            entry::{EntryId, Problem},
            error::InputError,
        },
        run::{EntryResult, Report},
        users::Imported,
    },
};

/// An import ended early.
#[derive(Debug)]
pub(super) enum JobError {
    Change(ChangeUserError),
    Input(InputError),
}

impl From<ChangeUserError> for JobError {
    fn from(error: ChangeUserError) -> Self {
        Self::Change(error)
    }
}

impl From<InputError> for JobError {
    fn from(error: InputError) -> Self {
        Self::Input(error)
    }
}

/// Keeps the results of an import.
pub(super) struct JobReport {
    pub(super) job: Arc<ImportJob>,
    pub(super) metrics: Arc<ImportMetrics>,
}

impl Report for JobReport {
    type Error = JobError;

    fn result(&mut self, entry: &EntryId, result: EntryResult<'_>) -> Result<(), JobError> {
        let number = entry.number;
        let is_dry_run = self.job.is_dry_run;
        let result = match result {
            EntryResult::Imported(imported, user_id) => {
                let kind = match (imported, is_dry_run) {
                    (Imported::Added, false) => ResultKind::Added,
                    (Imported::Added, true) => ResultKind::WouldBeAdded,
                    (Imported::Changed, false) => ResultKind::Changed,
                    (Imported::Changed, true) => ResultKind::WouldBeChanged,
                };
                let (field, reason) = (String::new(), String::new());
                JobResult { number, kind, user_id, field, reason }
            }
            EntryResult::Failed(Problem { field, reason }) => JobResult {
                number,
                kind: ResultKind::Failed,
                user_id: None,
                field: field.clone(),
                reason: reason.clone().into_owned(),
            },
            EntryResult::Skipped(reason) => JobResult {
                number,
                kind: ResultKind::Skipped,
                user_id: None,
                field: String::new(),
                reason: reason.to_owned(),
            },
        };
        self.metrics.record_line(result.kind);
        self.job.record(result);
        Ok(())
    }

    /// Files of this service have no such members.
    fn dropped(&mut self, _: Vec<String>) {}

    fn read(&mut self, _: u64, position: u64) {
        self.job.read(position);
    }

    fn completed(&mut self, _: u64) -> Result<(), JobError> {
        Ok(())
    }
}
