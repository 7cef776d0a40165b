//! Whose doing a change is.

use time::OffsetDateTime;

use super::{
    audit::{AuditEvent, AuditKind},
    client_info::ClientInfo,
    principal::Actor,
    user::UserId,
};

/// Who makes a change, from where, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChangeContext<'request> {
    pub(crate) actor: Actor<'request>,
    pub(crate) client_info: &'request ClientInfo,
    pub(crate) now: OffsetDateTime,
}

impl ChangeContext<'_> {
    /// The evidence of something that this author does to a user, as the next event of their chain
    /// after `sequence`.
    pub(crate) fn event(
        self,
        user_id: UserId,
        kind: AuditKind,
        (sequence, session_epoch): (i64, i64),
    ) -> AuditEvent {
        AuditEvent {
            user_id,
            sequence: sequence + 1,
            occurred_at: self.now,
            kind,
            actor: self.actor.user_id(),
            scheme: self.actor.scheme().as_str(),
            address: self.client_info.address.map(|address| address.to_string()),
            request_id: self.client_info.request_id.clone(),
            credential_type: None,
            session_epoch,
        }
    }
}
