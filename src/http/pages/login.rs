//! `/login`: starts a session, from a page or from a program
//! (docs/reference/wire-contract.md#d27-sessions).

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, http::StatusCode, web::Data};
use askama::Template;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wire_formats::XmlNames;

use super::{html, own_page::require_own_page};
use crate::{
    clock,
    domain::{InvalidField, Reason, principal::AuthenticationScheme},
    http::{
        authentication::{
            client_info, refused,
            session_cookie::{SESSION_COOKIE, XSRF_COOKIE, is_secure, own_cookie, single_cookie},
        },
        error::{ApiError, ErrorKind, MissingRight},
        localization::Language,
        negotiation::{self, Body},
        operation::Operation,
        secret_headers::secret_headers,
        state::HttpState,
    },
    service::sessions::{
        errors::SignInError,
        sign_in::{LoginPage, NewSession, Sessions, SignIn},
    },
};

/// The name of the cookie that ties a form to the login page that it was sent from. The names of the
/// other cookies are the vendor's.
fn login_cookie(request: &HttpRequest, state: &HttpState) -> &'static str {
    if is_secure(request, state) { "__Host-KEEPER-LOGIN" } else { "KEEPER-LOGIN" }
}

/// The credentials of a user.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct SignInRequest {
    #[schema(required = true, nullable = false, max_length = 239)]
    user_name: Option<String>,
    #[schema(required = true, nullable = false, value_type = String, max_length = 1024)]
    password: Option<SecretString>,
    /// The hidden value of the login page. Forms must send it.
    #[schema(value_type = Option<String>)]
    login_token: Option<SecretString>,
}

/// The user who signed in.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct SignInResponse {
    associate_id: i32,
    user_name: String,
    /// The value for `X-XSRF-TOKEN`, as in the XSRF-TOKEN cookie.
    xsrf_token: String,
}

impl XmlNames for SignInResponse {
    const NAME: &'static str = "SignInResponse";
    const NAMESPACE: &'static str = "";
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginTemplate<'page> {
    base_path: &'page str,
    language: &'page Language,
    login_token: &'page str,
    /// The error message of the last attempt.
    problem: Option<&'page str>,
}

#[derive(Template)]
#[template(path = "signed_in.html")]
struct SignedInTemplate<'page> {
    base_path: &'page str,
    language: &'page Language,
    user_name: &'page str,
    xsrf_token: &'page str,
}

/// Describes [`show`].
pub(in crate::http) fn show_operation() -> Operation {
    Operation::new("Shows the login page, or the user who is signed in.")
        .answers_text("text/html")
        .refuses(ErrorKind::UnknownRoute)
}

/// `GET /login`.
pub(in crate::http) async fn show(
    request: HttpRequest,
    state: Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    require_sessions(&state)?;
    let language = Language::of(request.headers());
    if let Ok(Some(cookie)) = single_cookie(&secret_headers(&request), SESSION_COOKIE) {
        let shown = state.service.run(|sessions: Arc<Sessions>| async move {
            sessions.show(&cookie, clock::now()).await
        });
        if let Some((user, xsrf)) = shown.await?? {
            let template = SignedInTemplate {
                base_path: &state.base_path,
                language: &language,
                user_name: &user.login_name,
                xsrf_token: xsrf.expose_secret(),
            };
            let mut response = HttpResponse::Ok();
            response.cookie(own_cookie(XSRF_COOKIE, xsrf.expose_secret(), &request, &state));
            return html::page(response, &template);
        }
    }
    login_page(HttpResponse::Ok(), &request, &state, None)
}

/// Describes [`sign_in`].
pub(in crate::http) fn sign_in_operation() -> Operation {
    Operation::new("Starts a session and sets the cookies ASP.NET_SessionId and XSRF-TOKEN.")
        .takes::<SignInRequest>()
        .answers_whole::<SignInResponse>(200)
        .may_be_a_page()
        .redirects_forms()
        .refuses(ErrorKind::UnknownRoute)
        .refuses(ErrorKind::Unauthenticated)
        .refuses(ErrorKind::Forbidden(MissingRight::ForeignPage))
        .refuses(ErrorKind::TooManyAttempts { retry_after: None })
        .refuses(ErrorKind::Overloaded { retry_after: std::time::Duration::ZERO })
        .refuses(ErrorKind::KeyUnavailable)
        .refuses(ErrorKind::OldSystemUnavailable)
        .refuses(ErrorKind::OutcomeUnknown)
}

/// `POST /login`: redirects a form to the page, and answers other requests in the negotiated format.
/// [`page_of`] renders the error of a form.
pub(in crate::http) async fn sign_in(
    request: HttpRequest,
    state: Data<HttpState>,
    Body(body): Body<SignInRequest>,
) -> Result<HttpResponse, ApiError> {
    require_sessions(&state)?;
    let is_form = is_form(&request);
    check_page(&request, &state, is_form, body.login_token.as_ref())?;
    let session = start(&request, &state, body).await?;
    let span = tracing::Span::current();
    span.record("auth.scheme", AuthenticationScheme::Session.as_str())
        .record("principal.id", session.user.user_id.as_i32());
    let mut response = if is_form {
        html::redirect(&state, "/login")
    } else {
        let answer = SignInResponse {
            associate_id: session.user.user_id.as_i32(),
            user_name: session.user.login_name.clone(),
            xsrf_token: session.xsrf.expose_secret().to_owned(),
        };
        negotiation::write(HttpResponse::Ok(), request.headers(), &answer)
    };
    for (name, value) in [
        (SESSION_COOKIE, session.cookie.expose_secret()),
        (XSRF_COOKIE, session.xsrf.expose_secret()),
        (login_cookie(&request, &state), ""),
    ] {
        let cookie = own_cookie(name, value, &request, &state);
        response.add_cookie(&cookie).map_err(|_| ErrorKind::Internal)?;
    }
    Ok(response)
}

/// Answers 404 when sessions are disabled.
fn require_sessions(state: &HttpState) -> Result<(), ErrorKind> {
    let is_on = state.service.get::<Sessions>().are_enabled();
    if is_on { Ok(()) } else { Err(ErrorKind::UnknownRoute) }
}

/// True for a form, as the login page sends it.
fn is_form(request: &HttpRequest) -> bool {
    negotiation::is_form(request.headers())
}

/// Refuses requests from pages of other sites, and forms without the token of a login page.
fn check_page(
    request: &HttpRequest,
    state: &HttpState,
    is_form: bool,
    token: Option<&SecretString>,
) -> Result<(), ApiError> {
    require_own_page(request)?;
    // Browsers send only forms to other origins without a CORS preflight.
    let name = login_cookie(request, state);
    let cookie = single_cookie(&secret_headers(request), name).ok().flatten();
    let page = cookie.zip(token.cloned()).map(|(cookie, token)| LoginPage { cookie, token });
    let is_shown = page.is_some_and(|page| state.service.get::<Sessions>().is_of_login_page(&page));
    if is_form && !is_shown {
        return Err(ErrorKind::Forbidden(MissingRight::LoginPage).into());
    }
    Ok(())
}

async fn start(
    request: &HttpRequest,
    state: &HttpState,
    body: SignInRequest,
) -> Result<NewSession, ApiError> {
    let required = |field| InvalidField::new(field, Reason::Required);
    let sign_in = SignIn {
        name: body.user_name.ok_or_else(|| required("UserName"))?,
        password: body.password.ok_or_else(|| required("Password"))?,
        former: single_cookie(&secret_headers(request), SESSION_COOKIE)?,
        client_info: client_info(request),
    };
    state
        .service
        .run(|sessions: Arc<Sessions>| async move { sessions.sign_in(sign_in, clock::now()).await })
        .await?
        .map_err(|error| match error {
            SignInError::Authentication(error) => refused(error),
            SignInError::Session(error) => error.into(),
        })
}

/// The login page with the error of a form; `None` when the request was not a form, or when the page
/// would ask for a password that crosses the network in clear text.
pub(in crate::http) fn page_of(
    kind: &ErrorKind,
    response: HttpResponseBuilder,
    request: &HttpRequest,
    state: &HttpState,
) -> Option<HttpResponse> {
    let is_login = request.match_pattern().is_some_and(|pattern| pattern.ends_with("/login"));
    let has_no_page = matches!(kind, ErrorKind::UnknownRoute | ErrorKind::ProxyRequired);
    if !(is_login && is_form(request)) || has_no_page {
        return None;
    }
    let language = Language::of(request.headers());
    let problem = match kind.row().status {
        StatusCode::UNAUTHORIZED => language.page("page-refused", &[]),
        status if status.is_server_error() => language.page("page-try-later", &[]),
        _ => language.error(kind),
    };
    login_page(response, request, state, Some(&problem)).ok()
}

fn login_page(
    mut response: HttpResponseBuilder,
    request: &HttpRequest,
    state: &HttpState,
    problem: Option<&str>,
) -> Result<HttpResponse, ApiError> {
    // Reuse the cookie, so that a login page in another tab remains valid.
    let name = login_cookie(request, state);
    let open = single_cookie(&secret_headers(request), name).ok().flatten();
    let page = state.service.get::<Sessions>().new_login_page(open)?;
    response.cookie(own_cookie(name, page.cookie.expose_secret(), request, state));
    let template = LoginTemplate {
        base_path: &state.base_path,
        language: &Language::of(request.headers()),
        login_token: page.token.expose_secret(),
        problem,
    };
    html::page(response, &template)
}
