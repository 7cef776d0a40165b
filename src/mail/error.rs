//! Why a mail was not delivered, as messages for the operator.

use std::io;

use super::tls::MailTlsError;
use crate::security::secret_file::SecretFileError;

/// A mail was not delivered. No text contains a secret, an address, or a text of the server, which
/// often repeats the address.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MailError {
    #[error("cannot use mail.smtp_url_file")]
    UrlFile(#[source] SecretFileError),
    #[error(
        "mail.smtp_url_file does not contain a valid URL; it must be smtps://USER:PASSWORD@HOST or \
         smtp://USER:PASSWORD@HOST, with percent-encoded user name and password"
    )]
    InvalidUrl,
    #[error(
        "the mail would cross the network in plain text; use smtps:// or STARTTLS, or accept the \
         risk with mail.allow_unencrypted = true"
    )]
    Unencrypted,
    #[error(transparent)]
    TlsSetup(#[from] MailTlsError),
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
    #[error(
        "the mail server refused the user name and password of mail.smtp_url{}; correct them",
        with_code(.0.as_deref())
    )]
    LoginRefused(Option<String>),
    #[error(
        "the mail server refused the mail{}; see its log",
        with_code(Some(.code))
    )]
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

/// The code of a reply as a part of a sentence.
fn with_code(code: Option<&str>) -> String {
    code.map(|code| format!(" with code {code}")).unwrap_or_default()
}

impl MailError {
    /// True when another attempt would fail in the same way.
    pub(crate) fn is_permanent(&self) -> bool {
        matches!(self, Self::Unsendable | Self::Refused { is_permanent: true, .. })
    }

    /// The error of a greeting. It is not permanent: the server refuses the connection, not a mail.
    pub(super) fn of_connection(error: &lettre::transport::smtp::Error) -> Self {
        error.status().map_or(Self::InvalidReply, |code| Self::Refused {
            code: code.to_string(),
            is_permanent: false,
        })
    }

    /// The error of a delivery.
    pub(super) fn of_delivery(error: &lettre::transport::smtp::Error) -> Self {
        match error.status() {
            Some(code) => {
                Self::Refused { code: code.to_string(), is_permanent: error.is_permanent() }
            }
            None if error.is_client() => Self::Unsendable,
            None => Self::InvalidReply,
        }
    }
}
