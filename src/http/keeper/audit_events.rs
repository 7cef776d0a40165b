//! `/keeper/audit` and `/keeper/users/{id}/audit`: lists audit events page by page
//! (docs/reference/wire-contract.md#audit-events).

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web::Path};
use serde::Serialize;
use utoipa::ToSchema;
use wire_formats::XmlNames;

use super::audit_query::{LIST, LIST_OF_USER, Parameters};
use crate::{
    domain::{
        audit::AuditEntry,
        audit_query::{AuditPage, AuditPosition, MAXIMUM_TOP},
        principal::Actor,
        user::UserId,
    },
    http::{
        error::{ApiError, ErrorKind, MissingRight},
        localization::{TimeZone, format_moment},
        negotiation,
        openapi::parameters,
        operation::Operation,
        query,
        request_context::RequestContext,
        user::links::Addresses,
    },
    service::audit::audit_reader::AuditReader,
};

/// An audit event.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct AuditEventInfo {
    /// The user that the event is about.
    user_id: i32,
    /// The position in the chain of that user, from 1.
    sequence: i64,
    occurred_at: String,
    /// For example `credential_saved`.
    kind: String,
    /// The user who made the change; null for a command of an operator, and for the old system that a
    /// user moves from.
    #[schema(required = true)]
    actor_id: Option<i32>,
    /// The authentication scheme of the actor, or `command`, `password_link` or `service`.
    scheme: String,
    /// The address of the client; null for a command, and for users who read what others changed.
    #[schema(required = true)]
    address: Option<String>,
    /// The id of the request, which is also in the log; null for users who read what others changed.
    #[schema(required = true)]
    request_id: Option<String>,
    /// The credential type; null for an event about the user.
    #[schema(required = true)]
    credential_type: Option<String>,
    /// The reason that the actor gave; null for none, and for users who read what others changed.
    #[schema(required = true)]
    reason: Option<String>,
}

/// A page of audit events, newest first.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct AuditEventPage {
    /// The address of the next page; null on the last page.
    #[schema(required = true)]
    next: Option<String>,
    /// A page can have fewer events than `$top`, or none, and not be the last.
    events: Vec<AuditEventInfo>,
}

impl XmlNames for AuditEventPage {
    const NAME: &'static str = "AuditEventPage";
    const NAMESPACE: &'static str = "";
    const ITEMS: &'static [(&'static str, &'static str)] = &[("Events", "AuditEvent")];
}

/// Describes [`list`].
pub(in crate::http) fn list_operation() -> Operation {
    let summary = "Lists the audit events of all users, newest first; Next leads to the next page.";
    with_pages(with_filter(with_user(Operation::new(summary))))
        .answers_whole::<AuditEventPage>(200)
        .refuses(ErrorKind::Forbidden(MissingRight::ReadAuditEvents))
}

/// Describes [`list_of_user`].
pub(in crate::http) fn list_of_user_operation() -> Operation {
    let summary = "Lists the audit events of a user, newest first; Next leads to the next page. Users may \
         read their own.";
    with_pages(with_filter(Operation::new(summary)))
        .answers_whole::<AuditEventPage>(200)
        .refuses(ErrorKind::Forbidden(MissingRight::ReadAuditEvents))
        .refuses(ErrorKind::UnknownUser)
}

/// The user of a filter.
pub(super) fn with_user(operation: Operation) -> Operation {
    operation.accepts(parameters::id("user", "The id of the user that the events are about."))
}

/// The other conditions of a filter.
pub(super) fn with_filter(operation: Operation) -> Operation {
    let kind = "One or more kinds of events, separated by commas.";
    let actor = "The id of the user who made the changes.";
    let since = "The time from which events are listed: RFC 3339, or a date.";
    let until = "The time before which events are listed: RFC 3339, or a date.";
    operation
        .accepts(parameters::text("kind", kind))
        .accepts(parameters::id("actor", actor))
        .accepts(parameters::text("since", since))
        .accepts(parameters::text("until", until))
}

fn with_pages(operation: Operation) -> Operation {
    operation
        .accepts(parameters::number("$top", "The size of a page.", 1, MAXIMUM_TOP))
        .accepts(parameters::text("$skiptoken", "The position after a page, from `Next`."))
}

/// Lists the events of all users.
pub(in crate::http) async fn list(
    context: RequestContext,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let parameters = Parameters::read(request.query_string(), &LIST)?;
    let query = parameters.to_query()?;
    let listed = context.read(|reader: Arc<AuditReader>, caller| async move {
        reader.list(Actor::Principal(&caller.principal), &query).await
    });
    let page = listed.await?;
    Ok(answer(&request, "/keeper/audit", &parameters, page))
}

/// Lists the events of a user.
pub(in crate::http) async fn list_of_user(
    context: RequestContext,
    request: HttpRequest,
    user: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let user_id = query::user_id_of_path(&user)?;
    let parameters = Parameters::read(request.query_string(), &LIST_OF_USER)?;
    let mut query = parameters.to_query()?;
    query.filter.user = Some(user_id);
    let listed = context.read(move |reader: Arc<AuditReader>, caller| async move {
        reader.list_of_user(Actor::Principal(&caller.principal), user_id, &query).await
    });
    let page = listed.await?.ok_or(ErrorKind::UnknownUser)?;
    Ok(answer(&request, &format!("/keeper/users/{user_id}/audit"), &parameters, page))
}

/// A page as a response.
fn answer(
    request: &HttpRequest,
    path: &str,
    parameters: &Parameters,
    page: AuditPage,
) -> HttpResponse {
    let zone = TimeZone::of(request.headers());
    let address = Addresses::of(request).of_path(path);
    let next = |position: AuditPosition| format!("{address}?{}", parameters.next(position));
    let page = AuditEventPage {
        next: page.next.map(next),
        events: page.events.into_iter().map(|event| info(event, zone.as_ref())).collect(),
    };
    negotiation::write(HttpResponse::Ok(), request.headers(), &page)
}

fn info(event: AuditEntry, zone: Option<&TimeZone>) -> AuditEventInfo {
    AuditEventInfo {
        user_id: event.user_id.as_i32(),
        sequence: event.sequence,
        occurred_at: format_moment(event.occurred_at, zone),
        kind: event.kind,
        actor_id: event.actor.map(UserId::as_i32),
        scheme: event.scheme,
        address: event.address,
        request_id: event.request_id,
        credential_type: event.credential_type,
        reason: event.reason,
    }
}
