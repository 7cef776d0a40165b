//! `/keeper/tickets`: issues a ticket to a request with a password, and ends it
//! (docs/reference/wire-contract.md#d8-issuing-tickets).

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse};
use secrecy::ExposeSecret;
use serde::Serialize;
use utoipa::ToSchema;
use wire_formats::XmlNames;

use crate::{
    http::{
        error::{ApiError, ErrorKind, MissingRight},
        localization::{TimeZone, format_moment},
        negotiation,
        openapi::schemes,
        operation::Operation,
        request_context::RequestContext,
    },
    service::sessions::tickets::Tickets,
};

/// A new ticket. Its text is shown only once.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct TicketResponse<'ticket> {
    ticket: &'ticket str,
    /// RFC 3339 with an offset, in the zone of `SO-TimeZone` or in UTC. Each use extends it.
    expires_at: String,
}

impl XmlNames for TicketResponse<'_> {
    const NAME: &'static str = "TicketResponse";
    const NAMESPACE: &'static str = "";
}

/// Describes [`issue`].
pub(in crate::http) fn issue_operation() -> Operation {
    Operation::new("Issues a ticket. The request must authenticate with a password (Basic).")
        .answers_whole::<TicketResponse<'static>>(201)
        .authenticates_only_with(schemes::BASIC)
        .refuses(ErrorKind::Forbidden(MissingRight::IssueTicket))
        .refuses(ErrorKind::OutcomeUnknown)
}

/// Describes [`end_current`].
pub(in crate::http) fn end_current_operation() -> Operation {
    Operation::new("Ends the ticket that authenticates this request.")
        .authenticates_only_with(schemes::SO_TICKET)
        .refuses(ErrorKind::Forbidden(MissingRight::EndTicket))
        .refuses(ErrorKind::OutcomeUnknown)
}

/// `POST /keeper/tickets`: answers 201 with a ticket.
pub(in crate::http) async fn issue(
    context: RequestContext,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let issued = context.run(|tickets: Arc<Tickets>, caller| async move {
        tickets.issue(caller.change_context()).await
    });
    let issued = issued.await?;
    let zone = TimeZone::of(request.headers());
    let response = TicketResponse {
        ticket: issued.text.expose_secret(),
        expires_at: format_moment(issued.expires_at, zone.as_ref()),
    };
    Ok(negotiation::write(HttpResponse::Created(), request.headers(), &response))
}

/// `DELETE /keeper/tickets/current`: ends the ticket of this request.
pub(in crate::http) async fn end_current(
    context: RequestContext,
) -> Result<HttpResponse, ApiError> {
    context
        .run(|tickets: Arc<Tickets>, caller| async move {
            tickets.end_current(caller.change_context()).await
        })
        .await?;
    Ok(HttpResponse::NoContent().finish())
}
