//! `/keeper/tickets`: a ticket for a password, and its end (protocol.md 10.8).

use actix_web::{
    HttpResponse,
    web::{Data, ReqData},
};
use secrecy::ExposeSecret;
use serde::Serialize;
use time::format_description::well_known::Rfc3339;

use crate::{
    clock,
    domain::principal::Principal,
    http::{error::ApiError, negotiation::write_json, state::HttpState},
};

/// A new ticket; its text is shown this once.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TicketResponse<'ticket> {
    ticket: &'ticket str,
    /// RFC 3339, UTC. Each use moves it.
    expires_at: String,
}

/// `POST /keeper/tickets`: 201 with a ticket for the Basic password of this request.
pub(in crate::http) async fn issue(
    principal: ReqData<Principal>,
    state: Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    let principal = principal.into_inner();
    let issued = state
        .service
        .run(|service| async move { service.issue_ticket(&principal, clock::now()).await })
        .await??;
    let response = TicketResponse {
        ticket: issued.text.expose_secret(),
        expires_at: issued.expires_at.format(&Rfc3339).unwrap_or_default(),
    };
    Ok(write_json(HttpResponse::Created(), &response))
}

/// `DELETE /keeper/tickets/current`: 204, and the ticket of this request has ended.
pub(in crate::http) async fn end_current(
    principal: ReqData<Principal>,
    state: Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    let principal = principal.into_inner();
    state
        .service
        .run(|service| async move { service.end_current_ticket(&principal).await })
        .await??;
    Ok(HttpResponse::NoContent().finish())
}
