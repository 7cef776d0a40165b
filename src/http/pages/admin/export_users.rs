//! `/admin/export`: exports all users as JSON lines without secrets, as the command `export` prints
//! them. The response is sent page by page, so that its memory is limited.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder, http::header::CONTENT_DISPOSITION, web::Bytes,
};
use futures_util::stream;
use secrecy::SecretString;
use serde::Deserialize;

use super::{form_page::FormPage, proof, rights::require_administrator};
use crate::{
    domain::user::UserId,
    http::{
        error::ApiError,
        pages::{forms::Form, frame::PageFrame, html, page_form::PageForm},
        request_context::RequestContext,
        transport::{InProgress, produce_body},
    },
    service::{
        import::{export::Export, export_lines::user_line},
        users::directory::UserWithCredentials,
    },
};

/// The path of the page, below the base path.
const PATH: &str = "/admin/export";

/// The form of an export.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::http) struct ExportForm {
    /// The caller's own password.
    own_password: SecretString,
    reason: String,
}

/// `GET /admin/export`.
pub(in crate::http) async fn show(
    context: RequestContext,
    frame: PageFrame,
) -> Result<HttpResponse, ApiError> {
    require_administrator(&context)?;
    let form = form(&frame, "");
    page(frame, form, HttpResponse::Ok())
}

/// `POST /admin/export`: sends the file.
pub(in crate::http) async fn download(
    context: RequestContext,
    frame: PageFrame,
    request: HttpRequest,
    body: PageForm<ExportForm>,
) -> Result<HttpResponse, ApiError> {
    require_administrator(&context)?;
    let typed = match body {
        PageForm::Submitted(typed) => typed,
        PageForm::Resumed(typed) => {
            let form = form(&frame, &typed.reason);
            return page(frame, form, HttpResponse::Ok());
        }
    };
    let context = match proof::prove(context, &typed.own_password, &typed.reason).await {
        Ok(context) => context,
        Err(unproven) => {
            let (response, form) = unproven.show(form(&frame, &typed.reason), &frame)?;
            return page(frame, form, response);
        }
    };
    let begun = context.clone().run(|export: Arc<Export>, caller| async move {
        export.record_start(caller.change_context()).await
    });
    if let Err(error) = begun.await {
        let (response, kind) = html::refused(error)?;
        let form = proof::with_error(form(&frame, &typed.reason), &frame, &kind);
        return page(frame, form, response);
    }
    // The first page is read before the head of the response is sent, so that it has its errors.
    let users = read(&context, None).await?;
    let sent = Sent { context, users, _in_progress: produce_body(&request) };
    Ok(HttpResponse::Ok()
        .content_type("application/jsonl")
        .insert_header((CONTENT_DISPOSITION, "attachment; filename=\"users.jsonl\""))
        .streaming(stream::try_unfold(sent, next_part)))
}

/// An export that is sent.
struct Sent {
    context: RequestContext,
    /// The users that are sent next; empty at the end.
    users: Vec<UserWithCredentials>,
    /// The connection is not idle until everything was sent.
    _in_progress: Option<InProgress>,
}

async fn next_part(mut sent: Sent) -> Result<Option<(Bytes, Sent)>, ApiError> {
    let Some(last) = sent.users.last() else { return Ok(None) };
    let after = last.user.user_id;
    let mut text = String::new();
    for user in &sent.users {
        text.push_str(&user_line(user, |_| None).to_string());
        text.push('\n');
    }
    // The head was sent, so the client sees only that the response is cut off.
    sent.users = read(&sent.context, Some(after)).await.inspect_err(ApiError::log)?;
    Ok(Some((text.into(), sent)))
}

/// Reads a page of users, each with a time limit of its own.
async fn read(
    context: &RequestContext,
    after: Option<UserId>,
) -> Result<Vec<UserWithCredentials>, ApiError> {
    let listed = context
        .clone()
        .read(move |export: Arc<Export>, _| async move { export.list_after(after).await });
    listed.await
}

fn form(frame: &PageFrame, reason: &str) -> Form {
    proof::with_proof(Form::new(frame, PATH).for_download(), frame, reason)
        .with_submit(frame.text("page-export-start"))
}

fn page(
    frame: PageFrame,
    form: Form,
    response: HttpResponseBuilder,
) -> Result<HttpResponse, ApiError> {
    let (title, text) = (frame.text("page-export"), frame.text("page-export-text"));
    FormPage::new(frame, title, None, form).with_text(text).answer(response)
}
