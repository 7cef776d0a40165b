//! Why a directory was not searched, as messages for the operator.

use std::{io, time::Duration};

use super::ber::MessageError;
use crate::{
    security::{secret_file::SecretFileError, tls::ClientTlsError},
    turns::NoTurn,
};

/// The time without another bind after the server refused the password. Failed binds can lock the
/// account of the service: Active Directory counts them for 10 to 30 minutes.
pub(super) const RETRY_REFUSED: Duration = Duration::from_mins(15);

/// A search in the directory or the verification of a password failed. No text contains a password,
/// a filter or an entry.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DirectoryError {
    #[error("cannot reach the directory; check that it runs, and directory.url")]
    Unreachable(#[source] io::Error),
    #[error(
        "timed out waiting for the directory; check it, or raise directory.connect_timeout_seconds \
         and directory.search_timeout_seconds"
    )]
    TimedOut,
    #[error("every connection to the directory is in use, and enough requests wait for one")]
    Busy,
    #[error(
        "too many logins of one address wait for the directory, and one address uses at most half \
         of directory.verify_maximum_connections; check how long the directory takes to answer, \
         and http.trusted_proxies, or raise directory.verify_maximum_connections"
    )]
    CallerBusy,
    #[error(transparent)]
    TlsSetup(#[from] ClientTlsError),
    #[error(
        "cannot negotiate TLS with the directory; check its certificate, directory.ca_file, and \
         that directory.url has a name of the certificate"
    )]
    Tls(#[source] io::Error),
    #[error(
        "the directory refused StartTLS with result code {0}; use ldaps://, or enable TLS there"
    )]
    StartTlsRefused(u32),
    #[error("directory.password_file")]
    Password(#[source] SecretFileError),
    #[error(
        "invalid credentials: the directory refused directory.bind_dn with the password in \
         directory.password_file; correct either one"
    )]
    BindRefused,
    #[error(
        "the directory refused directory.bind_dn with the password in directory.password_file, so \
         the service does not bind again with this password for {minutes} minutes, because failed \
         binds can lock the account; replace the file, and the service reads it at once",
        minutes = RETRY_REFUSED.as_secs() / 60
    )]
    BindSuspended,
    #[error("the directory refused the bind with result code {0}; check directory.bind_dn")]
    BindFailed(u32),
    #[error(
        "the directory answered with a referral, which is not followed; set directory.url to the server that has the base DN"
    )]
    Referral,
    #[error(
        "the directory refused the search with result code {0}; check the base DN, the filters and \
         the rights of directory.bind_dn"
    )]
    SearchRefused(u32),
    #[error("the base DN or the name of an entry was not found in the directory")]
    NotFound,
    #[error("the search matches more than {0} entries (directory.maximum_entries)")]
    TooManyEntries(usize),
    #[error(
        "the group has no objectSid, which {{group_rid}} in directory.member_filter needs; remove \
         {{group_rid}}"
    )]
    NoGroupSid,
    #[error("the directory sent an invalid message; check that directory.url is an LDAP server")]
    InvalidMessage(#[source] MessageError),
    #[error("the directory closed the connection; check its log")]
    Closed,
    #[error("cannot open a connection to the directory on this machine")]
    System(#[source] io::Error),
    #[error(
        "the directory is not asked about passwords, because several requests in a row failed; the \
         next one follows within 10 seconds"
    )]
    Suspended,
    #[error(
        "timed out waiting for the directory to verify a password; check it, or raise \
         directory.verify_timeout_seconds"
    )]
    VerificationTimedOut,
    #[error("the directory could not verify a password: result code {0}; check its log")]
    Undecided(u32),
}

impl From<NoTurn> for DirectoryError {
    fn from(reason: NoTurn) -> Self {
        match reason {
            NoTurn::CallerBusy => Self::CallerBusy,
            NoTurn::Busy => Self::Busy,
        }
    }
}

impl DirectoryError {
    /// True when waiting logins or searches, not the directory, are the reason.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self, Self::Busy | Self::CallerBusy)
    }

    /// A stable word for metrics.
    pub(super) fn outcome(&self) -> &'static str {
        match self {
            Self::Unreachable(_) | Self::Closed => "unreachable",
            Self::TimedOut | Self::VerificationTimedOut => "timed_out",
            Self::Busy | Self::CallerBusy => "busy",
            Self::TlsSetup(_) | Self::Tls(_) | Self::StartTlsRefused(_) => "tls_failed",
            Self::Password(_) | Self::BindRefused | Self::BindSuspended | Self::BindFailed(_) => {
                "bind_failed"
            }
            Self::Referral | Self::SearchRefused(_) | Self::NoGroupSid => "search_refused",
            Self::NotFound => "not_found",
            Self::TooManyEntries(_) => "too_many_entries",
            Self::InvalidMessage(_) => "invalid_message",
            Self::System(_) => "failed",
            Self::Suspended => "suspended",
            Self::Undecided(_) => "undecided",
        }
    }

    /// Every value of [`Self::outcome`], and of a search that succeeded.
    pub(super) const OUTCOMES: [&str; 11] = [
        "success",
        "unreachable",
        "timed_out",
        "busy",
        "tls_failed",
        "bind_failed",
        "search_refused",
        "not_found",
        "too_many_entries",
        "invalid_message",
        "failed",
    ];

    /// Every value of [`Self::outcome`] that a search does not have.
    pub(super) const VERIFICATION_OUTCOMES: [&str; 2] = ["suspended", "undecided"];
}
