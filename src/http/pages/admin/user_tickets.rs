//! `/admin/users/{id}/tickets/…`: ends one ticket or session of a user, or all.

use std::sync::Arc;

use actix_web::{HttpResponse, web::Path};
use serde::Deserialize;

use super::subject;
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

/// The page of which all tickets and sessions end.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::http) struct EndAllForm {
    /// The epoch of the user when the page was shown.
    epoch: String,
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
    body: PageForm<EndAllForm>,
) -> Result<HttpResponse, ApiError> {
    let user_id = query::user_id_of_path(&user)?;
    let PageForm::Submitted(form) = body else { return Ok(subject::show(&frame, user_id)) };
    let shown_epoch = form.epoch.parse().ok();
    let ended = context.run(move |tickets: Arc<Tickets>, caller| async move {
        tickets.end_all_shown(caller.change_context(), user_id, shown_epoch).await
    });
    let notice = if ended.await?.is_some() { Notice::TicketsEnded } else { Notice::NothingChanged };
    Ok(frame.redirect(&subject::path(user_id), notice))
}
