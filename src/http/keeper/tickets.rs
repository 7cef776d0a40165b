//! `/keeper/tickets`: a ticket for a password, and its end (protocol.md 10.8).

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
        operation::Operation,
        request_context::RequestContext,
    },
    service::sessions::tickets::Tickets,
};

/// A new ticket; its text is shown this once.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct TicketResponse<'ticket> {
    ticket: &'ticket str,
    /// RFC 3339 with its offset, in the zone of `SO-TimeZone`, else in UTC. Each use moves it.
    expires_at: String,
}

impl XmlNames for TicketResponse<'_> {
    const NAME: &'static str = "TicketResponse";
    const NAMESPACE: &'static str = "";
}

/// The place of [`issue`] in the documents.
pub(in crate::http) fn issue_operation() -> Operation {
    Operation::new("Gives a ticket for the Basic password of this request.")
        .answers_whole::<TicketResponse<'static>>(201)
        .refuses(ErrorKind::Forbidden(MissingRight::IssueTicket))
        .refuses(ErrorKind::OutcomeUnknown)
}

/// The place of [`end_current`] in the documents.
pub(in crate::http) fn end_current_operation() -> Operation {
    Operation::new("Ends the ticket that this request came with.")
        .refuses(ErrorKind::Forbidden(MissingRight::EndTicket))
        .refuses(ErrorKind::OutcomeUnknown)
}

/// `POST /keeper/tickets`: 201 with a ticket for the Basic password of this request.
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

/// `DELETE /keeper/tickets/current`: 204, and the ticket of this request has ended.
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
