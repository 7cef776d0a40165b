//! `/admin/users/{id}/retire` and `/admin/users/{id}/reactivate`: disables a user, and enables the
//! user again.

use std::sync::Arc;

use actix_web::{HttpResponse, HttpResponseBuilder, web::Path};
use secrecy::SecretString;
use serde::Deserialize;

use super::{form_page::FormPage, proof, rights::require_administrator, subject};
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

/// The form that disables or enables a user.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::http) struct RetireForm {
    /// The caller's own password.
    own_password: SecretString,
    reason: String,
}

/// What a page does to a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Retire,
    Reactivate,
}

impl Change {
    /// The path of the page below that of the user.
    fn path(self) -> &'static str {
        match self {
            Self::Retire => "retire",
            Self::Reactivate => "reactivate",
        }
    }

    /// The keys of the title, the explanation and the button.
    fn texts(self) -> [&'static str; 3] {
        match self {
            Self::Retire => ["page-user-retire-title", "page-user-retire-text", "page-user-retire"],
            Self::Reactivate => {
                ["page-user-reactivate-title", "page-user-reactivate-text", "page-user-reactivate"]
            }
        }
    }

    fn notice(self) -> Notice {
        match self {
            Self::Retire => Notice::UserRetired,
            Self::Reactivate => Notice::UserReactivated,
        }
    }
}

/// `GET /admin/users/{id}/retire`.
pub(in crate::http) async fn show(
    context: RequestContext,
    frame: PageFrame,
    user: Path<String>,
) -> Result<HttpResponse, ApiError> {
    open(Change::Retire, context, frame, &user).await
}

/// `GET /admin/users/{id}/reactivate`.
pub(in crate::http) async fn show_reactivate(
    context: RequestContext,
    frame: PageFrame,
    user: Path<String>,
) -> Result<HttpResponse, ApiError> {
    open(Change::Reactivate, context, frame, &user).await
}

/// `POST /admin/users/{id}/retire`.
pub(in crate::http) async fn retire(
    context: RequestContext,
    frame: PageFrame,
    user: Path<String>,
    body: PageForm<RetireForm>,
) -> Result<HttpResponse, ApiError> {
    make(Change::Retire, context, frame, &user, body).await
}

/// `POST /admin/users/{id}/reactivate`. Sensitive if the user has rights over others.
pub(in crate::http) async fn reactivate(
    context: RequestContext,
    frame: PageFrame,
    user: Path<String>,
    body: PageForm<RetireForm>,
) -> Result<HttpResponse, ApiError> {
    make(Change::Reactivate, context, frame, &user, body).await
}

async fn open(
    change: Change,
    context: RequestContext,
    frame: PageFrame,
    user: &str,
) -> Result<HttpResponse, ApiError> {
    require_administrator(&context)?;
    let found = subject::read(context, query::user_id_of_path(user)?).await?;
    let form = form(change, &frame, &found.user, "");
    page(change, frame, &found.user, form, HttpResponse::Ok())
}

async fn make(
    change: Change,
    context: RequestContext,
    mut frame: PageFrame,
    user: &str,
    body: PageForm<RetireForm>,
) -> Result<HttpResponse, ApiError> {
    require_administrator(&context)?;
    let user_id = query::user_id_of_path(user)?;
    let found = subject::read(context.clone(), user_id).await?;
    let RetireForm { own_password, reason } = match body {
        PageForm::Submitted(form) => form,
        PageForm::Resumed(RetireForm { reason, .. }) => {
            let form = form(change, &frame, &found.user, &reason);
            return page(change, frame, &found.user, form, HttpResponse::Ok());
        }
    };
    let context = match proof::prove(context, &mut frame, &own_password, &reason).await {
        Ok(context) => context,
        Err(unproven) => {
            let form = form(change, &frame, &found.user, &reason);
            let (response, form) = unproven.show(form, &frame)?;
            return page(change, frame, &found.user, form, response);
        }
    };
    match save(context, user_id, change).await {
        Ok(()) => Ok(frame.redirect(&subject::path(user_id), change.notice())),
        Err(error) => {
            let (response, kind) = html::refused(error)?;
            let form = form(change, &frame, &found.user, &reason);
            let form = proof::with_error(form, &frame, &kind);
            page(change, frame, &found.user, form, response)
        }
    }
}

async fn save(context: RequestContext, user_id: UserId, change: Change) -> Result<(), ApiError> {
    let is_retired = change == Change::Retire;
    let command = SaveUser { is_retired: Some(is_retired), ..SaveUser::of(user_id) };
    let saved = context.run(|users: Arc<Users>, caller| async move {
        users.save(caller.change_context(), command).await
    });
    saved.await.map(drop)
}

fn form(change: Change, frame: &PageFrame, user: &User, reason: &str) -> Form {
    let path = format!("{}/{}", subject::path(user.user_id), change.path());
    let [.., button] = change.texts();
    let form = proof::with_proof(Form::new(frame, &path), frame, reason);
    match change {
        Change::Retire => form.with_action(frame.text(button), "danger", ("Confirm", "true")),
        Change::Reactivate => form.with_submit(frame.text(button)),
    }
}

fn page(
    change: Change,
    frame: PageFrame,
    user: &User,
    form: Form,
    response: HttpResponseBuilder,
) -> Result<HttpResponse, ApiError> {
    let [title, text, _] = change.texts().map(|key| frame.text(key));
    FormPage::new(frame, title, Some(user), form).with_text(text).answer(response)
}
