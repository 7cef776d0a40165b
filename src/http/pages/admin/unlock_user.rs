//! `/admin/users/{id}/unlock`: resets the failed attempts of a user.

use std::sync::Arc;

use actix_web::{HttpResponse, web::Path};

use super::subject::{self, NoFields};
use crate::{
    http::{
        error::ApiError,
        pages::{frame::PageFrame, notices::Notice, page_form::PageForm},
        query,
        request_context::RequestContext,
    },
    service::throttling::lockouts::Lockouts,
};

/// `POST /admin/users/{id}/unlock`.
pub(in crate::http) async fn unlock(
    context: RequestContext,
    frame: PageFrame,
    user: Path<String>,
    body: PageForm<NoFields>,
) -> Result<HttpResponse, ApiError> {
    let user_id = query::user_id_of_path(&user)?;
    let PageForm::Submitted(NoFields {}) = body else { return Ok(subject::show(&frame, user_id)) };
    let unlocked = context.run(|lockouts: Arc<Lockouts>, caller| async move {
        lockouts.unlock(caller.change_context(), user_id, None).await
    });
    let notice = if unlocked.await? { Notice::UserUnlocked } else { Notice::NothingChanged };
    Ok(frame.redirect(&subject::path(user_id), notice))
}
