//! `POST /logout`: ends the session (docs/reference/wire-contract.md#d27-sessions).

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{CLEAR_SITE_DATA, HeaderValue},
    web::Data,
};
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{html, own_page::require_own_page};
use crate::clock;
use crate::http::{
    authentication::{
        client_info,
        session_cookie::{SESSION_COOKIE, XSRF_COOKIE, own_cookie, single_cookie, xsrf_header},
    },
    error::{ApiError, ErrorKind, MissingRight},
    negotiation::{self, Body},
    operation::Operation,
    secret_headers::secret_headers,
    state::HttpState,
};
use crate::service::sessions::sign_in::Sessions;

/// What the browser deletes at sign-out. Not `"cookies"`, which would end the sessions of every other
/// application on the same registrable domain.
const SITE_DATA: HeaderValue = HeaderValue::from_static(r#""cache", "storage""#);

/// The form of the page, which cannot set a header.
#[derive(Deserialize, ToSchema)]
pub(in crate::http) struct SignOutRequest {
    /// The hidden value of the page; programs send `X-XSRF-TOKEN` instead.
    #[serde(rename = "XSRF_TOKEN")]
    #[schema(value_type = Option<String>)]
    xsrf_token: Option<SecretString>,
}

/// Describes the operation.
pub(in crate::http) fn operation() -> Operation {
    Operation::new(
        "Ends the session in the cookie. Requires X-XSRF-TOKEN or the hidden value of the form.",
    )
    .takes_optional::<SignOutRequest>()
    .takes_session()
    .redirects_forms()
    .refuses(ErrorKind::Forbidden(MissingRight::ForeignPage))
    .refuses(ErrorKind::Unauthenticated)
    .refuses(ErrorKind::XsrfMissing)
    .refuses(ErrorKind::XsrfWrong)
    .refuses(ErrorKind::OutcomeUnknown)
}

/// Ends the session. Also succeeds without a session.
pub(in crate::http) async fn sign_out(
    request: HttpRequest,
    state: Data<HttpState>,
    Body(body): Body<SignOutRequest>,
) -> Result<HttpResponse, ApiError> {
    // A request from another site sends no cookie, but its response could remove ours.
    require_own_page(&request)?;
    let secret_headers = secret_headers(&request);
    if let Some(cookie) = single_cookie(&secret_headers, SESSION_COOKIE)? {
        let header = xsrf_header(&secret_headers)?;
        let xsrf = header.or(body.xsrf_token).ok_or(ErrorKind::XsrfMissing)?;
        let client_info = client_info(&request);
        let ended = state
            .service
            .run(client_info.fairness_key(), |sessions: Arc<Sessions>| async move {
                sessions.sign_out(&cookie, &xsrf, &client_info, clock::now()).await
            })
            .await??;
        if !ended {
            return Err(ErrorKind::XsrfWrong.into());
        }
    }
    let mut response = if negotiation::is_form(request.headers()) {
        html::redirect(&state, "/login")
    } else {
        HttpResponse::NoContent().finish()
    };
    for name in [SESSION_COOKIE, XSRF_COOKIE] {
        let removal = own_cookie(name, "", &request, &state);
        response.add_cookie(&removal).map_err(|_| ErrorKind::Internal)?;
    }
    response.headers_mut().insert(CLEAR_SITE_DATA, SITE_DATA);
    Ok(response)
}
