//! Why the old system gave no usable answer, as messages for the operator.

use std::path::PathBuf;

use reqwest::StatusCode;

use super::answer::AnswerProblem;
use crate::{
    security::{
        file_work::FileWorkError, random::RandomError, secret_file::SecretFileError,
        tls::ClientTlsError,
    },
    turns::NoTurn,
};

/// The old system could not be asked, or gave no usable answer. No message contains what was sent
/// or received.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HookError {
    /// Too many logins wait for the old system.
    #[error(
        "too many logins wait for the old system; check how long it takes to answer, or raise \
         migration.hook_maximum_requests"
    )]
    Busy,
    /// Too many logins of one address wait for the old system.
    #[error(
        "too many logins of one address wait for the old system, and one address uses at most half \
         of migration.hook_maximum_requests; check how long the old system takes to answer, and \
         http.trusted_proxies, or raise migration.hook_maximum_requests"
    )]
    CallerBusy,
    #[error(
        "the old system is not asked, because several requests in a row failed; the next one \
         follows within 10 seconds"
    )]
    Suspended,
    #[error("migration.hook_key_file")]
    Key(#[source] SecretFileError),
    #[error(
        "migration.hook_key_file: {0} must contain one or two lines, each `whsec_` and 24 to 64 \
         bytes in base64; write it again"
    )]
    InvalidKey(PathBuf),
    #[error(transparent)]
    Random(#[from] RandomError),
    #[error("migration.hook_ca_file")]
    Authorities(#[from] ClientTlsError),
    #[error("cannot initialize TLS for migration.hook_url")]
    Tls(#[source] reqwest::Error),
    #[error(
        "cannot reach the old system at {host}; check that it runs, migration.hook_url, and \
         migration.hook_ca_file"
    )]
    Unreachable { host: String, source: reqwest::Error },
    #[error(
        "timed out waiting for the old system at {host}; check it, or raise \
         migration.hook_timeout_seconds"
    )]
    TimedOut { host: String },
    #[error(
        "the old system at {host} answered with status {status} instead of 200; check its log, \
         migration.hook_url and migration.hook_key_file"
    )]
    Status { host: String, status: StatusCode },
    #[error(
        "the answer of the old system at {host} {problem}; see docs/how-to/move-users-at-login.md"
    )]
    Answer { host: String, problem: AnswerProblem },
}

impl From<FileWorkError> for HookError {
    fn from(error: FileWorkError) -> Self {
        Self::Authorities(error.into())
    }
}

impl HookError {
    /// The labels of the outcomes in metrics.
    pub(super) const OUTCOMES: [&str; 6] =
        ["busy", "suspended", "key_unavailable", "unreachable", "timed_out", "invalid_answer"];

    /// The label of the outcome in metrics.
    pub(super) fn outcome(&self) -> &'static str {
        match self {
            Self::Busy | Self::CallerBusy => "busy",
            Self::Suspended => "suspended",
            Self::Key(_) | Self::InvalidKey(_) | Self::Random(_) => "key_unavailable",
            Self::Authorities(_) | Self::Tls(_) | Self::Unreachable { .. } => "unreachable",
            Self::TimedOut { .. } => "timed_out",
            Self::Status { .. } | Self::Answer { .. } => "invalid_answer",
        }
    }

    /// True when waiting logins, not the old system, are the reason.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self, Self::Busy | Self::CallerBusy)
    }

    /// True when the old system answers, but the description of this user is invalid.
    pub(super) fn is_about_one_user(&self) -> bool {
        matches!(self, Self::Answer { problem: AnswerProblem::User(_), .. })
    }

    /// The reason of a request without a complete answer.
    pub(super) fn of_request(host: String, error: reqwest::Error) -> Self {
        if error.is_timeout() {
            return Self::TimedOut { host };
        }
        Self::Unreachable { host, source: error.without_url() }
    }
}

impl From<NoTurn> for HookError {
    fn from(reason: NoTurn) -> Self {
        match reason {
            NoTurn::CallerBusy => Self::CallerBusy,
            NoTurn::Busy => Self::Busy,
        }
    }
}
