//! `/admin/users/{id}/tickets/…`: ends one ticket or session of a user, or all.

use std::sync::Arc;

use actix_web::{HttpResponse, web::Path};
use serde::Deserialize;

use super::subject::{self, NoFields};
use crate::{
    http::{
        error::{ApiError, ErrorKind},
        keeper::user_tickets,
        pages::{frame::PageFrame, notices::Notice, page_form::PageForm},
        query,
        request_context::RequestContext,
    },
    service::sessions::tickets::Tickets,
};

/// The ticket or session to end.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::http) struct EndForm {
    /// The id from the page of the user. It cannot be used to log in.
    ticket: String,
}

/// `POST /admin/users/{id}/tickets/end`.
pub(in crate::http) async fn end_one(
    context: RequestContext,
    frame: PageFrame,
    user: Path<String>,
    body: PageForm<EndForm>,
) -> Result<HttpResponse, ApiError> {
    let user_id = query::user_id_of_path(&user)?;
    let PageForm::Submitted(form) = body else { return Ok(subject::show(&frame, user_id)) };
    let digest = user_tickets::digest(&form.ticket).ok_or(ErrorKind::UnknownRoute)?;
    let ended = context.run(|tickets: Arc<Tickets>, caller| async move {
        tickets.end_of_user(caller.change_context(), user_id, digest).await
    });
    let notice = if ended.await? { Notice::TicketEnded } else { Notice::NothingChanged };
    Ok(frame.redirect(&subject::path(user_id), notice))
}

/// `POST /admin/users/{id}/tickets/end-all`.
pub(in crate::http) async fn end_all(
    context: RequestContext,
    frame: PageFrame,
    user: Path<String>,
    body: PageForm<NoFields>,
) -> Result<HttpResponse, ApiError> {
    let user_id = query::user_id_of_path(&user)?;
    let PageForm::Submitted(NoFields {}) = body else { return Ok(subject::show(&frame, user_id)) };
    context
        .run(|tickets: Arc<Tickets>, caller| async move {
            tickets.end_all(caller.change_context(), user_id).await
        })
        .await?;
    Ok(frame.redirect(&subject::path(user_id), Notice::TicketsEnded))
}
