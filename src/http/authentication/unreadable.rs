//! Errors from parsing a presented credential. Only the log has the reason; the response is a plain
//! 401.

use crate::http::{
    error::{ApiError, ErrorKind},
    headers::UnreadableHeader,
};

/// An error from parsing a presented credential; never contains its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::http) enum UnreadableCredential {
    #[error("{0} cannot be read")]
    Header(&'static str, #[source] UnreadableHeader),
    #[error("the Authorization header has no credentials after its scheme")]
    NoScheme,
    #[error("the scheme of the Authorization header is not supported")]
    UnknownScheme,
    #[error("the Basic credentials are not base64")]
    NotBase64,
    #[error("the Basic credentials are not UTF-8")]
    NotUtf8,
    #[error("the Basic credentials have no colon")]
    NoColon,
    #[error("the Basic credentials are a ticket with a password")]
    TicketWithPassword,
    #[error("the cookie {0} is given more than once")]
    RepeatedCookie(&'static str),
    #[error("the session cookie is missing")]
    NoSessionCookie,
}

impl From<UnreadableCredential> for ApiError {
    fn from(error: UnreadableCredential) -> Self {
        Self::caused(ErrorKind::Unauthenticated, error)
    }
}
