//! `/admin/users/{id}/retire` and `/admin/users/{id}/reactivate`: disables a user, and enables the
//! user again.

use std::sync::Arc;

use actix_web::{HttpResponse, HttpResponseBuilder, web::Path};
use secrecy::SecretString;
use serde::Deserialize;

use super::{
    form_page::FormPage,
    proof,
    rights::require_administrator,
    subject::{self, NoFields},
};
use crate::{
    domain::{
        save_user::SaveUser,
        user::{User, UserId},
    },
    http::{
        error::ApiError,
        pages::{forms::Form, frame::PageFrame, html, notices::Notice, page_form::PageForm},
        query,
        request_context::RequestContext,
    },
    service::users::saving::Users,
};

/// The form that disables a user.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::http) struct RetireForm {
    /// The caller's own password.
    own_password: SecretString,
    reason: String,
}

/// `GET /admin/users/{id}/retire`.
pub(in crate::http) async fn show(
    context: RequestContext,
    frame: PageFrame,
    user: Path<String>,
) -> Result<HttpResponse, ApiError> {
    require_administrator(&context)?;
    let found = subject::read(context, query::user_id_of_path(&user)?).await?;
    let form = form(&frame, &found.user, "");
    page(frame, &found.user, form, HttpResponse::Ok())
}

/// `POST /admin/users/{id}/retire`.
pub(in crate::http) async fn retire(
    context: RequestContext,
    frame: PageFrame,
    user: Path<String>,
    body: PageForm<RetireForm>,
) -> Result<HttpResponse, ApiError> {
    require_administrator(&context)?;
    let user_id = query::user_id_of_path(&user)?;
    let PageForm::Submitted(RetireForm { own_password, reason }) = body else {
        return Ok(subject::show(&frame, user_id));
    };
    let found = subject::read(context.clone(), user_id).await?;
    let context = match proof::prove(context, &own_password, &reason).await {
        Ok(context) => context,
        Err(unproven) => {
            let (response, form) = unproven.show(form(&frame, &found.user, &reason), &frame)?;
            return page(frame, &found.user, form, response);
        }
    };
    match set_retired(context, user_id, true).await {
        Ok(()) => Ok(frame.redirect(&subject::path(user_id), Notice::UserRetired)),
        Err(error) => {
            let (response, kind) = html::refused(error)?;
            let form = proof::with_error(form(&frame, &found.user, &reason), &frame, &kind);
            page(frame, &found.user, form, response)
        }
    }
}

fn form(frame: &PageFrame, user: &User, reason: &str) -> Form {
    let form = Form::new(frame, &format!("{}/retire", subject::path(user.user_id)));
    let text = frame.text("page-user-retire");
    proof::with_proof(form, frame, reason).with_action(text, "danger", ("Confirm", "true"))
}

fn page(
    frame: PageFrame,
    user: &User,
    form: Form,
    response: HttpResponseBuilder,
) -> Result<HttpResponse, ApiError> {
    let (title, text) = (frame.text("page-user-retire-title"), frame.text("page-user-retire-text"));
    FormPage::new(frame, title, Some(user), form).with_text(text).answer(response)
}

/// `POST /admin/users/{id}/reactivate`.
pub(in crate::http) async fn reactivate(
    context: RequestContext,
    frame: PageFrame,
    user: Path<String>,
    body: PageForm<NoFields>,
) -> Result<HttpResponse, ApiError> {
    let user_id = query::user_id_of_path(&user)?;
    let PageForm::Submitted(NoFields {}) = body else { return Ok(subject::show(&frame, user_id)) };
    set_retired(context, user_id, false).await?;
    Ok(frame.redirect(&subject::path(user_id), Notice::UserReactivated))
}

async fn set_retired(
    context: RequestContext,
    user_id: UserId,
    is_retired: bool,
) -> Result<(), ApiError> {
    let command = SaveUser { is_retired: Some(is_retired), ..SaveUser::of(user_id) };
    let saved = context.run(|users: Arc<Users>, caller| async move {
        users.save(caller.change_context(), command).await
    });
    saved.await.map(drop)
}
