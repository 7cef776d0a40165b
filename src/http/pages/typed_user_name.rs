//! The user name that was typed into a form without a session, for the page that shows its error.

use actix_web::{HttpMessage, HttpRequest};

/// The user name of a form. Requests keep it as an extension.
pub(super) struct TypedUserName(pub(super) String);

impl TypedUserName {
    /// The user name of this request; empty if there is none.
    pub(super) fn of(request: &HttpRequest) -> String {
        let extensions = request.extensions();
        extensions.get::<Self>().map_or_else(String::new, |Self(name)| name.clone())
    }
}
