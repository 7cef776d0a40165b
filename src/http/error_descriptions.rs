//! Describes the errors of the API, for documents.

use super::{
    error::{BodyFault, ErrorKind, ErrorRow, MissingRight},
    localization::Language,
};
use crate::domain::Reason;

/// One error of the status table.
pub(crate) struct ErrorDescription {
    pub(crate) status: u16,
    pub(crate) error_type: &'static str,
    pub(crate) code: &'static str,
    /// An example of the English message.
    pub(crate) text: String,
    /// When the error occurs.
    pub(crate) occasion: &'static str,
}

/// One message of an error that has several.
pub(crate) struct ErrorText {
    pub(crate) code: &'static str,
    /// The key of the message in `locales`.
    pub(crate) key: String,
    pub(crate) text: String,
}

/// The status table.
pub(crate) fn describe_errors() -> Vec<ErrorDescription> {
    let describe = |kind: ErrorKind| {
        let ErrorRow { status, error_type, code } = kind.row();
        ErrorDescription {
            status: status.as_u16(),
            error_type,
            code,
            text: Language::Unasked.error(&kind),
            occasion: occasion(&kind),
        }
    };
    ErrorKind::samples().into_iter().map(describe).collect()
}

/// All messages of the errors that have several, grouped by code.
pub(crate) fn describe_error_texts() -> Vec<ErrorText> {
    let language = Language::Unasked;
    let of_kind = |kind: ErrorKind| ErrorText {
        code: kind.code(),
        key: kind.text_key().into_owned(),
        text: language.error(&kind),
    };
    let of_reason = |reason: Reason| {
        let argument = reason.argument();
        let argument = argument.as_ref().map(|(name, value)| (*name, value.as_str()));
        ErrorText {
            code: "invalid_field",
            key: reason.key().to_owned(),
            text: language.message(reason.key(), argument.as_slice()),
        }
    };
    let bodies = BodyFault::ALL.iter().copied().map(ErrorKind::MalformedBody).map(of_kind);
    let rights = MissingRight::ALL.iter().copied().map(ErrorKind::Forbidden).map(of_kind);
    bodies.chain(rights).chain(Reason::ALL.iter().copied().map(of_reason)).collect()
}

const PASSWORD_REFUSED: &str = "The new password violates the password policy, or does not differ from \
     the one that must be changed. The message has every reason.";

const AUDIT_STREAM_FULL: &str = "Too many audit events are undelivered (`audit.maximum_undelivered`), and \
     `audit.when_full` is `refuse`. Logins work.";

fn occasion(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::MalformedBody(_) => "The request body cannot be parsed.",
        ErrorKind::InvalidField(_) => "A member, parameter or header has an invalid value.",
        ErrorKind::PasswordRefused { .. } => PASSWORD_REFUSED,
        ErrorKind::DuplicateMember { .. } => "A member or parameter occurs more than once.",
        ErrorKind::Unauthenticated => {
            "The credentials are missing, wrong, expired or revoked, or the user is disabled."
        }
        ErrorKind::XsrfMissing => "There is neither Authorization nor X-XSRF-TOKEN of a session.",
        ErrorKind::XsrfWrong => "X-XSRF-TOKEN does not belong to the session.",
        ErrorKind::Forbidden(_) => "The caller is authenticated but lacks the right.",
        ErrorKind::ApplicationNotTrusted => {
            "Online installation: SO-AppToken does not name a trusted application."
        }
        ErrorKind::ProofTooOld => "A sensitive change needs a newer proof of the password.",
        ErrorKind::PasswordChangeRequired => "The password is right, but allows only its change.",
        ErrorKind::UnknownRoute => "No route has this path.",
        ErrorKind::UnknownUser => "The user of the request does not exist.",
        ErrorKind::InvalidLink => "The link of a mail is unknown, used, expired or outdated.",
        ErrorKind::MethodNotAllowed { .. } => {
            "The route does not support the method. Allow lists the supported methods."
        }
        ErrorKind::RequestTimeout => "The request body was not received in time.",
        ErrorKind::IdentifierTaken => "Another user has the identifier.",
        ErrorKind::LoginNameTaken => "Another user has the login name.",
        ErrorKind::NickNameTaken => "Another user has the nickname.",
        ErrorKind::LastAdministrator => "No active administrator would be left.",
        ErrorKind::Outdated => "The user was changed after the caller read them.",
        ErrorKind::PreconditionFailed => "If-Unmodified-Since: the user was changed later.",
        ErrorKind::BodyTooLarge => "The request body exceeds 64 KiB.",
        ErrorKind::UriTooLong => "The URL exceeds 8 KiB.",
        ErrorKind::UnsupportedMediaType => "The media type of the request body is not supported.",
        ErrorKind::MisdirectedRequest => "The host is not in http.allowed_hosts.",
        ErrorKind::ProxyRequired => {
            "With http.tls_terminated_by_proxy: the peer is neither a trusted proxy nor on loopback."
        }
        ErrorKind::HeadersTooLarge => "The request headers are too large.",
        ErrorKind::TooManyAttempts { .. } => {
            "Too many failed attempts: delayed until Retry-After, or locked if it is absent."
        }
        ErrorKind::Overloaded { .. } => {
            "Hashing, or waiting for a user or for other requests of the caller, would take too long."
        }
        ErrorKind::DatabaseUnavailable => "The database is not reachable. Nothing was changed.",
        ErrorKind::KeyUnavailable => {
            "A sealing key is not in the keyring, or an issuer's key set cannot be fetched."
        }
        ErrorKind::DirectoryUnavailable => {
            "The directory (`directory.url`) does not respond, or refuses the account of the service. See the log."
        }
        ErrorKind::OldSystemUnavailable => "The old system gave no usable answer. See the log.",
        ErrorKind::ShuttingDown => "The instance is shutting down.",
        ErrorKind::ReadOnly => "The instance is read-only (`maintenance.read_only`). Logins work.",
        ErrorKind::AuditStreamFull => AUDIT_STREAM_FULL,
        ErrorKind::OutcomeUnknown => {
            "The response of the database was lost or timed out. The request can be repeated."
        }
        ErrorKind::Internal => "An unexpected error occurred. See the log.",
    }
}
