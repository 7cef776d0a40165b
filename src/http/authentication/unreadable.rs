//! Why what a request presents cannot be read. The log says it; the caller learns only that they
//! are not authenticated.

use crate::http::headers::UnreadableHeader;

/// The inner reason of a refusal; it never has the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::http) enum UnreadableCredential {
    #[error("{0} cannot be read")]
    Header(&'static str, #[source] UnreadableHeader),
    #[error("Authorization has no scheme with a text behind it")]
    NoScheme,
    #[error("the scheme of Authorization is unknown")]
    UnknownScheme,
    #[error("the text of Basic is not base64")]
    NotBase64,
    #[error("the text of Basic is not UTF-8")]
    NotUtf8,
    #[error("the text of Basic has no colon")]
    NoColon,
    #[error("a ticket in the place of the name has a password beside it")]
    TicketWithPassword,
    #[error("the cookie {0} is given more than once")]
    RepeatedCookie(&'static str),
    #[error("the session cookie is missing")]
    NoSessionCookie,
}
