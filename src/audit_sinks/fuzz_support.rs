//! Events of the audit stream, for fuzz targets.

use time::OffsetDateTime;

use super::event_text::{parse_event, write_event};
use crate::domain::{
    audit::{AuditKind, ChainLink},
    audit_stream::StreamedEvent,
    principal::AuthenticationScheme,
    user::UserId,
};

/// The texts of an event that a caller or a setting chooses.
#[derive(Debug, Clone, Copy)]
pub struct EventTexts<'text> {
    /// The id of the request.
    pub request_id: &'text str,
    /// The name of the credential type.
    pub credential_type: Option<&'text str>,
    /// Why the event was made.
    pub reason: Option<&'text str>,
}

/// An event as a line of a copy.
#[must_use]
pub fn event_line(user_id: i32, sequence: i64, texts: EventTexts<'_>, mac: &[u8]) -> String {
    write_event(&StreamedEvent {
        position: 0,
        user_id,
        sequence,
        occurred_at: Some(OffsetDateTime::UNIX_EPOCH),
        kind: AuditKind::CredentialSaved.as_str().to_owned(),
        actor_user_id: None,
        scheme: AuthenticationScheme::Basic.as_str().to_owned(),
        address: None,
        request_id: texts.request_id.to_owned(),
        credential_type: texts.credential_type.map(str::to_owned),
        session_epoch: 1,
        reason: texts.reason.map(str::to_owned),
        key_id: "k1".to_owned(),
        mac: mac.to_vec(),
    })
}

/// The event of a line, as a line with the position 0; `None` if the line has none.
#[must_use]
pub fn copied_event(line: &str) -> Option<String> {
    let ChainLink { event, key_id, mac } = parse_event(line)?;
    Some(write_event(&StreamedEvent {
        position: 0,
        user_id: event.user_id.as_i32(),
        sequence: event.sequence,
        occurred_at: Some(event.occurred_at),
        kind: event.kind.as_str().to_owned(),
        actor_user_id: event.actor.map(UserId::as_i32),
        scheme: event.scheme.to_owned(),
        address: event.address,
        request_id: event.request_id,
        credential_type: event.credential_type,
        session_epoch: event.session_epoch,
        reason: event.reason,
        key_id,
        mac,
    }))
}
