//! An import that an administrator started with a page, as every instance can show it.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// The most failed lines in [`ImportRecord::failures`].
pub(crate) const MAXIMUM_FAILURES: usize = 100;

/// The longest [`ImportRecord::detail`], in characters.
pub(crate) const MAXIMUM_DETAIL: usize = 1000;

stored_enum! {
    /// The state of an import.
    ImportState {
        /// The whole file is checked. Nothing was changed.
        Checking => "checking",
        Running => "running",
        /// Every line has a result.
        Completed => "completed",
        /// An administrator canceled it. The lines without a result were not imported.
        Canceled => "canceled",
        /// The file cannot be imported. Nothing was changed.
        Refused => "refused",
        /// It ended early: the administrator signed out or lost the right.
        RightLost => "right_lost",
        /// It ended early: the database did not answer, or the service failed.
        Unavailable => "unavailable",
    }
}

impl ImportState {
    /// True until the import has ended.
    pub(crate) fn is_in_progress(self) -> bool {
        matches!(self, Self::Checking | Self::Running)
    }
}

/// How far an import is.
#[derive(Debug, Clone)]
pub(crate) struct ImportRecord {
    pub(crate) id: String,
    /// The login name of the administrator who started it.
    pub(crate) started_by: String,
    pub(crate) started_at: OffsetDateTime,
    pub(crate) is_dry_run: bool,
    pub(crate) state: ImportState,
    /// Why the file was refused, without a value of it.
    pub(crate) detail: Option<String>,
    /// Number of bytes of the file that were read.
    pub(crate) position: u64,
    /// Number of bytes of the file.
    pub(crate) length: u64,
    pub(crate) added: u64,
    pub(crate) changed: u64,
    pub(crate) failed: u64,
    /// The first [`MAXIMUM_FAILURES`] of the failed lines.
    pub(crate) failures: Vec<FailedLine>,
}

/// A line that failed. It names the member, never a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FailedLine {
    pub(crate) number: u64,
    pub(crate) field: String,
    pub(crate) reason: String,
}

/// An import that this or another instance runs or has run.
#[derive(Debug, Clone)]
pub(crate) struct StoredImport {
    pub(crate) record: ImportRecord,
    /// The instance that runs it.
    pub(crate) instance_id: String,
    /// When that instance wrote the record.
    pub(crate) seen_at: OffsetDateTime,
}
