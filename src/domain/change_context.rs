//! The context of a change: who makes it, from where, when, and why.

use time::OffsetDateTime;

use super::{
    action_reason::ActionReason,
    audit::{AuditEvent, AuditKind},
    client_info::ClientInfo,
    principal::Actor,
    user::UserId,
};

/// The actor of a change, the client, the reason, and the time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChangeContext<'request> {
    pub(crate) actor: Actor<'request>,
    pub(crate) client_info: &'request ClientInfo,
    /// Why the actor makes the change, if they say it.
    pub(crate) reason: Option<&'request ActionReason>,
    pub(crate) now: OffsetDateTime,
}

impl ChangeContext<'_> {
    /// The audit event of a change, as the next one of the user's chain after the event `after`.
    /// `session_epoch` is the user's epoch after the change.
    pub(crate) fn event(
        self,
        user_id: UserId,
        kind: AuditKind,
        after: i64,
        session_epoch: i64,
    ) -> AuditEvent {
        AuditEvent {
            user_id,
            sequence: after + 1,
            occurred_at: self.now,
            kind,
            actor: self.actor.user_id(),
            scheme: self.actor.scheme().as_str(),
            address: self.client_info.address.map(|address| address.to_string()),
            request_id: self.client_info.request_id.clone(),
            credential_type: None,
            session_epoch,
            reason: self.reason.map(|reason| reason.as_str().to_owned()),
        }
    }
}
