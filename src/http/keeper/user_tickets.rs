//! `/keeper/users/{id}/tickets`: lists and ends the tickets and sessions of a user, for
//! administrators, the help desk and the user; auditors list them.

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

/// A valid ticket or session. Its text is not stored.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct TicketInfo {
    /// The id of the ticket. It cannot be used to log in.
    id: String,
    /// `ticket` or `session`.
    kind: &'static str,
    /// When the user authenticated with a password.
    authenticated_at: String,
    created_at: String,
    /// Each use extends it.
    expires_at: String,
    /// The address that it was issued to; null for one that a command issued.
    #[schema(required = true)]
    address: Option<String>,
    /// What the client said about itself when it was issued (`User-Agent`), without control
    /// characters and with at most 200 characters; null when it said nothing.
    #[schema(required = true)]
    device: Option<String>,
    /// The program and the system that `Device` names, such as `Firefox on Linux`.
    #[schema(required = true)]
    device_name: Option<String>,
    /// The last use, recorded at most every few minutes; null when none was recorded.
    #[schema(required = true)]
    last_used_at: Option<String>,
    /// The address of that use.
    #[schema(required = true)]
    last_used_address: Option<String>,
}

impl XmlNames for TicketInfo {
    const NAME: &'static str = "TicketInfo";
    const NAMESPACE: &'static str = "";
}

/// Describes [`list`].
pub(in crate::http) fn list_operation() -> Operation {
    Operation::new("Lists the valid tickets and sessions of a user, newest first.")
        .answers_list::<TicketInfo>()
        .refuses(ErrorKind::Forbidden(MissingRight::ReadUser))
        .refuses(ErrorKind::UnknownUser)
}

/// Describes [`end_all`].
pub(in crate::http) fn end_all_operation() -> Operation {
    Operation::new(
        "Ends all tickets, sessions and tokens of a user, except the one of this request.",
    )
    .refuses(ErrorKind::Forbidden(MissingRight::HelpUsers))
    .refuses(ErrorKind::UnknownUser)
    .refuses(ErrorKind::OutcomeUnknown)
}

/// Describes [`end_one`].
pub(in crate::http) fn end_one_operation() -> Operation {
    Operation::new("Ends one ticket or session of a user.")
        .refuses(ErrorKind::Forbidden(MissingRight::HelpUsers))
        .refuses(ErrorKind::UnknownRoute)
        .refuses(ErrorKind::OutcomeUnknown)
}

/// Lists the valid tickets and sessions.
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
        address: ticket.issued_to.address,
        device_name: ticket.issued_to.device.as_ref().map(|device| device.name().to_string()),
        device: ticket.issued_to.device.map(|device| device.as_str().to_owned()),
        last_used_at: ticket.last_used_at.map(moment),
        last_used_address: ticket.last_used_address,
    };
    let listed = listed.await?.ok_or(ErrorKind::UnknownUser)?;
    Ok(Negotiated(listed.into_iter().map(info).collect()))
}

/// Ends all tickets, sessions and tokens.
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

/// Ends one ticket or session.
pub(in crate::http) async fn end_one(
    context: RequestContext,
    path: Path<(String, String)>,
) -> Result<HttpResponse, ApiError> {
    let (user, ticket) = path.into_inner();
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

/// The digest of a ticket, from its id.
pub(in crate::http) fn digest(id: &str) -> Option<Vec<u8>> {
    HEXLOWER_PERMISSIVE.decode(id.as_bytes()).ok().filter(|digest| digest.len() == 32)
}
