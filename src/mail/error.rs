//! Why a mail was not delivered, as messages for the operator.

use std::io;

use crate::security::{secret_file::SecretFileError, tls::ClientTlsError};

/// A mail was not delivered. No text contains a secret, an address, or a text of the server, which
/// often repeats the address.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MailError {
    #[error("cannot use mail.smtp_url_file")]
    UrlFile(#[source] SecretFileError),
    #[error(
        "{0} does not contain a valid URL; it must be smtps://USER:PASSWORD@HOST or \
         smtp://USER:PASSWORD@HOST, with percent-encoded user name and password"
    )]
    InvalidUrl(&'static str),
    #[error(
        "the mail would cross the network in plain text; use smtps:// or STARTTLS, or accept the \
         risk with mail.allow_unencrypted = true"
    )]
    Unencrypted,
    #[error(transparent)]
    TlsSetup(#[from] ClientTlsError),
    #[error("cannot reach the mail server; check that it runs, and mail.smtp_url")]
    Unreachable(#[source] io::Error),
    #[error("timed out waiting for the mail server; check it, or raise mail.timeout_seconds")]
    TimedOut,
    #[error(
        "cannot negotiate TLS with the mail server; check its certificate, mail.ca_file, and that \
         mail.smtp_url has a name of the certificate"
    )]
    Tls(#[source] io::Error),
    #[error("the mail server does not offer STARTTLS; use smtps://, or enable TLS there")]
    NoStartTls,
    #[error("the mail server refused STARTTLS with code {0}; use smtps://, or enable TLS there")]
    StartTlsRefused(String),
    #[error("the mail server sent an invalid reply, or closed the connection")]
    InvalidReply,
    /// The server refuses the connection or the login, and not a mail: others would fail, too.
    #[error("the mail server turned the service away with code {0}; see its log")]
    TurnedAway(String),
    #[error(
        "the mail server refused the user name and password of mail.smtp_url with code {0}; \
         correct them"
    )]
    LoginRefused(String),
    #[error(
        "the mail server offers neither PLAIN nor LOGIN; enable one there, or remove user name and \
         password from mail.smtp_url"
    )]
    NoLogin,
    /// The server has the mail, but its reply is missing. It may deliver the mail.
    #[error(
        "outcome unknown: the mail server did not reply to the content of the mail; it may have \
         accepted it; see its log"
    )]
    OutcomeUnknown,
    #[error("the mail server refused the mail with code {code}; see its log")]
    Refused {
        code: String,
        /// True for a 5xx code: the server refuses the same mail always.
        is_permanent: bool,
    },
    #[error(
        "the mail cannot be sent to this address: the mail server does not support SMTPUTF8, or the \
         address is invalid"
    )]
    Unsendable,
}

impl MailError {
    /// True when another attempt would fail in the same way.
    pub(crate) fn is_permanent(&self) -> bool {
        matches!(self, Self::Unsendable | Self::Refused { is_permanent: true, .. })
    }

    /// The error of a greeting, also for its missing reply.
    pub(super) fn of_connection(error: &lettre::transport::smtp::Error) -> Self {
        error.status().map_or(Self::InvalidReply, |code| Self::TurnedAway(code.to_string()))
    }

    /// The error of a login. Only a 5xx code is about the user name and password.
    pub(super) fn of_login(error: &lettre::transport::smtp::Error) -> Self {
        match error.status() {
            Some(code) if error.is_permanent() => Self::LoginRefused(code.to_string()),
            None if error.is_client() => Self::NoLogin,
            _ => Self::of_connection(error),
        }
    }

    /// The error of a reply about a mail.
    pub(super) fn of_delivery(error: &lettre::transport::smtp::Error) -> Self {
        match error.status().map(|code| code.to_string()) {
            // The server closes the connection (RFC 5321, 3.8).
            Some(code) if code == "421" => Self::TurnedAway(code),
            Some(code) => Self::Refused { code, is_permanent: error.is_permanent() },
            None => Self::InvalidReply,
        }
    }

    /// The error of the reply to the content of a mail.
    pub(super) fn of_content(error: &lettre::transport::smtp::Error) -> Self {
        if error.status().is_some() { Self::of_delivery(error) } else { Self::OutcomeUnknown }
    }
}
