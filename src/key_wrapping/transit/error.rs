//! Why a transit engine did not encrypt or decrypt, as messages for the operator.

use std::{io, path::PathBuf};

use reqwest::StatusCode;

use crate::security::{secret_file::SecretFileError, tls::ClientTlsError};

/// A call of a transit engine failed. `host` is the address, `path` the call.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransitError {
    #[error("keyring.transit.token_file")]
    Token(#[source] SecretFileError),
    #[error("keyring.transit.token_file: {0} must contain the token only; write it again")]
    InvalidToken(PathBuf),
    #[error("keyring.transit.ca_file")]
    Authorities(#[from] ClientTlsError),
    #[error("cannot initialize TLS for keyring.transit")]
    Tls(#[source] reqwest::Error),
    #[error(
        "cannot reach the transit engine at {host}; check that the server runs, \
         keyring.transit.address, and keyring.transit.ca_file"
    )]
    Unreachable { host: String, source: reqwest::Error },
    #[error(
        "timed out waiting for the transit engine at {host}; check the server, or raise \
         keyring.transit.timeout_seconds"
    )]
    TimedOut { host: String },
    #[error("the server at {host} is sealed; unseal it")]
    Sealed { host: String },
    #[error("the server at {host} is not available: status {status}; check its log")]
    Unavailable { host: String, status: StatusCode },
    #[error(
        "permission denied for {path} at {host}: the token in keyring.transit.token_file is \
         invalid, expired or revoked, or its policy does not allow update on {path}; renew the \
         token or change its policy"
    )]
    Denied { host: String, path: String },
    #[error(
        "transit key not found for {path} at {host}; check keyring.transit.key, or restore the \
         deleted key from a backup"
    )]
    UnknownKey { host: String, path: String },
    #[error(
        "the version of the transit key that wrapped the keyring is disabled for {path} at {host}; \
         lower its min_decryption_version, and run `keys rewrap` before you raise it again"
    )]
    DisabledVersion { host: String, path: String },
    #[error(
        "{path} at {host} cannot decrypt the data key of the keyring: the file is damaged, or \
         another key wrapped it; restore the file or the key from a backup"
    )]
    NotDecrypted { host: String, path: String },
    #[error(
        "transit engine not found for {path} at {host}; check keyring.transit.mount and \
         keyring.transit.namespace"
    )]
    NotFound { host: String, path: String },
    #[error(
        "the key for {path} at {host} refused the call; keyring.transit.key must be of a type \
         that encrypts with associated data, such as aes256-gcm96"
    )]
    Unsuitable { host: String, path: String },
    #[error("unexpected status {status} for {path} at {host}; check keyring.transit.address")]
    Unexpected { host: String, path: String, status: StatusCode },
    #[error(
        "the answer for {path} at {host} is not that of a transit engine; check \
         keyring.transit.address"
    )]
    Malformed { host: String, path: String },
    #[error(
        "the name of the transit key in the keyring is not MOUNT/KEY; restore the file from a copy"
    )]
    InvalidKeyName,
    #[error("the keyring contains no data key for {path}; restore the file from a copy")]
    NotADataKey { path: String },
}

impl TransitError {
    /// True when the same call can succeed later.
    pub(crate) fn is_outage(&self) -> bool {
        match self {
            // An agent may not have written the first token yet.
            Self::Token(SecretFileError::Unreadable(_, error)) => {
                error.kind() == io::ErrorKind::NotFound
            }
            Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::Sealed { .. }
            | Self::Unavailable { .. } => true,
            Self::Token(_)
            | Self::InvalidToken(_)
            | Self::Authorities(_)
            | Self::Tls(_)
            | Self::Denied { .. }
            | Self::UnknownKey { .. }
            | Self::DisabledVersion { .. }
            | Self::NotDecrypted { .. }
            | Self::NotFound { .. }
            | Self::Unsuitable { .. }
            | Self::Unexpected { .. }
            | Self::Malformed { .. }
            | Self::InvalidKeyName
            | Self::NotADataKey { .. } => false,
        }
    }

    /// The reason of a status other than 200. `errors` are the texts of the server, which decide
    /// between reasons and are never shown.
    pub(super) fn of_status(
        status: StatusCode,
        host: String,
        path: String,
        errors: &[String],
    ) -> Self {
        let says = |text: &str| errors.iter().any(|error| error.contains(text));
        match status {
            StatusCode::FORBIDDEN => Self::Denied { host, path },
            StatusCode::NOT_FOUND => Self::NotFound { host, path },
            StatusCode::BAD_REQUEST if says("encryption key not found") => {
                Self::UnknownKey { host, path }
            }
            StatusCode::BAD_REQUEST if says("disallowed by policy") => {
                Self::DisabledVersion { host, path }
            }
            StatusCode::BAD_REQUEST
                if says("invalid ciphertext") || says("message authentication failed") =>
            {
                Self::NotDecrypted { host, path }
            }
            StatusCode::BAD_REQUEST => Self::Unsuitable { host, path },
            StatusCode::SERVICE_UNAVAILABLE if says("sealed") => Self::Sealed { host },
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Self::Unavailable { host, status }
            }
            status => Self::Unexpected { host, path, status },
        }
    }

    /// The reason of a request without an answer.
    pub(super) fn of_request(host: String, error: reqwest::Error) -> Self {
        if error.is_timeout() {
            return Self::TimedOut { host };
        }
        Self::Unreachable { host, source: error.without_url() }
    }
}
