//! The newest audit events of a user, for the page of the user.

use std::sync::Arc;

use super::audit_trail::login_names;
use crate::{
    domain::{
        audit::AuditEntry,
        audit_query::{AuditFilter, AuditQuery},
        principal::Actor,
        user::UserId,
    },
    http::{
        error::ApiError,
        pages::{audit_words::EventView, frame::PageFrame},
        request_context::RequestContext,
    },
    service::audit::audit_reader::AuditReader,
};

/// The number of events on the page of a user.
const NEWEST: u16 = 10;

/// An event of a user.
pub(super) struct RecentEvent {
    pub(super) event: EventView,
    /// The login name of the actor, or the id of one who was deleted; `None`: a command, the old
    /// system, the service itself, or somebody who was not signed in.
    pub(super) actor: Option<String>,
}

/// The newest events of a user; `None` for callers who may not read those of all users.
pub(super) async fn read(
    context: &RequestContext,
    frame: &PageFrame,
    user_id: UserId,
) -> Result<Option<Vec<RecentEvent>>, ApiError> {
    if !context.principal().may_read_audit_events_of(None) {
        return Ok(None);
    }
    let filter = AuditFilter { user: Some(user_id), ..AuditFilter::default() };
    let query = AuditQuery::first(filter, NEWEST);
    let listed = context.clone().read(|reader: Arc<AuditReader>, caller| async move {
        reader.list(Actor::Principal(&caller.principal), &query).await
    });
    let page = listed.await?;
    let names = login_names(context, &page.events).await?;
    let name = |id: UserId| names.get(&id).cloned().unwrap_or_else(|| id.to_string());
    let view = |event: &AuditEntry| RecentEvent {
        event: EventView::new(frame, context.types(), event),
        actor: event.actor.map(name),
    };
    Ok(Some(page.events.iter().map(view).collect()))
}
