//! `/admin/users/{id}/retire` and `/admin/users/{id}/reactivate`: disables a user, and enables the
//! user again.

use std::sync::Arc;

use actix_web::{HttpResponse, web::Path};

use super::{
    form_page::FormPage,
    rights::require_administrator,
    subject::{self, NoFields},
};
use crate::{
    domain::{save_user::SaveUser, user::UserId},
    http::{
        error::ApiError,
        pages::{forms::Form, frame::PageFrame, notices::Notice, page_form::PageForm},
        query,
        request_context::RequestContext,
    },
    service::users::saving::Users,
};

/// `GET /admin/users/{id}/retire`.
pub(in crate::http) async fn show(
    context: RequestContext,
    frame: PageFrame,
    user: Path<String>,
) -> Result<HttpResponse, ApiError> {
    require_administrator(&context)?;
    let user_id = query::user_id_of_path(&user)?;
    let found = subject::read(context, user_id).await?;
    let path = format!("{}/retire", subject::path(user_id));
    let submit = ("Confirm", "true");
    let form =
        Form::new(&frame, &path).with_action(frame.text("page-user-retire"), "danger", submit);
    let (title, text) = (frame.text("page-user-retire-title"), frame.text("page-user-retire-text"));
    let page = FormPage::new(frame, title, Some(&found.user), form).with_text(text);
    page.answer(HttpResponse::Ok())
}

/// `POST /admin/users/{id}/retire`.
pub(in crate::http) async fn retire(
    context: RequestContext,
    frame: PageFrame,
    user: Path<String>,
    body: PageForm<NoFields>,
) -> Result<HttpResponse, ApiError> {
    let user_id = query::user_id_of_path(&user)?;
    let PageForm::Submitted(NoFields {}) = body else { return Ok(subject::show(&frame, user_id)) };
    set_retired(context, &frame, user_id, true).await
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
    set_retired(context, &frame, user_id, false).await
}

async fn set_retired(
    context: RequestContext,
    frame: &PageFrame,
    user_id: UserId,
    is_retired: bool,
) -> Result<HttpResponse, ApiError> {
    let command = SaveUser { is_retired: Some(is_retired), ..SaveUser::of(user_id) };
    context
        .run(|users: Arc<Users>, caller| async move {
            users.save(caller.change_context(), command).await
        })
        .await?;
    let notice = if is_retired { Notice::UserRetired } else { Notice::UserReactivated };
    Ok(frame.redirect(&subject::path(user_id), notice))
}
