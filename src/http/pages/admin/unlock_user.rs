//! `/admin/users/{id}/unlock`: resets the failed attempts of a user. Its form is on the page of the user.

use std::sync::Arc;

use actix_web::{HttpResponse, HttpResponseBuilder, web::Path};
use secrecy::SecretString;
use serde::Deserialize;

use super::{form_page::FormPage, proof, subject};
use crate::{
    domain::user::{User, UserId},
    http::{
        error::ApiError,
        pages::{forms::Form, frame::PageFrame, html, notices::Notice, page_form::PageForm},
        query,
        request_context::RequestContext,
    },
    service::throttling::lockouts::Lockouts,
};

/// The form that unlocks a user.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::http) struct UnlockForm {
    /// The caller's own password.
    own_password: SecretString,
    reason: String,
}

/// The form. `reason` is what was typed.
pub(super) fn form(frame: &PageFrame, user_id: UserId, reason: &str) -> Form {
    let path = format!("{}/unlock", subject::path(user_id));
    let form = proof::with_proof(Form::new(frame, &path), frame, reason);
    form.with_submit(frame.text("page-unlock"))
}

/// `POST /admin/users/{id}/unlock`.
pub(in crate::http) async fn unlock(
    context: RequestContext,
    mut frame: PageFrame,
    user: Path<String>,
    body: PageForm<UnlockForm>,
) -> Result<HttpResponse, ApiError> {
    let user_id = query::user_id_of_path(&user)?;
    let UnlockForm { own_password, reason } = match body {
        PageForm::Submitted(form) => form,
        PageForm::Resumed(form) if form.reason.is_empty() => {
            return Ok(subject::show(&frame, user_id));
        }
        PageForm::Resumed(UnlockForm { reason, .. }) => {
            let found = subject::read(context, user_id).await?;
            let form = form(&frame, user_id, &reason);
            return page(frame, &found.user, form, HttpResponse::Ok());
        }
    };
    let found = subject::read(context.clone(), user_id).await?;
    let context = match proof::prove(context, &mut frame, &own_password, &reason).await {
        Ok(context) => context,
        Err(unproven) => {
            let (response, form) = unproven.show(form(&frame, user_id, &reason), &frame)?;
            return page(frame, &found.user, form, response);
        }
    };
    let unlocked = context.run(|lockouts: Arc<Lockouts>, caller| async move {
        lockouts.unlock(caller.change_context(), user_id, None).await
    });
    match unlocked.await {
        Ok(true) => Ok(frame.redirect(&subject::path(user_id), Notice::UserUnlocked)),
        Ok(false) => Ok(frame.redirect(&subject::path(user_id), Notice::NothingChanged)),
        Err(error) => {
            let (response, kind) = html::refused(error)?;
            let form = proof::with_error(form(&frame, user_id, &reason), &frame, &kind);
            page(frame, &found.user, form, response)
        }
    }
}

fn page(
    frame: PageFrame,
    user: &User,
    form: Form,
    response: HttpResponseBuilder,
) -> Result<HttpResponse, ApiError> {
    let title = frame.text("page-unlock");
    FormPage::new(frame, title, Some(user), form).answer(response)
}
