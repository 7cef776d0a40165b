//! `/account/events`: what happened to the account of the user who is signed in.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use url::form_urlencoded;

use crate::{
    domain::{
        audit::AuditEntry,
        audit_query::{AuditFilter, AuditPosition, AuditQuery},
        principal::{Actor, AuthenticationScheme},
        user::UserId,
    },
    http::{
        error::ApiError,
        pages::{audit_words::EventView, frame::PageFrame, html},
        request_context::RequestContext,
    },
    service::audit::audit_reader::AuditReader,
};

const PATH: &str = "/account/events";

/// The number of events on a page.
const PAGE: u16 = 40;

/// The parameter with the position after which the page starts.
const AFTER: &str = "after";

#[derive(Template)]
#[template(path = "account/events.html")]
struct EventsTemplate {
    frame: PageFrame,
    rows: Vec<Row>,
    /// The URL of the first page; `None` on that page.
    newest: Option<String>,
    /// The URL of the next page; `None` on the last one.
    older: Option<String>,
}

/// An event, as the page shows it.
struct Row {
    event: EventView,
    by: String,
    is_own: bool,
}

/// `GET /account/events`.
pub(in crate::http) async fn show(
    context: RequestContext,
    request: HttpRequest,
    frame: PageFrame,
) -> Result<HttpResponse, ApiError> {
    let reader = context.principal().user_id();
    let filter = AuditFilter { user: Some(reader), ..AuditFilter::default() };
    let mut pairs = form_urlencoded::parse(request.query_string().as_bytes());
    let after = pairs.find(|(name, _)| name == AFTER);
    // An invalid position shows the first page.
    let after = after.and_then(|(_, token)| AuditPosition::parse(&token));
    let query = AuditQuery { after, ..AuditQuery::first(filter, PAGE) };
    let types = context.types().clone();
    let listed = context.read(|reader: Arc<AuditReader>, caller| async move {
        reader.list(Actor::Principal(&caller.principal), &query).await
    });
    let page = listed.await?;
    let row = |event: &AuditEntry| Row {
        event: EventView::new(&frame, &types, event),
        by: frame.text(changer_key(reader, event)),
        is_own: event.actor == Some(reader),
    };
    let rows = page.events.iter().map(row).collect();
    let newest = after.map(|_| frame.url(PATH));
    let older = page.next.map(|next| frame.url(&format!("{PATH}?{AFTER}={}", next.to_token())));
    html::page(HttpResponse::Ok(), &EventsTemplate { frame, rows, newest, older })
}

/// The key of the text about who caused an event. Users do not learn names of others.
fn changer_key(reader: UserId, event: &AuditEntry) -> &'static str {
    let scheme = AuthenticationScheme::parse(&event.scheme);
    match event.actor {
        Some(actor) if actor == reader => "page-by-you",
        Some(_) => "page-by-administrator",
        None if scheme == Some(AuthenticationScheme::Command) => "page-by-operator",
        None if scheme == Some(AuthenticationScheme::Anonymous) => "page-by-anonymous",
        None => "page-by-service",
    }
}
