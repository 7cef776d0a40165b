//! `/account/forgotten`: asks for a mail with a link to set a new password, by user name
//! (docs/reference/wire-contract.md#d34-password-reset-mail).
//!
//! Nobody signs in here, so the answer is the same for every name.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder, http::StatusCode, http::header::RETRY_AFTER,
    web::Data,
};
use askama::Template;
use serde::Deserialize;

use super::{
    field::Field, forms::Form, frame::PageFrame, html, notices::Notice, own_page::require_own_page,
};
use crate::{
    domain::user::{LoginName, MAXIMUM_LOGIN_NAME},
    http::{
        authentication::client_info,
        error::{ApiError, ErrorKind},
        negotiation::Body,
        state::HttpState,
    },
    service::{
        mail::requests::{ForgottenError, PasswordMails},
        sessions::sign_in::Sessions,
    },
};

/// The path of the page, below the base path.
pub(super) const FORGOTTEN_PAGE: &str = "/account/forgotten";

/// The time after which clients of a network may ask again, in seconds.
const WINDOW_SECONDS: u32 = 60 * 60;

/// The user who forgot their password.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct ForgottenForm {
    user_name: Option<String>,
}

#[derive(Template)]
#[template(path = "forgotten.html")]
struct ForgottenTemplate {
    frame: PageFrame,
    form: Form,
    /// False if nobody can sign in on a page.
    has_login_page: bool,
}

/// `GET /account/forgotten`.
pub(in crate::http) async fn show(
    request: HttpRequest,
    state: Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    require_mails(&state)?;
    let frame = PageFrame::without_session(&request, &state);
    let form = form(&frame, "");
    page(HttpResponse::Ok(), &state, frame, form)
}

/// `POST /account/forgotten`: queues a mail, and says the same for every name.
pub(in crate::http) async fn ask(
    request: HttpRequest,
    state: Data<HttpState>,
    Body(body): Body<ForgottenForm>,
) -> Result<HttpResponse, ApiError> {
    require_mails(&state)?;
    require_own_page(&request)?;
    let frame = PageFrame::without_session(&request, &state);
    let typed = body.user_name.unwrap_or_default();
    let name = match LoginName::parse(typed.trim()) {
        Ok(name) => name,
        Err(invalid) => {
            let (response, kind) = html::refused(invalid.into())?;
            let form = form(&frame, &typed).with_error(&frame, &kind);
            return page(response, &state, frame, form);
        }
    };
    let (client_info, language) = (client_info(&request), frame.tag());
    let client = client_info.fairness_key();
    let asked = state.service.run(client, |mails: Arc<PasswordMails>| async move {
        mails.request_by_name(&client_info, &name, language).await
    });
    match asked.await? {
        Ok(()) => Ok(frame.redirect(FORGOTTEN_PAGE, Notice::MailRequested)),
        Err(ForgottenError::TooManyRequests) => {
            ApiError::from(ErrorKind::TooManyAttempts { retry_after: None }).log();
            let mut response = HttpResponse::build(StatusCode::TOO_MANY_REQUESTS);
            response.insert_header((RETRY_AFTER, WINDOW_SECONDS.to_string()));
            let problem = frame.text("page-forgotten-too-many");
            let form = form(&frame, &typed).with_problem(problem);
            page(response, &state, frame, form)
        }
        Err(ForgottenError::Change(error)) => {
            let (response, kind) = html::refused(error.into())?;
            let form = form(&frame, &typed).with_error(&frame, &kind);
            page(response, &state, frame, form)
        }
    }
}

/// Answers 404 when this installation sends no mails.
fn require_mails(state: &HttpState) -> Result<(), ErrorKind> {
    if sends_mails(state) { Ok(()) } else { Err(ErrorKind::UnknownRoute) }
}

/// True if users of this installation can ask for a mail.
pub(super) fn sends_mails(state: &HttpState) -> bool {
    state.service.get::<PasswordMails>().are_enabled()
}

fn form(frame: &PageFrame, typed: &str) -> Form {
    let name = Field::text("UserName", frame.text("page-user-name"), MAXIMUM_LOGIN_NAME)
        .with_value(typed)
        .with_purpose("username")
        .required()
        .focused();
    Form::without_session(frame, FORGOTTEN_PAGE)
        .with_field(name)
        .with_submit(frame.text("page-forgotten-send"))
}

fn page(
    response: HttpResponseBuilder,
    state: &HttpState,
    frame: PageFrame,
    form: Form,
) -> Result<HttpResponse, ApiError> {
    let has_login_page = state.service.get::<Sessions>().are_enabled();
    html::page(response, &ForgottenTemplate { frame, form, has_login_page })
}
