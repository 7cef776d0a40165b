//! The credentials that a request can present.

use reqwest::RequestBuilder;

/// The credentials of a request.
#[derive(Debug, Clone)]
pub(crate) enum Credentials {
    Anonymous,
    Basic(String, String),
    Ticket(String),
    Bearer(String),
    /// The session cookie, and the value of `X-XSRF-TOKEN`.
    Session {
        cookie: String,
        xsrf: String,
    },
    /// The verbatim value of `Authorization`.
    Raw(String),
}

impl Credentials {
    /// Basic credentials.
    pub(crate) fn basic(name: &str, password: &str) -> Self {
        Self::Basic(name.to_owned(), password.to_owned())
    }

    /// Adds the credentials to a request.
    pub(crate) fn apply_to(&self, request: RequestBuilder) -> RequestBuilder {
        match self {
            Self::Anonymous => request,
            Self::Basic(name, password) => request.basic_auth(name, Some(password)),
            Self::Ticket(text) => request.header("Authorization", format!("SOTicket {text}")),
            Self::Bearer(text) => request.header("Authorization", format!("Bearer {text}")),
            Self::Session { cookie, xsrf } => request
                .header("Cookie", format!("ASP.NET_SessionId={cookie}"))
                .header("X-XSRF-TOKEN", xsrf),
            Self::Raw(text) => request.header("Authorization", text),
        }
    }
}
