//! `/account/password`: sets a new password with the link of a mail
//! (docs/reference/wire-contract.md#d34-password-reset-mail).
//!
//! The token in the URL is a secret: the log has no query, and the page sends no `Referer`. Opening
//! the link changes nothing, because mail scanners open links, too. The token in the form proves that
//! the page of this link sent it, so no other token against forged requests is needed.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::{StatusCode, header::HeaderName},
    web::Data,
};
use askama::Template;
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    field::Field,
    forms::Form,
    frame::PageFrame,
    html,
    password_rules::password_rules,
    secret_url::{PASSWORD_PAGE, is_password_page},
};
use crate::{
    clock,
    domain::{InvalidField, Reason, credential::CredentialValue},
    http::{
        authentication::client_info,
        error::{ApiError, ErrorKind, MissingRight, response::head},
        headers,
        negotiation::{self, Body},
        operation::Operation,
        state::HttpState,
    },
    service::{
        mail::{
            links::{PasswordLinks, UseLinkError},
            requests::PasswordMails,
        },
        sessions::sign_in::Sessions,
    },
};

/// The parameter of the URL with the token.
const TOKEN: &str = "token";

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// A new password, with the token of the link.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct NewPasswordRequest {
    /// The value of `token` in the link.
    #[schema(required = true, nullable = false, value_type = String, max_length = 64)]
    token: Option<SecretString>,
    #[schema(required = true, nullable = false, value_type = String, min_length = 1, max_length = 1024)]
    new_password: Option<SecretString>,
}

#[derive(Template)]
#[template(path = "new_password.html")]
struct NewPasswordTemplate {
    frame: PageFrame,
    /// The form of a link that can be used; `None` without one.
    form: Option<Form>,
    /// The error of a page without a form.
    problem: Option<String>,
}

#[derive(Template)]
#[template(path = "password_set.html")]
struct PasswordSetTemplate {
    frame: PageFrame,
    /// False if nobody can sign in on a page.
    has_login_page: bool,
}

/// Describes [`show`].
pub(in crate::http) fn show_operation() -> Operation {
    Operation::new("Shows the page that sets a new password with the link of a mail.")
        .answers_text("text/html")
        .refuses(ErrorKind::UnknownRoute)
}

/// Describes [`set`].
pub(in crate::http) fn set_operation() -> Operation {
    Operation::new(
        "Sets a new password with the link of a mail. The link works once. A form gets a page.",
    )
    .takes::<NewPasswordRequest>()
    .may_be_a_page()
    .refuses(ErrorKind::UnknownRoute)
    .refuses(ErrorKind::InvalidLink)
    .refuses(ErrorKind::PasswordRefused { field: "NewPassword".to_owned(), reasons: Vec::new() })
    .refuses(ErrorKind::Forbidden(MissingRight::ForeignPage))
    .refuses(ErrorKind::Overloaded { retry_after: std::time::Duration::ZERO })
    .refuses(ErrorKind::KeyUnavailable)
    .refuses(ErrorKind::OutcomeUnknown)
}

/// `GET /account/password`.
pub(in crate::http) async fn show(
    request: HttpRequest,
    state: Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    require_mails(&state)?;
    let token = token_of_query(&request);
    let asked = token.clone();
    let is_valid = state
        .service
        .run(client_info(&request).fairness_key(), |links: Arc<PasswordLinks>| async move {
            match asked {
                Some(token) => links.is_valid(&token, clock::now()).await,
                None => Ok(false),
            }
        })
        .await
        .map_err(ApiError::interrupted_reading)??;
    let token = token.filter(|_| is_valid);
    let problem = (!is_valid).then_some(ErrorKind::InvalidLink);
    let response = if is_valid { HttpResponse::Ok() } else { HttpResponse::NotFound() };
    page(response, &request, &state, token.as_ref(), problem.as_ref())
}

/// `POST /account/password`: answers a form with a page, and other requests with 204.
pub(in crate::http) async fn set(
    request: HttpRequest,
    state: Data<HttpState>,
    Body(body): Body<NewPasswordRequest>,
) -> Result<HttpResponse, ApiError> {
    require_mails(&state)?;
    let is_form = negotiation::is_form(request.headers());
    let token = body.token.clone();
    match use_link(&request, &state, body).await {
        Ok(()) if is_form => success_page(&request, &state),
        Ok(()) => Ok(HttpResponse::NoContent().finish()),
        Err(error) if is_form => {
            error.log();
            let response = head(&error.kind);
            // A link that was used or has expired gets no form.
            let token = token.filter(|_| error.kind != ErrorKind::InvalidLink);
            page(response, &request, &state, token.as_ref(), Some(&error.kind))
        }
        Err(error) => Err(error),
    }
}

/// Answers 404 when this installation sends no mails.
fn require_mails(state: &HttpState) -> Result<(), ErrorKind> {
    let is_on = state.service.get::<PasswordMails>().are_enabled();
    if is_on { Ok(()) } else { Err(ErrorKind::UnknownRoute) }
}

async fn use_link(
    request: &HttpRequest,
    state: &HttpState,
    body: NewPasswordRequest,
) -> Result<(), ApiError> {
    require_same_site(request)?;
    let token = body.token.ok_or_else(|| InvalidField::new("Token", Reason::Required))?;
    let password = CredentialValue::require("NewPassword", body.new_password.as_ref())?;
    let client_info = client_info(request);
    let used = state
        .service
        .run(client_info.fairness_key(), |links: Arc<PasswordLinks>| async move {
            links.set_password(&token, password, client_info, clock::now()).await
        })
        .await?;
    used.map_err(|error| match error {
        UseLinkError::Invalid => ErrorKind::InvalidLink.into(),
        UseLinkError::Save(error) => ApiError::from(error).of_password_in("NewPassword"),
    })
}

/// Refuses a request that a page of another site sends. `Origin` is not asked: the page sends no
/// `Referer`, and browsers then send `Origin: null`.
fn require_same_site(request: &HttpRequest) -> Result<(), ErrorKind> {
    match headers::single(request.headers(), &SEC_FETCH_SITE) {
        Ok(None | Some("same-origin" | "none")) => Ok(()),
        Ok(Some(_)) | Err(_) => Err(ErrorKind::Forbidden(MissingRight::ForeignPage)),
    }
}

/// The token in the URL; `None` if it is missing or repeated.
fn token_of_query(request: &HttpRequest) -> Option<SecretString> {
    let pairs = request.query_string().split('&').filter_map(|pair| pair.split_once('='));
    let mut values = pairs.filter(|(name, _)| *name == TOKEN).map(|(_, value)| value);
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    Some(SecretString::from(percent_decode_str(value).decode_utf8().ok()?.into_owned()))
}

/// The page with the error of a form whose body was not read; `None` for another request.
pub(in crate::http) fn page_of(
    kind: &ErrorKind,
    response: HttpResponseBuilder,
    request: &HttpRequest,
    state: &HttpState,
) -> Option<HttpResponse> {
    let has_no_page = matches!(kind, ErrorKind::UnknownRoute | ErrorKind::ProxyRequired);
    if !is_password_page(request) || !negotiation::is_form(request.headers()) || has_no_page {
        return None;
    }
    page(response, request, state, None, Some(kind)).ok()
}

/// The page of a link: with the form if the token can be used.
fn page(
    response: HttpResponseBuilder,
    request: &HttpRequest,
    state: &HttpState,
    token: Option<&SecretString>,
    kind: Option<&ErrorKind>,
) -> Result<HttpResponse, ApiError> {
    let frame = PageFrame::without_session(request, state);
    let Some(token) = token else {
        let problem = kind.map(|kind| problem_of(&frame, kind));
        return html::page(response, &NewPasswordTemplate { frame, form: None, problem });
    };
    let label = frame.text("page-new-password");
    let field = Field::password("NewPassword", label, "new-password", &frame).required();
    let mut form = Form::without_session(&frame, PASSWORD_PAGE)
        .with_hidden("Token", token.expose_secret())
        .with_field(field.with_hint(password_rules(&frame, state.service.get())))
        .with_submit(frame.text("page-set-password"));
    if let Some(kind) = kind {
        form = form.with_error(&frame, kind);
    }
    html::page(response, &NewPasswordTemplate { frame, form: Some(form), problem: None })
}

fn problem_of(frame: &PageFrame, kind: &ErrorKind) -> String {
    if kind.row().status >= StatusCode::INTERNAL_SERVER_ERROR {
        frame.text("page-try-later")
    } else {
        frame.language().error(kind)
    }
}

fn success_page(request: &HttpRequest, state: &HttpState) -> Result<HttpResponse, ApiError> {
    let template = PasswordSetTemplate {
        frame: PageFrame::without_session(request, state),
        has_login_page: state.service.get::<Sessions>().are_enabled(),
    };
    html::page(HttpResponse::Ok(), &template)
}
