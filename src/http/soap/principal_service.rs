//! `POST /Remote/Services88/SoPrincipal.svc`: logs in over SOAP
//! (docs/reference/wire-contract.md#d30-soap).

use std::{borrow::Cow, sync::Arc, time::Duration};

use actix_web::{HttpRequest, HttpResponse, web::Data};
use askama::Template;
use secrecy::{ExposeSecret, SecretString};
use wire_formats::xml_text;

use super::{
    envelope::Call,
    message_body::{SoapMessage, binding},
    version::{Binding, SoapVersion},
    vocabulary::SERVICE,
};
use crate::{
    clock,
    domain::{
        principal::{PresentedCredential, Principal},
        vendor_ids::VendorIds,
    },
    http::{
        authentication::{client_info, refused},
        error::{ApiError, ErrorKind},
        operation::Operation,
        secret_headers::{SO_APP_TOKEN, secret_headers},
        state::HttpState,
        vendor_names::{function_rights, role_name, role_type_name, user_type_name},
    },
    service::{
        authentication::{AuthenticationAttempt, Work, tokens::Tokens},
        sessions::{
            errors::TicketLoginError,
            ticket_logins::{TicketLogin, TicketLogins},
        },
    },
};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The response to `AuthenticateUsernamePassword` and `AuthenticateWithAccessToken`.
#[derive(Template)]
#[template(path = "soap/authenticate_response.xml")]
struct AuthenticateResponse<'login> {
    envelope: &'static str,
    service: &'static str,
    /// `None` for a refused login.
    login: Option<LoginView<'login>>,
}

/// A successful login.
struct LoginView<'login> {
    user_type: &'static str,
    associate: Cow<'login, str>,
    associate_id: i32,
    role_name: &'static str,
    role_type: &'static str,
    full_name: Cow<'login, str>,
    ids: VendorIds,
    function_rights: &'static [&'static str],
    context: Cow<'login, str>,
    ticket: &'login str,
}

/// The response to `GetSystemInfo`.
#[derive(Template)]
#[template(path = "soap/get_system_info_response.xml")]
struct GetSystemInfoResponse {
    envelope: &'static str,
    service: &'static str,
    version: &'static str,
}

/// Describes [`call`].
pub(in crate::http) fn operation() -> Operation {
    Operation::new(
        "The vendor's SOAP login: AuthenticateUsernamePassword, AuthenticateWithAccessToken and \
         GetSystemInfo. GET returns the WSDL.",
    )
    .exchanges_soap()
    .refuses(ErrorKind::TooManyAttempts { retry_after: None })
    .refuses(ErrorKind::Overloaded { retry_after: Duration::ZERO })
    .refuses(ErrorKind::KeyUnavailable)
    .refuses(ErrorKind::OutcomeUnknown)
}

/// Answers a message. A refused login is a response, every other failure a fault.
pub(in crate::http) async fn call(
    request: HttpRequest,
    state: Data<HttpState>,
    SoapMessage(message): SoapMessage,
) -> Result<HttpResponse, ApiError> {
    let version = message.version;
    let credential = match message.call {
        Call::GetSystemInfo => return system_info(&request, version),
        Call::AuthenticateUsernamePassword { user_name, password } => {
            PresentedCredential::Password { name: user_name, password }
        }
        Call::AuthenticateWithAccessToken { access_token } => {
            PresentedCredential::Token(access_token)
        }
    };
    let login = log_in(&request, &state, credential, message.application_token).await?;
    let context = state.service.get::<Tokens>().context();
    let response = AuthenticateResponse {
        envelope: version.namespace(),
        service: SERVICE,
        login: login.as_ref().map(|login| view(login, context)),
    };
    answer(&request, &response)
}

/// Logs in; `None` for a refused login, whose reason only the log receives.
async fn log_in(
    request: &HttpRequest,
    state: &HttpState,
    credential: PresentedCredential,
    application_token: Option<SecretString>,
) -> Result<Option<TicketLogin>, ApiError> {
    let span = tracing::Span::current();
    span.record("auth.scheme", credential.scheme().as_str());
    let headers = secret_headers(request);
    // As in the authentication of other requests, an unreadable secret belongs to no application.
    let of_header = || headers.single(SO_APP_TOKEN).unwrap_or(Some("")).map(SecretString::from);
    let attempt = AuthenticationAttempt {
        credential,
        app_token: application_token.or_else(of_header),
        client_info: client_info(request),
        work: Work::Light,
    };
    let client = attempt.client_info.fairness_key();
    let login = state.service.run(client, |logins: Arc<TicketLogins>| async move {
        logins.log_in(attempt, clock::now()).await
    });
    let error = match login.await? {
        Ok(login) => {
            span.record("principal.id", login.principal.user_id().as_i32());
            return Ok(Some(login));
        }
        Err(TicketLoginError::Authentication(error)) => refused(error),
        Err(TicketLoginError::Ticket(error)) => error.into(),
        Err(TicketLoginError::Token(error)) => error.into(),
    };
    if error.kind != ErrorKind::Unauthenticated {
        return Err(error);
    }
    error.log();
    Ok(None)
}

fn view<'login>(login: &'login TicketLogin, context: &'login str) -> LoginView<'login> {
    let Principal { user, .. } = &login.principal;
    let may_administer = login.principal.may_administer_users();
    LoginView {
        user_type: user_type_name(user.user_type),
        associate: xml_text(&user.login_name),
        associate_id: user.user_id.as_i32(),
        role_name: role_name(may_administer),
        role_type: role_type_name(user.user_type),
        full_name: xml_text(&user.display_name),
        ids: user.vendor_ids,
        function_rights: function_rights(user),
        context: xml_text(context),
        ticket: login.ticket.expose_secret(),
    }
}

fn system_info(request: &HttpRequest, version: SoapVersion) -> Result<HttpResponse, ApiError> {
    let (envelope, service) = (version.namespace(), SERVICE);
    answer(request, &GetSystemInfoResponse { envelope, service, version: VERSION })
}

/// Writes a message in the media type of the request.
fn answer(request: &HttpRequest, message: &impl Template) -> Result<HttpResponse, ApiError> {
    let xml = message.render().map_err(|error| ApiError::caused(ErrorKind::Internal, error))?;
    let binding = binding(request.headers()).unwrap_or(Binding::V1_1);
    Ok(HttpResponse::Ok().content_type(binding.content_type()).body(xml))
}
