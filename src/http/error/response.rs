//! The body of every error response (docs/reference/wire-contract.md#d1-error-object).

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::{
        StatusCode,
        header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE},
    },
};
use serde::Serialize;
use utoipa::ToSchema;
use wire_formats::XmlNames;

use super::kind::ErrorKind;

/// The vendor's error object with three additional members.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
#[schema(as = Error)]
pub(in crate::http) struct ErrorResponse<'error> {
    /// Always true.
    error: bool,
    /// The vendor's name of the error type.
    error_type: &'static str,
    /// A message for people, in the language of the request.
    message: String,
    /// Always `CredentialKeeper`.
    error_source: &'static str,
    /// A stable code for programs.
    code: &'static str,
    /// The invalid member, when the error is about one.
    field: Option<&'error str>,
    /// The id of the request in the log.
    request_id: &'error str,
}

impl XmlNames for ErrorResponse<'_> {
    const NAME: &'static str = "Error";
    const NAMESPACE: &'static str = "";
}

impl<'error> ErrorResponse<'error> {
    /// The body for an error of a request.
    pub(in crate::http) fn new(
        kind: &'error ErrorKind,
        message: String,
        request_id: &'error str,
    ) -> Self {
        let row = kind.row();
        Self {
            error: true,
            error_type: row.error_type,
            message,
            error_source: "CredentialKeeper",
            code: row.code,
            field: kind.field(),
            request_id,
        }
    }
}

/// Status and headers of a failed response, except challenges.
pub(in crate::http) fn head(kind: &ErrorKind) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(kind.row().status);
    if let ErrorKind::MethodNotAllowed { allow } = kind {
        response.insert_header((ALLOW, allow.as_str()));
    }
    if let Some(wait) = kind.retry_after() {
        // Rounded up, so that a retry after exactly this time is not refused.
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        response.insert_header((RETRY_AFTER, seconds.max(1)));
    }
    response
}

/// Status and headers of a failed response, with these challenges if it is a 401
/// (docs/reference/wire-contract.md#d3-challenges).
pub(in crate::http) fn head_with_challenges<'texts>(
    kind: &ErrorKind,
    challenges: impl IntoIterator<Item = &'texts &'static str>,
) -> HttpResponseBuilder {
    let mut response = head(kind);
    if kind.row().status == StatusCode::UNAUTHORIZED {
        for challenge in challenges {
            response.append_header((WWW_AUTHENTICATE, *challenge));
        }
    }
    response
}

/// Status and headers of a failed response that is a page. Basic is not offered, because the browser
/// would open a prompt over the page.
pub(in crate::http) fn head_of_page(
    kind: &ErrorKind,
    challenges: &[&'static str],
) -> HttpResponseBuilder {
    head_with_challenges(kind, challenges.iter().filter(|text| !text.starts_with("Basic")))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        domain::{InvalidField, Reason},
        http::localization::Language,
    };

    #[test]
    fn an_error_has_the_same_members_in_every_language() {
        let reason = Reason::TooFewCharacters(15);
        let kind = ErrorKind::from(InvalidField::new("Credential.Value", reason));
        let response = |tag: &'static str| {
            let message = Language::Known(tag).error(&kind);
            (tag, serde_json::to_value(ErrorResponse::new(&kind, message, "id")).unwrap())
        };
        let responses: BTreeMap<_, _> = Language::tags().into_iter().map(response).collect();
        insta::assert_json_snapshot!(responses);
    }
}
