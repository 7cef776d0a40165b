//! Why a sink did not take events, as messages for the operator.

use std::{io, path::PathBuf, time::Duration};

use reqwest::StatusCode;

use crate::security::{
    file_work::FileWorkError, secret_file::SecretFileError, tls::ClientTlsError,
};

/// A sink did not take events. No message contains what was sent or received.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SinkError {
    #[error(
        "cannot write {0}; check its folder, the free space, and that the account of the service may \
         write there"
    )]
    Unwritable(PathBuf, #[source] io::Error),
    #[error("another process writes {0}; give each sink a file of its own")]
    Locked(PathBuf),
    #[error("{0} is not written within 30 seconds; check its volume")]
    Slow(PathBuf),
    #[error("the files of the sink are not read within 30 seconds; check their volume")]
    SlowFiles,
    #[error("url is invalid")]
    InvalidUrl,
    #[error("key_file")]
    Key(#[source] SecretFileError),
    #[error(
        "key_file: {0} must contain one or two lines, each `whsec_` and 24 to 64 bytes in base64; \
         write it again"
    )]
    InvalidKey(PathBuf),
    #[error("address must be a host and a port, such as siem.example.com:6514")]
    InvalidAddress,
    #[error("{0} contains no private key; it must be PEM (-----BEGIN PRIVATE KEY-----)")]
    NoPrivateKey(PathBuf),
    #[error("{0} is not the key of certificate_file; use the files of one certificate")]
    KeyMismatch(PathBuf),
    #[error(transparent)]
    Tls(#[from] ClientTlsError),
    #[error("cannot connect to {host}; check that it runs, and address")]
    Unreachable { host: String, source: io::Error },
    #[error(
        "TLS with {host} failed; check its certificate, ca_file, and that it expects TLS on this port"
    )]
    Handshake { host: String, source: io::Error },
    #[error(
        "{host} did not confirm that it read the events; check its log, and whether it requires a \
         certificate (certificate_file)"
    )]
    Unconfirmed { host: String, source: io::Error },
    #[error("cannot initialize TLS")]
    Client(#[source] reqwest::Error),
    #[error("cannot reach {host}; check that it runs, url, and ca_file")]
    Unanswered { host: String, source: reqwest::Error },
    #[error("timed out waiting for {host}; check it, or raise timeout_seconds")]
    TimedOut { host: String },
    #[error("{host} answered with status {status} instead of 2xx; check its log, url and key_file")]
    Status { host: String, status: StatusCode, retry_after: Option<Duration> },
    /// The task that reads or writes files ended without a result.
    #[error("the task that reads or writes the files of the sink was stopped")]
    Stopped,
}

/// Files that are read, not written.
impl From<FileWorkError> for SinkError {
    fn from(error: FileWorkError) -> Self {
        match error {
            FileWorkError::Slow => Self::SlowFiles,
            FileWorkError::Stopped => Self::Stopped,
        }
    }
}

impl SinkError {
    /// The labels of the failures in metrics.
    pub(crate) const REASONS: [&str; 7] = [
        "unwritable",
        "key_unavailable",
        "unreachable",
        "timed_out",
        "refused",
        "stopped",
        "database",
    ];

    /// The label of the failure in metrics.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Unwritable(..) | Self::Locked(_) => "unwritable",
            Self::Key(_) | Self::InvalidKey(_) => "key_unavailable",
            Self::InvalidUrl
            | Self::InvalidAddress
            | Self::NoPrivateKey(_)
            | Self::KeyMismatch(_)
            | Self::Tls(_)
            | Self::Unreachable { .. }
            | Self::Handshake { .. }
            | Self::Unconfirmed { .. }
            | Self::Client(_)
            | Self::Unanswered { .. } => "unreachable",
            Self::TimedOut { .. } | Self::Slow(_) | Self::SlowFiles => "timed_out",
            Self::Status { .. } => "refused",
            Self::Stopped => "stopped",
        }
    }

    /// The time after which the sink wants the next delivery.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        if let Self::Status { retry_after, .. } = self { *retry_after } else { None }
    }
}
