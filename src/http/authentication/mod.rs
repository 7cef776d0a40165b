//! Authentication as middleware of each route that needs it: it comes before the body is read.
//!
//! An `Authorization` header decides alone (protocol.md 10.4). Each scheme is one file that says
//! what the header presents; whether that proves anything is the service's business.

mod basic;
mod bearer;
mod so_ticket;

use actix_web::{
    Error, HttpMessage,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::header::{AUTHORIZATION, HeaderMap, HeaderValue},
    middleware::Next,
    web::Data,
};

use super::{
    error::{ApiError, ErrorKind},
    request_id::RequestId,
    state::HttpState,
};
use crate::{
    clock,
    domain::{
        caller::Origin,
        principal::{PresentedCredential, Principal},
    },
    service::{EnabledSchemes, authentication::AuthenticationError},
};

/// The header of the cookie session, which is decided by its absence until there are sessions.
const X_XSRF_TOKEN: &str = "x-xsrf-token";

/// What a scheme makes of the text behind its name; `None` when it cannot be read.
type ReadScheme = fn(&str) -> Option<PresentedCredential>;

/// The schemes, by their names in lower case.
const SCHEMES: [(&str, ReadScheme); 3] =
    [("basic", basic::read), ("soticket", so_ticket::read), ("bearer", bearer::read)];

/// Middleware: finds out who is asking, or answers 401.
pub(super) async fn authenticate(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let origin = origin(&request);
    match principal(&request, origin.clone()).await {
        Ok(principal) => {
            tracing::Span::current().record("principal.id", principal.user_id().as_i32());
            request.extensions_mut().insert(principal);
            request.extensions_mut().insert(origin);
            Ok(next.call(request).await?.map_into_boxed_body())
        }
        Err(error) => Ok(request.error_response(error)),
    }
}

async fn principal(request: &ServiceRequest, origin: Origin) -> Result<Principal, ApiError> {
    let presented = presented(request.headers())?;
    tracing::Span::current().record("auth.scheme", presented.scheme().as_str());
    let state = request.app_data::<Data<HttpState>>().ok_or(ErrorKind::Internal)?;
    let authenticated = state
        .service
        .run(|service| async move { service.authenticate(presented, &origin, clock::now()).await });
    authenticated.await?.map_err(|error| {
        if let AuthenticationError::Refused { user_id: Some(user_id), .. } = &error {
            tracing::Span::current().record("user.id", user_id.as_i32());
        }
        error.into()
    })
}

/// What the request presents: exactly one header of a known scheme.
fn presented(headers: &HeaderMap) -> Result<PresentedCredential, ErrorKind> {
    let mut values = headers.get_all(AUTHORIZATION);
    match (values.next(), values.next()) {
        (Some(value), None) => read(value).ok_or(ErrorKind::Unauthenticated),
        (None, _) if !headers.contains_key(X_XSRF_TOKEN) => Err(ErrorKind::XsrfMissing),
        _ => Err(ErrorKind::Unauthenticated),
    }
}

fn read(value: &HeaderValue) -> Option<PresentedCredential> {
    let (name, text) = value.to_str().ok()?.split_once(' ')?;
    let (_, read) = SCHEMES.iter().find(|(scheme, _)| name.eq_ignore_ascii_case(scheme))?;
    read(text.trim_matches(' '))
}

fn origin(request: &ServiceRequest) -> Origin {
    let extensions = request.extensions();
    let request_id = extensions.get::<RequestId>().map_or("unknown", RequestId::as_str);
    Origin { address: request.peer_addr().map(|peer| peer.ip()), request_id: request_id.to_owned() }
}

/// The challenges of a 401 (protocol.md 10.3): Basic only when it is asked for or alone, because
/// browsers show a prompt of their own for it.
pub(crate) fn challenges(schemes: EnabledSchemes, basic_challenge: bool) -> Vec<&'static str> {
    let is_alone = !schemes.so_ticket && !schemes.bearer;
    let offered = [
        (schemes.so_ticket, so_ticket::CHALLENGE),
        (schemes.bearer, bearer::CHALLENGE),
        (schemes.basic && (basic_challenge || is_alone), basic::CHALLENGE),
    ];
    offered.into_iter().filter_map(|(is_offered, text)| is_offered.then_some(text)).collect()
}
