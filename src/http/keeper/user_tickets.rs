//! `/keeper/users/{id}/tickets`: a user's tickets and sessions, and their end. For administrators,
//! and for everybody about themselves.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web::Path};
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use wire_formats::XmlNames;

use crate::{
    clock,
    domain::principal::Actor,
    http::{
        error::{ApiError, ErrorKind, MissingRight},
        localization::{TimeZone, format_moment},
        negotiation::Negotiated,
        operation::Operation,
        query,
        request_context::RequestContext,
    },
    service::sessions::tickets::{TicketSummary, Tickets},
};

/// A ticket or a session that still counts. Its text is not known here.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct TicketInfo {
    /// Names it in this list; nobody can log in with it.
    id: String,
    /// `ticket` or `session`.
    kind: &'static str,
    /// When the password was proven that it goes back to.
    authenticated_at: String,
    created_at: String,
    /// Each use moves it.
    expires_at: String,
}

impl XmlNames for TicketInfo {
    const NAME: &'static str = "TicketInfo";
    const NAMESPACE: &'static str = "";
}

/// The place of [`list`] in the documents.
pub(in crate::http) fn list_operation() -> Operation {
    Operation::new("Lists a user's tickets and sessions that still count, newest first.")
        .answers_list::<TicketInfo>()
        .refuses(ErrorKind::Forbidden(MissingRight::ReadUser))
        .refuses(ErrorKind::UnknownUser)
}

/// The place of [`end_all`] in the documents.
pub(in crate::http) fn end_all_operation() -> Operation {
    Operation::new("Ends all of a user's tickets, sessions and tokens but the caller's own.")
        .refuses(ErrorKind::Forbidden(MissingRight::AdministerUsers))
        .refuses(ErrorKind::UnknownUser)
        .refuses(ErrorKind::OutcomeUnknown)
}

/// The place of [`end_one`] in the documents.
pub(in crate::http) fn end_one_operation() -> Operation {
    Operation::new("Ends one of a user's tickets or sessions.")
        .refuses(ErrorKind::Forbidden(MissingRight::AdministerUsers))
        .refuses(ErrorKind::UnknownRoute)
        .refuses(ErrorKind::OutcomeUnknown)
}

/// Lists what still counts.
pub(in crate::http) async fn list(
    context: RequestContext,
    request: HttpRequest,
    user: Path<String>,
) -> Result<Negotiated<Vec<TicketInfo>>, ApiError> {
    let user_id = query::user_id_of_path(&user)?;
    let listed = context.read(|tickets: Arc<Tickets>, caller| async move {
        let actor = Actor::Principal(&caller.principal);
        tickets.list(actor, user_id, clock::now()).await
    });
    let zone = TimeZone::of(request.headers());
    let moment = |at: OffsetDateTime| format_moment(at, zone.as_ref());
    let info = |ticket: TicketSummary| TicketInfo {
        id: HEXLOWER.encode(&ticket.digest),
        kind: ticket.kind.as_str(),
        authenticated_at: moment(ticket.auth_time),
        created_at: moment(ticket.created_at),
        expires_at: moment(ticket.expires_at),
    };
    let listed = listed.await?.ok_or(ErrorKind::UnknownUser)?;
    Ok(Negotiated(listed.into_iter().map(info).collect()))
}

/// Ends everything.
pub(in crate::http) async fn end_all(
    context: RequestContext,
    user: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let user_id = query::user_id_of_path(&user)?;
    context
        .run(|tickets: Arc<Tickets>, caller| async move {
            tickets.end_all(caller.change_context(), user_id).await
        })
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Ends one.
pub(in crate::http) async fn end_one(
    context: RequestContext,
    named: Path<(String, String)>,
) -> Result<HttpResponse, ApiError> {
    let (user, ticket) = named.into_inner();
    let (user_id, digest) =
        (query::user_id_of_path(&user)?, digest(&ticket).ok_or(ErrorKind::UnknownRoute)?);
    let ended = context.run(|tickets: Arc<Tickets>, caller| async move {
        tickets.end_of_user(caller.change_context(), user_id, digest).await
    });
    if ended.await? {
        Ok(HttpResponse::NoContent().finish())
    } else {
        Err(ErrorKind::UnknownRoute.into())
    }
}

/// The bytes behind a ticket's id.
fn digest(id: &str) -> Option<Vec<u8>> {
    HEXLOWER_PERMISSIVE.decode(id.as_bytes()).ok().filter(|digest| digest.len() == 32)
}
