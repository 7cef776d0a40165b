//! Authentication as middleware of each route that needs it: it comes before the body is read.
//!
//! An `Authorization` header decides alone (protocol.md 10.4); without one it is the cookie
//! session. Each scheme is one file that says what the request presents; whether that proves
//! anything is the service's business.

mod basic;
mod bearer;
pub(super) mod session_cookie;
mod so_ticket;
mod unreadable;

use std::sync::Arc;

use actix_web::{
    Error, HttpMessage, HttpRequest,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::header::AUTHORIZATION,
    middleware::Next,
    web::Data,
};

use secrecy::SecretString;

pub(super) use self::unreadable::UnreadableCredential;
use super::{
    connection::Connection,
    error::{ApiError, ErrorKind},
    request_id::RequestId,
    routes::Access,
    secret_headers::{self, SO_APP_TOKEN, SecretHeaders},
    state::HttpState,
};
use crate::{
    clock,
    domain::{client_info::ClientInfo, principal::PresentedCredential},
    service::authentication::{
        Authenticated, AuthenticationAttempt, AuthenticationError, Authenticator, EnabledSchemes,
        Work,
    },
};

/// What a scheme makes of the text behind its name.
type ReadScheme = fn(&str) -> Result<PresentedCredential, UnreadableCredential>;

/// The schemes, by their names in lower case.
const SCHEMES: [(&str, ReadScheme); 3] =
    [("basic", basic::read), ("soticket", so_ticket::read), ("bearer", bearer::read)];

/// Middleware of a route: finds out who is asking, or answers 401; then, whether the route is
/// for them, or answers 403; and whether there is room for their work, or answers 503.
pub(super) async fn authenticate(
    (access, work): (Access, Work),
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let client_info = client_info(request.request());
    match authenticated((access, work), &request, client_info.clone()).await {
        Ok(Authenticated { principal, admission: _until_answered }) => {
            request.extensions_mut().insert(principal);
            request.extensions_mut().insert(client_info);
            Ok(next.call(request).await?.map_into_boxed_body())
        }
        Err(error) => {
            // The web server closes the connection of a body that it has not read yet. After this
            // it has read what came together with the head: a refusal does not cost a new one.
            tokio::task::yield_now().await;
            Ok(request.error_response(error))
        }
    }
}

async fn authenticated(
    (access, work): (Access, Work),
    request: &ServiceRequest,
    client_info: ClientInfo,
) -> Result<Authenticated, ApiError> {
    let headers = secret_headers::secret_headers(request.request());
    let credential = credential(&headers)?;
    tracing::Span::current().record("auth.scheme", credential.scheme().as_str());
    let state = request.app_data::<Data<HttpState>>().ok_or(ErrorKind::Internal)?;
    // One that cannot be read is nobody's. Without it, the token's application would count.
    let app_token = headers.single(SO_APP_TOKEN).unwrap_or(Some("")).map(SecretString::from);
    let attempt = AuthenticationAttempt { credential, app_token, client_info, work };
    let authenticated = state.service.run(|authenticator: Arc<Authenticator>| async move {
        authenticator.authenticate(attempt, clock::now()).await
    });
    let authenticated =
        authenticated.await.map_err(ApiError::interrupted_reading)?.map_err(refused)?;
    let principal = &authenticated.principal;
    tracing::Span::current().record("principal.id", principal.user_id().as_i32());
    let installation = state.service.get::<Authenticator>().installation();
    if access == Access::Agent && !principal.may_call_agents(installation) {
        return Err(ErrorKind::ApplicationNotTrusted.into());
    }
    Ok(authenticated)
}

/// A refusal on its way out; the log learns whom the caller claimed to be.
pub(super) fn refused(error: AuthenticationError) -> ApiError {
    if let AuthenticationError::Refused { user_id: Some(user_id), .. } = &error {
        tracing::Span::current().record("user.id", user_id.as_i32());
    }
    error.into()
}

/// What the request presents: exactly one header of a known scheme, or the cookie session.
fn credential(headers: &SecretHeaders) -> Result<PresentedCredential, ApiError> {
    let authorization = headers.single(AUTHORIZATION.as_str());
    match authorization.map_err(|error| UnreadableCredential::Header("Authorization", error))? {
        Some(text) => Ok(read(text)?),
        None => session_cookie::read(headers),
    }
}

fn read(text: &str) -> Result<PresentedCredential, UnreadableCredential> {
    let (name, text) = text.split_once(' ').ok_or(UnreadableCredential::NoScheme)?;
    let scheme = SCHEMES.iter().find(|(scheme, _)| name.eq_ignore_ascii_case(scheme));
    let (_, read) = scheme.ok_or(UnreadableCredential::UnknownScheme)?;
    read(text.trim_matches(' '))
}

/// Where a request comes from, for hashing and for evidence.
pub(super) fn client_info(request: &HttpRequest) -> ClientInfo {
    let extensions = request.extensions();
    let request_id = extensions.get::<RequestId>().map_or("unknown", RequestId::as_str);
    let address = extensions.get::<Connection>().and_then(|connection| connection.address);
    ClientInfo { address, request_id: request_id.to_owned() }
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
