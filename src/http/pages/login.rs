//! `/login`: a page to sign in with, and the same for programs (protocol.md 10.27).

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::header::{ORIGIN, WWW_AUTHENTICATE},
    web::Data,
};
use askama::Template;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::html;
use crate::{
    clock,
    domain::{InvalidField, Reason},
    http::{
        authentication::{
            origin,
            session_cookie::{
                SESSION_COOKIE, XSRF_COOKIE, own_cookie, session_cookie, single_cookie,
            },
        },
        connection::Connection,
        error::{ApiError, ErrorKind, MissingRight},
        localisation::Language,
        negotiation::{self, Body, XmlNames, media_type},
        openapi::Operation,
        state::HttpState,
    },
    service::sessions::{LoginPage, NewSession, SignIn},
};

/// Names the login page that a form came from, until it comes back.
const LOGIN_COOKIE: &str = "KEEPER-LOGIN";

/// A name and a password.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct SignInRequest {
    #[schema(max_length = 239)]
    user_name: Option<String>,
    #[schema(value_type = Option<String>, max_length = 1024)]
    password: Option<SecretString>,
    /// Forms only: the page's own hidden value.
    #[schema(value_type = Option<String>)]
    login_token: Option<SecretString>,
}

/// Who is signed in now.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct SignInResponse {
    associate_id: i32,
    user_name: String,
    /// The value for `X-XSRF-TOKEN`, as in the cookie XSRF-TOKEN.
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
    user_name: &'page str,
    /// The name of what went wrong, if anything did.
    problem: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "signed_in.html")]
struct SignedInTemplate<'page> {
    base_path: &'page str,
    language: &'page Language,
    user_name: &'page str,
    xsrf_token: &'page str,
}

/// The place of [`show`] in the documents.
pub(in crate::http) fn show_operation() -> Operation {
    Operation::new("The page to sign in with, or that says who is signed in.")
        .answers_text("text/html")
}

/// `GET /login`.
pub(in crate::http) async fn show(
    request: HttpRequest,
    state: Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    let language = Language::of(request.headers());
    if let Some(cookie) = session_cookie(request.headers()) {
        let shown = state
            .service
            .run(|service| async move { service.show_session(&cookie, clock::now()).await });
        if let Some((user, xsrf)) = shown.await?? {
            let template = SignedInTemplate {
                base_path: &state.base_path,
                language: &language,
                user_name: &user.login_name,
                xsrf_token: xsrf.expose_secret(),
            };
            let mut response = HttpResponse::Ok();
            response.cookie(cookie_of(&request, &state, XSRF_COOKIE, xsrf.expose_secret()));
            return html::page(response, &template);
        }
    }
    login_page(HttpResponse::Ok(), &request, &state, ("", None))
}

/// The place of [`sign_in`] in the documents.
pub(in crate::http) fn sign_in_operation() -> Operation {
    Operation::new("Starts a session: sets the cookies ASP.NET_SessionId and XSRF-TOKEN.")
        .takes::<SignInRequest>()
        .answers::<SignInResponse>()
        .may_be_a_page()
        .redirects_forms()
        .refuses(ErrorKind::Unauthenticated)
        .refuses(ErrorKind::Forbidden(MissingRight::ForeignPage))
        .refuses(ErrorKind::Overloaded { retry_after: std::time::Duration::ZERO })
        .refuses(ErrorKind::KeyUnavailable)
}

/// `POST /login`: a form of the page is answered with a page, anything else in its format.
pub(in crate::http) async fn sign_in(
    request: HttpRequest,
    state: Data<HttpState>,
    Body(body): Body<SignInRequest>,
) -> Result<HttpResponse, ApiError> {
    if !is_from_own_page(&request) {
        return Err(ErrorKind::Forbidden(MissingRight::ForeignPage).into());
    }
    let is_form = media_type::is_form(request.headers());
    let name = body.user_name.clone().unwrap_or_default();
    if is_form && !has_login_token(&request, &state, body.login_token.clone()) {
        let problem = (name.as_str(), Some("page-expired"));
        return login_page(HttpResponse::Forbidden(), &request, &state, problem);
    }
    match (start(&request, &state, body).await, is_form) {
        (Ok(session), true) => {
            let mut response = html::redirect(&state, "/login");
            for cookie in session_cookies(&request, &state, &session) {
                response.add_cookie(&cookie).map_err(|_| ErrorKind::Internal)?;
            }
            Ok(response)
        }
        (Ok(session), false) => {
            let mut response = HttpResponse::Ok();
            for cookie in session_cookies(&request, &state, &session) {
                response.cookie(cookie);
            }
            let answer = SignInResponse {
                associate_id: session.user.user_id.as_i32(),
                user_name: session.user.login_name.clone(),
                xsrf_token: session.xsrf.expose_secret().to_owned(),
            };
            Ok(negotiation::write(response, request.headers(), &answer))
        }
        (Err(error), true) if error.kind == ErrorKind::Unauthenticated => {
            let mut response = HttpResponse::Unauthorized();
            // Not Basic, for which the browser would cover this page with a prompt of its own.
            for challenge in state.challenges.iter().filter(|text| !text.starts_with("Basic")) {
                response.append_header((WWW_AUTHENTICATE, *challenge));
            }
            login_page(response, &request, &state, (&name, Some("page-refused")))
        }
        (Err(error), _) => Err(error),
    }
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
        former: session_cookie(request.headers()),
        origin: origin(request),
    };
    let started = state
        .service
        .run(|service| async move { service.sign_in(sign_in, clock::now()).await })
        .await??;
    Ok(started)
}

fn login_page(
    mut response: HttpResponseBuilder,
    request: &HttpRequest,
    state: &HttpState,
    (user_name, problem): (&str, Option<&'static str>),
) -> Result<HttpResponse, ApiError> {
    let page = state.service.service().new_login_page()?;
    response.cookie(cookie_of(request, state, LOGIN_COOKIE, page.cookie.expose_secret()));
    let template = LoginTemplate {
        base_path: &state.base_path,
        language: &Language::of(request.headers()),
        login_token: page.token.expose_secret(),
        user_name,
        problem,
    };
    html::page(response, &template)
}

/// True when the form came from the page that this browser was shown.
fn has_login_token(request: &HttpRequest, state: &HttpState, token: Option<SecretString>) -> bool {
    let cookie = single_cookie(request.headers(), LOGIN_COOKIE);
    let page = cookie.zip(token).map(|(cookie, token)| LoginPage { cookie, token });
    page.is_some_and(|page| state.service.service().is_of_login_page(&page))
}

/// True unless a browser says that a page of another site sends this.
fn is_from_own_page(request: &HttpRequest) -> bool {
    let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap_or(""));
    match (header("sec-fetch-site"), header(ORIGIN.as_str())) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            Connection::of(request).origin().is_some_and(|own| own.eq_ignore_ascii_case(origin))
        }
        (None, None) => true,
    }
}

fn session_cookies<'session>(
    request: &HttpRequest,
    state: &'session HttpState,
    session: &'session NewSession,
) -> [actix_web::cookie::Cookie<'session>; 3] {
    let cookie = |name, value| cookie_of(request, state, name, value);
    [
        cookie(SESSION_COOKIE, session.cookie.expose_secret()),
        cookie(XSRF_COOKIE, session.xsrf.expose_secret()),
        cookie(LOGIN_COOKIE, ""),
    ]
}

fn cookie_of<'value>(
    request: &HttpRequest,
    state: &'value HttpState,
    name: &'value str,
    value: &'value str,
) -> actix_web::cookie::Cookie<'value> {
    own_cookie(name, value, &state.base_path, Connection::of(request).is_https)
}
