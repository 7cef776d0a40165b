//! `/admin/export`: exports all users as JSON lines without secrets, as the command `export` prints
//! them. The response is sent page by page, so that its memory is limited.

use std::{future::Future, sync::Arc};

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::{StatusCode, header::CONTENT_DISPOSITION},
    web::Bytes,
};
use futures_util::stream;
use secrecy::SecretString;
use serde::Deserialize;
use tokio::sync::oneshot;

use super::{form_page::FormPage, proof, rights::require_administrator};
use crate::{
    domain::user::UserId,
    http::{
        error::{ApiError, ErrorKind},
        pages::{forms::Form, frame::PageFrame, html, page_form::PageForm},
        request_context::RequestContext,
        transport::{InProgress, produce_body},
    },
    service::{
        import::{
            export::{Export, ExportEnd},
            export_lines::user_line,
        },
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
    mut frame: PageFrame,
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
    let proven = proof::prove(context, &mut frame, &typed.own_password, &typed.reason).await;
    let context = match proven {
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
    let mut sent = Sent {
        context,
        first: None,
        after: None,
        users: 0,
        is_ended: false,
        _in_progress: produce_body(&request),
    };
    // The first page is read before the head of the response is sent, so that it has its errors.
    sent.first = Some(sent.read().await?);
    Ok(HttpResponse::Ok()
        .content_type("application/jsonl")
        .insert_header((CONTENT_DISPOSITION, "attachment; filename=\"users.jsonl\""))
        .streaming(stream::try_unfold(sent, next_part)))
}

/// An export that is sent.
struct Sent {
    context: RequestContext,
    /// The first page, until it is sent.
    first: Option<Vec<UserWithCredentials>>,
    /// The last user who was sent.
    after: Option<UserId>,
    /// Number of users who were sent.
    users: u64,
    /// True after the audit event of the end.
    is_ended: bool,
    /// The connection is not idle until everything was sent.
    _in_progress: Option<InProgress>,
}

impl Sent {
    /// Reads the next page, with a time limit of its own, if the caller still may.
    async fn read(&mut self) -> Result<Vec<UserWithCredentials>, ApiError> {
        let after = self.after;
        let listed = self.context.clone().read(move |export: Arc<Export>, caller| async move {
            export.list_for(caller.change_context(), after).await
        });
        let read = listed.await;
        if let Err(error) = &read {
            let status = error.kind.row().status;
            let is_right_lost = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status);
            let end = if is_right_lost { ExportEnd::RightLost } else { ExportEnd::Failed };
            // Its failure is logged, and the answer is the error of the read.
            drop(self.record_end(end).await);
        }
        read
    }

    /// Records how the export ended, also when the client leaves in the meantime.
    fn record_end(
        &mut self,
        end: ExportEnd,
    ) -> impl Future<Output = Result<(), ErrorKind>> + use<> {
        self.is_ended = true;
        let users = self.users;
        let (sender, recorded) = oneshot::channel();
        self.context.clone().start(move |export: Arc<Export>, caller| async move {
            match export.record_end(caller.change_context(), end, users).await {
                // Nobody waits after the client has left.
                Ok(()) => drop(sender.send(())),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(error, users, "failed to record the end of an export");
                }
            }
        });
        async { recorded.await.map_err(|_| ErrorKind::OutcomeUnknown) }
    }
}

impl Drop for Sent {
    /// Records that the client ended the export.
    fn drop(&mut self) {
        if !self.is_ended {
            drop(self.record_end(ExportEnd::Canceled));
        }
    }
}

/// The next page. The right of the caller is checked again before it is sent.
async fn next_part(mut sent: Sent) -> Result<Option<(Bytes, Sent)>, ApiError> {
    let users = match sent.first.take() {
        Some(first) => first,
        // The head was sent, so the client sees only that the response is cut off.
        None => sent.read().await.inspect_err(ApiError::log)?,
    };
    let Some(last) = users.last() else {
        sent.record_end(ExportEnd::Completed).await?;
        return Ok(None);
    };
    sent.after = Some(last.user.user_id);
    sent.users += u64::try_from(users.len()).unwrap_or_default();
    let mut text = String::new();
    for user in &users {
        text.push_str(&user_line(user, |_| None).to_string());
        text.push('\n');
    }
    Ok(Some((text.into(), sent)))
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
