//! `/login`: starts a session, from a page or from a program
//! (docs/reference/wire-contract.md#d27-sessions).

use std::sync::Arc;

use actix_web::{
    HttpMessage, HttpRequest, HttpResponse, HttpResponseBuilder,
    http::{StatusCode, header::AUTHORIZATION},
    web::Data,
};
use askama::Template;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::form_urlencoded;
use utoipa::ToSchema;
use wire_formats::XmlNames;

use super::{
    field::Field, forgotten::sends_mails, forms::Form, frame::PageFrame, html,
    own_page::require_own_page, page_path::PagePath, resume, return_to::ReturnTo,
    returning::returning, typed_user_name::TypedUserName,
};
use crate::{
    clock,
    domain::{
        InvalidField, Reason,
        principal::{AuthenticationScheme, Principal},
        user::MAXIMUM_LOGIN_NAME,
    },
    http::{
        authentication::{
            client_info, not_signed_in,
            session_cookie::{SESSION_COOKIE, XSRF_COOKIE, is_secure, own_cookie, single_cookie},
        },
        error::{ApiError, ErrorKind, MissingRight},
        localization::Language,
        negotiation::{self, Body},
        operation::Operation,
        secret_headers::secret_headers,
        state::HttpState,
    },
    service::sessions::sign_in::{LoginPage, NewSession, Sessions, SignIn},
};

/// The parameter with the page to show after the sign-in.
const NEXT_PARAMETER: &str = "next";

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
    /// The page to show after the sign-in, below the base path. For forms.
    next: Option<String>,
    /// The path of a form that the end of a session interrupted. For forms.
    kept_action: Option<String>,
    /// The fields of that form. For forms.
    kept_fields: Option<String>,
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
struct LoginTemplate {
    frame: PageFrame,
    form: Form,
    /// True if users who forgot their password can ask for a mail.
    sends_mails: bool,
}

#[derive(Template)]
#[template(path = "signed_in.html")]
struct SignedInTemplate {
    frame: PageFrame,
    user_name: String,
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
    let next = next_of_query(&request);
    if let Ok(Some(cookie)) = single_cookie(&secret_headers(&request), SESSION_COOKIE) {
        let client = client_info(&request).fairness_key();
        let shown = state.service.run(client, |sessions: Arc<Sessions>| async move {
            sessions.show(&cookie, clock::now()).await
        });
        if let Some((principal, xsrf)) = shown.await?? {
            // A page with an `Authorization` header leads here again, although there is a session.
            let headers = secret_headers(&request);
            let is_alone = headers.lines(AUTHORIZATION.as_str()).next().is_none();
            if let Some(page) = next.filter(|_| is_alone) {
                return Ok(html::redirect(&state, page.as_str()));
            }
            return signed_in_page(&request, &state, &principal, xsrf);
        }
    }
    let return_to = ReturnTo { page: next, form: None };
    login_page(HttpResponse::Ok(), &request, &state, &return_to, None)
}

/// The page in the query to return to; `None` if it is missing, repeated or no page.
fn next_of_query(request: &HttpRequest) -> Option<PagePath> {
    let mut pairs = form_urlencoded::parse(request.query_string().as_bytes())
        .filter(|(name, _)| name == NEXT_PARAMETER);
    let (_, value) = pairs.next()?;
    pairs.next().is_none().then(|| PagePath::parse(&value))?
}

fn signed_in_page(
    request: &HttpRequest,
    state: &HttpState,
    principal: &Principal,
    xsrf: SecretString,
) -> Result<HttpResponse, ApiError> {
    let mut response = HttpResponse::Ok();
    response.cookie(own_cookie(XSRF_COOKIE, xsrf.expose_secret(), request, state));
    let user_name = principal.user.login_name.clone();
    let frame = PageFrame::of_session(request, state, principal, xsrf);
    html::page(response, &SignedInTemplate { frame, user_name })
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
        .refuses(ErrorKind::DirectoryUnavailable)
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
    // First: the page of the error keeps nothing that another site sent.
    require_own_page(&request)?;
    let is_form = is_form(&request);
    let return_to = ReturnTo::receive(
        &request,
        body.next.as_deref(),
        body.kept_action.as_deref(),
        body.kept_fields.as_deref(),
    );
    let typed = body.user_name.clone().unwrap_or_default();
    request.extensions_mut().insert(TypedUserName(typed));
    check_page(&request, &state, is_form, body.login_token.as_ref())?;
    let session = start(&request, &state, body).await?;
    if is_form {
        return signed_in(&request, &state, &return_to, &session);
    }
    let answer = SignInResponse {
        associate_id: session.user.user_id.as_i32(),
        user_name: session.user.login_name.clone(),
        xsrf_token: session.xsrf.expose_secret().to_owned(),
    };
    let response = negotiation::write(HttpResponse::Ok(), request.headers(), &answer);
    with_session(response, &request, &state, &session)
}

/// Answers a form that started a session.
pub(super) fn signed_in(
    request: &HttpRequest,
    state: &HttpState,
    return_to: &ReturnTo,
    session: &NewSession,
) -> Result<HttpResponse, ApiError> {
    let response = response_of_form(request, state, return_to, session)?;
    with_session(response, request, state, session)
}

/// Sets the cookies of a new session, and removes that of the login page.
fn with_session(
    mut response: HttpResponse,
    request: &HttpRequest,
    state: &HttpState,
    session: &NewSession,
) -> Result<HttpResponse, ApiError> {
    let span = tracing::Span::current();
    span.record("auth.scheme", AuthenticationScheme::Session.as_str())
        .record("principal.id", session.user.user_id.as_i32());
    for (name, value) in [
        (SESSION_COOKIE, session.cookie.expose_secret()),
        (XSRF_COOKIE, session.xsrf.expose_secret()),
        (login_cookie(request, state), ""),
    ] {
        let cookie = own_cookie(name, value, request, state);
        response.add_cookie(&cookie).map_err(|_| ErrorKind::Internal)?;
    }
    Ok(response)
}

/// Leads to the page that needed a session, or back to the form that it interrupted.
fn response_of_form(
    request: &HttpRequest,
    state: &HttpState,
    return_to: &ReturnTo,
    session: &NewSession,
) -> Result<HttpResponse, ApiError> {
    if return_to.form.is_some() {
        let key = "page-resume-signed-in";
        return resume::page(HttpResponse::Ok(), request, state, return_to, &session.xsrf, key);
    }
    let page = return_to.page.as_ref().map_or("/account", PagePath::as_str);
    Ok(html::redirect(state, page))
}

/// Answers 404 when sessions are disabled.
pub(super) fn require_sessions(state: &HttpState) -> Result<(), ErrorKind> {
    let is_on = state.service.get::<Sessions>().are_enabled();
    if is_on { Ok(()) } else { Err(ErrorKind::UnknownRoute) }
}

/// True for a form, as the login page sends it.
pub(super) fn is_form(request: &HttpRequest) -> bool {
    negotiation::is_form(request.headers())
}

/// Refuses forms without the token of a login page.
pub(super) fn check_page(
    request: &HttpRequest,
    state: &HttpState,
    is_form: bool,
    token: Option<&SecretString>,
) -> Result<(), ApiError> {
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
    let client = sign_in.client_info.fairness_key();
    let started = state.service.run(client, |sessions: Arc<Sessions>| async move {
        sessions.sign_in(sign_in, clock::now()).await
    });
    started.await?.map_err(not_signed_in)
}

/// True for the login page, and for the page that changes a password on the way in.
pub(super) fn is_login(request: &HttpRequest) -> bool {
    request.match_pattern().is_some_and(|pattern| {
        pattern.ends_with("/login") || pattern.ends_with("/login/change-password")
    })
}

/// The login page with the error of a form, also of a form whose session has ended; `None` for other
/// requests, or when the page would ask for a password that crosses the network in clear text.
pub(in crate::http) fn page_of(
    kind: &ErrorKind,
    response: HttpResponseBuilder,
    request: &HttpRequest,
    state: &HttpState,
) -> Option<HttpResponse> {
    if matches!(kind, ErrorKind::UnknownRoute | ErrorKind::ProxyRequired) {
        return None;
    }
    let language = Language::of(request.headers());
    let status = kind.row().status;
    let is_login = is_login(request);
    if is_login && is_form(request) {
        let return_to = ReturnTo::of(request).unwrap_or_default();
        let problem = match status {
            StatusCode::UNAUTHORIZED => language.page("page-refused", &[]),
            status if status.is_server_error() => language.page("page-try-later", &[]),
            _ => language.error(kind),
        };
        return login_page(response, request, state, &return_to, Some(problem)).ok();
    }
    // Only the form of a page for signed-in users has this, besides a login.
    let is_ended = status == StatusCode::UNAUTHORIZED && !is_login;
    let return_to = ReturnTo::of(request).filter(|_| is_ended)?;
    if *kind == ErrorKind::XsrfWrong {
        let cookie = single_cookie(&secret_headers(request), SESSION_COOKIE).ok().flatten()?;
        let xsrf = state.service.get::<Sessions>().new_xsrf_token(&cookie).ok().flatten()?;
        let key = "page-resume-changed";
        return resume::page(response, request, state, &return_to, &xsrf, key).ok();
    }
    let problem = language.page("page-session-ended", &[]);
    login_page(response, request, state, &return_to, Some(problem)).ok()
}

/// The login page, with what went wrong.
pub(super) fn login_page(
    mut response: HttpResponseBuilder,
    request: &HttpRequest,
    state: &HttpState,
    return_to: &ReturnTo,
    problem: Option<String>,
) -> Result<HttpResponse, ApiError> {
    let frame = PageFrame::without_session(request, state);
    let form = login_form(&frame, return_to, &TypedUserName::of(request));
    let form = with_login_token(form, &mut response, request, state)?;
    let form = match problem {
        Some(problem) => form.with_problem(problem),
        None => form,
    };
    html::page(response, &LoginTemplate { frame, form, sends_mails: sends_mails(state) })
}

/// Adds the hidden value of a form without a session, and sets its cookie. Reuses the cookie, so that a
/// login page in another tab remains valid.
pub(super) fn with_login_token(
    form: Form,
    response: &mut HttpResponseBuilder,
    request: &HttpRequest,
    state: &HttpState,
) -> Result<Form, ApiError> {
    let name = login_cookie(request, state);
    let open = single_cookie(&secret_headers(request), name).ok().flatten();
    let page = state.service.get::<Sessions>().new_login_page(open)?;
    response.cookie(own_cookie(name, page.cookie.expose_secret(), request, state));
    Ok(form.with_hidden("LoginToken", page.token.expose_secret()))
}

fn login_form(frame: &PageFrame, return_to: &ReturnTo, user_name: &str) -> Form {
    let name = Field::text("UserName", frame.text("page-user-name"), MAXIMUM_LOGIN_NAME)
        .with_value(user_name)
        .with_purpose("username")
        .required()
        .focused();
    let label = frame.text("page-password");
    let password = Field::password("Password", label, "current-password", frame).required();
    let form = Form::without_session(frame, "/login")
        .with_field(name)
        .with_field(password)
        .with_submit(frame.text("page-sign-in"));
    returning(form, return_to)
}
