//! Authentication middleware of a route. It runs before the body is read.
//!
//! The `Authorization` header takes precedence
//! (docs/reference/wire-contract.md#d4-the-authorization-header-decides-alone); without it, the
//! session cookie is used. Each scheme has one file, which parses the presented credential. The
//! service verifies it.

use std::sync::Arc;

use actix_web::{
    Error, HttpMessage, HttpRequest,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::header::{AUTHORIZATION, USER_AGENT},
    middleware::Next,
    web::Data,
};
use secrecy::SecretString;
use tracing::Instrument;

use super::{basic, bearer, session_cookie, so_ticket, unreadable::UnreadableCredential};
use crate::{
    clock,
    domain::{client_info::ClientInfo, device::Device, principal::PresentedCredential},
    http::{
        connection::Connection,
        error::{ApiError, ErrorKind},
        headers,
        request_id::RequestId,
        route::Access,
        secret_headers::{self, SO_APP_TOKEN, SecretHeaders},
        state::HttpState,
    },
    service::{
        authentication::{
            Authenticated, AuthenticationAttempt, AuthenticationError, Authenticator,
            EnabledSchemes, Work,
        },
        sessions::errors::SignInError,
    },
    trace_context::trace_span,
};

/// Reads the credentials that follow the name of a scheme.
type ReadScheme = fn(&str) -> Result<PresentedCredential, UnreadableCredential>;

/// The schemes by name, in lower case.
const SCHEMES: [(&str, ReadScheme); 3] =
    [("basic", basic::read), ("soticket", so_ticket::read), ("bearer", bearer::read)];

/// Middleware of a route: answers 401 when authentication fails, 403 when the caller lacks access
/// to the route, and 503 when hashing has no capacity.
pub(in crate::http) async fn authenticate(
    access: Access,
    work: Work,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let client_info = client_info(request.request());
    let credential = credential(&secret_headers::secret_headers(request.request()));
    let authenticated = match credential {
        Ok(credential) => verify(access, work, &request, credential, client_info.clone()).await,
        Err(error) => Err(error),
    };
    match authenticated {
        // Both are held until the request is answered.
        Ok(Authenticated { principal, admission: _admission, lookup: _lookup }) => {
            request.extensions_mut().insert(principal);
            request.extensions_mut().insert(client_info);
            Ok(next.call(request).await?.map_into_boxed_body())
        }
        Err(error) => {
            // actix-web closes a connection with an unread body. After this yield it has read a
            // body that came with the head, so that the client can reuse the connection.
            tokio::task::yield_now().await;
            Ok(request.error_response(error))
        }
    }
}

/// Verifies the credential of a request, and its access to the route.
///
/// # Errors
/// When the credential authenticates nobody, the caller has no access, or the service is busy.
pub(in crate::http) async fn verify(
    access: Access,
    work: Work,
    request: &ServiceRequest,
    credential: PresentedCredential,
    client_info: ClientInfo,
) -> Result<Authenticated, ApiError> {
    let headers = secret_headers::secret_headers(request.request());
    tracing::Span::current().record("auth.scheme", credential.scheme().as_str());
    let state = request.app_data::<Data<HttpState>>().ok_or(ErrorKind::Internal)?;
    // An unreadable secret belongs to no application; without one, the application of the access
    // token counts.
    let app_token = headers.single(SO_APP_TOKEN).unwrap_or(Some("")).map(SecretString::from);
    let client = client_info.fairness_key();
    let attempt = AuthenticationAttempt { credential, app_token, client_info, work };
    let authenticated = state.service.run(client, |authenticator: Arc<Authenticator>| async move {
        authenticator
            .authenticate(attempt, clock::now())
            .instrument(trace_span!("authenticate"))
            .await
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

/// Converts the error of a failed authentication, and records its user in the request span.
pub(in crate::http) fn refused(error: AuthenticationError) -> ApiError {
    if let AuthenticationError::Refused { user_id: Some(user_id), .. }
    | AuthenticationError::ChangeRequired { user_id } = &error
    {
        tracing::Span::current().record("user.id", user_id.as_i32());
    }
    error.into()
}

/// The error of a sign-in.
pub(in crate::http) fn not_signed_in(error: SignInError) -> ApiError {
    match error {
        SignInError::Authentication(error) => refused(error),
        SignInError::Session(error) => error.into(),
        // A session is stored, so no answer may say that nothing was changed.
        SignInError::FormerSession(_) => ApiError::caused(ErrorKind::OutcomeUnknown, error),
    }
}

/// The credential that the request presents: one header of a supported scheme, or the session
/// cookie.
pub(in crate::http) fn credential(
    headers: &SecretHeaders,
) -> Result<PresentedCredential, ApiError> {
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

/// The client's address and device and the request's id, for throttling, the audit log, and the list
/// of tickets and sessions.
pub(in crate::http) fn client_info(request: &HttpRequest) -> ClientInfo {
    let extensions = request.extensions();
    let request_id = extensions.get::<RequestId>().map_or("unknown", RequestId::as_str);
    let address = extensions.get::<Connection>().and_then(|connection| connection.address);
    let device = headers::lines(request.headers(), &USER_AGENT).next();
    let device = device.and_then(|header| Device::parse(&String::from_utf8_lossy(header)));
    ClientInfo { address, request_id: request_id.to_owned(), device }
}

/// The challenges of a 401 (docs/reference/wire-contract.md#d3-challenges). Basic is offered only
/// when it is configured or the only scheme, because browsers open a prompt for it.
pub(crate) fn challenges(schemes: EnabledSchemes, basic_challenge: bool) -> Vec<&'static str> {
    let is_alone = !schemes.so_ticket && !schemes.bearer;
    let offered = [
        (schemes.so_ticket, so_ticket::CHALLENGE),
        (schemes.bearer, bearer::CHALLENGE),
        (schemes.basic && (basic_challenge || is_alone), basic::CHALLENGE),
    ];
    offered.into_iter().filter_map(|(is_offered, text)| is_offered.then_some(text)).collect()
}
