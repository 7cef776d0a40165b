//! The page between a sign-in and the form that the end of a session interrupted. Its button sends
//! the kept fields back to the form, which shows them.

use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use askama::Template;
use secrecy::{ExposeSecret, SecretString};

use super::{forms::Form, frame::PageFrame, html, page_path::PagePath, return_to::ReturnTo};
use crate::http::{error::ApiError, state::HttpState};

#[derive(Template)]
#[template(path = "resume.html")]
struct ResumeTemplate {
    frame: PageFrame,
    /// What happened, and what to do.
    explanation: String,
    /// `None` if nothing was typed.
    form: Option<Form>,
    /// The URL of the page with the form.
    page: String,
}

/// The page for a session with that XSRF token. `key` is the key of the explanation.
pub(super) fn page(
    response: HttpResponseBuilder,
    request: &HttpRequest,
    state: &HttpState,
    return_to: &ReturnTo,
    xsrf_token: &SecretString,
    key: &str,
) -> Result<HttpResponse, ApiError> {
    let frame = PageFrame::without_session(request, state);
    let form = return_to.form.as_ref().map(|kept| {
        Form::resuming(&frame, kept, xsrf_token.expose_secret())
            .with_submit(frame.text("page-continue"))
    });
    let path = return_to.page.as_ref().map_or("/account", PagePath::as_str);
    let (explanation, page) = (frame.text(key), frame.url(path));
    html::page(response, &ResumeTemplate { frame, explanation, form, page })
}
