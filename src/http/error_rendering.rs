//! Renders every failure in one envelope (protocol.md 10.1), and logs it once.
//!
//! `ResponseError` cannot see the request, and failures come from every layer: middleware,
//! extractors, handlers, the router. So they are rendered here, outside them all.

use actix_cors::CorsError;
use actix_web::{
    Error, HttpMessage, HttpRequest, HttpResponse, HttpResponseBuilder,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        StatusCode,
        header::{ALLOW, CACHE_CONTROL, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE},
    },
    middleware::Next,
    web::Data,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    error::{ApiError, BodyFault, ErrorKind, MissingRight},
    localisation::Language,
    negotiation::{self, XmlNames},
    pages::login,
    request_id::RequestId,
    state::HttpState,
};
use crate::telemetry::error_chain;

/// The vendor's error object with our three members.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
#[schema(as = Error)]
pub(super) struct ErrorResponse<'error> {
    /// Always true.
    error: bool,
    /// The vendor's name of what went wrong.
    error_type: &'static str,
    /// For people, in the language of the request.
    message: String,
    /// Always `CredentialKeeper`.
    error_source: &'static str,
    /// For programs: stable.
    code: &'static str,
    /// The offending member, when it is one.
    field: Option<&'error str>,
    /// Names the request in the log.
    request_id: &'error str,
}

impl XmlNames for ErrorResponse<'_> {
    const NAME: &'static str = "Error";
    const NAMESPACE: &'static str = "";
}

/// Middleware that turns a failed answer into the envelope.
pub(super) async fn render(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let mut response = next.call(request).await?.map_into_boxed_body();
    if let Some(kind) = failure(&response) {
        let mut rendered = envelope(&kind, response.request());
        // What the layers inside have said about the answer as a whole: cross-origin rules.
        let own: Vec<_> = rendered.headers().keys().cloned().collect();
        for (name, value) in response.headers().iter().filter(|(name, _)| !own.contains(name)) {
            rendered.headers_mut().append(name.clone(), value.clone());
        }
        response = response.into_response(rendered);
    }
    // Rights, tickets and tokens belong in no cache; documents say so themselves.
    if !response.headers().contains_key(CACHE_CONTROL) {
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response.headers_mut().insert(
        actix_web::http::header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    Ok(response)
}

/// What went wrong, if anything did. An error that is not ours is one of the framework's.
fn failure(response: &ServiceResponse<BoxBody>) -> Option<ErrorKind> {
    let error = response.response().error()?;
    if let Some(error) = error.as_error::<ApiError>() {
        log(error);
        return Some(error.kind.clone());
    }
    if error.as_error::<CorsError>().is_some() {
        let refused = ApiError::from(ErrorKind::Forbidden(MissingRight::CrossOrigin));
        log(&refused);
        return Some(refused.kind);
    }
    let status = response.status();
    tracing::error!(http.status = status.as_u16(), %error, "an error of the framework");
    Some(if status.is_client_error() { BodyFault::Framework.into() } else { ErrorKind::Internal })
}

/// The one log line of a failure: by status class, with the chain of causes.
fn log(error: &ApiError) {
    let (status, _, code) = error.kind.row();
    let field = error.kind.field();
    let cause = error.cause.as_deref().map(|cause| error_chain(cause));
    if status.is_server_error() {
        tracing::error!(code, cause, "the request failed");
    } else if matches!(
        status,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS
    ) {
        tracing::warn!(code, cause, "the request was refused");
    } else {
        tracing::info!(code, field, cause, "the request was wrong");
    }
}

fn envelope(kind: &ErrorKind, request: &HttpRequest) -> HttpResponse {
    let state = request.app_data::<Data<HttpState>>();
    if let Some(page) = state.and_then(|state| {
        // No Basic: the browser would cover the page with a prompt of its own.
        let offered = state.challenges.iter().filter(|text| !text.starts_with("Basic"));
        login::page_of(kind, head(kind, offered), request, state)
    }) {
        return page;
    }
    let challenges = state.map(|state| state.challenges.as_slice()).unwrap_or_default();
    let (_, error_type, code) = kind.row();
    let extensions = request.extensions();
    let request_id = extensions.get::<RequestId>().map(RequestId::as_str).unwrap_or_default();
    let body = ErrorResponse {
        error: true,
        error_type,
        message: Language::of(request.headers()).error(kind),
        error_source: "CredentialKeeper",
        code,
        field: kind.field(),
        request_id,
    };
    negotiation::write(head(kind, challenges.iter()), request.headers(), &body)
}

/// Status and headers of a failed answer.
fn head<'texts>(
    kind: &ErrorKind,
    challenges: impl Iterator<Item = &'texts &'static str>,
) -> HttpResponseBuilder {
    let status = kind.row().0;
    let mut response = HttpResponse::build(status);
    if let ErrorKind::MethodNotAllowed { allow } = kind {
        response.insert_header((ALLOW, allow.as_str()));
    }
    if let Some(wait) = kind.retry_after() {
        // Rounded up: who is told to come at that second is let in.
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        response.insert_header((RETRY_AFTER, seconds.max(1)));
    }
    if status == StatusCode::UNAUTHORIZED {
        for challenge in challenges {
            response.append_header((WWW_AUTHENTICATE, *challenge));
        }
    }
    response
}
