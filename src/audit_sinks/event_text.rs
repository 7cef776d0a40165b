//! An event of the stream as JSON (docs/reference/audit-stream.md).

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::domain::{
    audit::{AuditEvent, AuditKind, ChainLink},
    audit_stream::StreamedEvent,
    principal::AuthenticationScheme,
    user::UserId,
};

/// The members of an event, which are the columns of `audit_events`. None is a secret.
#[derive(Serialize, Deserialize)]
struct EventText {
    position: i64,
    user_id: i32,
    sequence: i64,
    occurred_at: Option<String>,
    kind: String,
    actor_user_id: Option<i32>,
    scheme: String,
    address: Option<String>,
    request_id: String,
    credential_type: Option<String>,
    session_epoch: i64,
    reason: Option<String>,
    key_id: String,
    mac: String,
}

/// The event as a JSON object on one line, without an end of line.
pub(crate) fn write_event(event: &StreamedEvent) -> String {
    let text = EventText {
        position: event.position,
        user_id: event.user_id,
        sequence: event.sequence,
        occurred_at: event.occurred_at.and_then(|time| time.format(&Rfc3339).ok()),
        kind: event.kind.clone(),
        actor_user_id: event.actor_user_id,
        scheme: event.scheme.clone(),
        address: event.address.clone(),
        request_id: event.request_id.clone(),
        credential_type: event.credential_type.clone(),
        session_epoch: event.session_epoch,
        reason: event.reason.clone(),
        key_id: event.key_id.clone(),
        mac: HEXLOWER.encode(&event.mac),
    };
    // Writing numbers and text never fails.
    serde_json::to_string(&text).unwrap_or_default()
}

/// Reads the event at the end of a line; `None` if there is none, or it has an invalid or unknown
/// value. What precedes the JSON object is ignored, such as the header of a syslog message, and so
/// are unknown members: a collector may add some.
pub(crate) fn parse_event(line: &str) -> Option<ChainLink> {
    let start = line.find('{')?;
    let text: EventText = serde_json::from_str(line.get(start..)?).ok()?;
    let user_id = |id| UserId::try_from(id).ok();
    Some(ChainLink {
        event: AuditEvent {
            user_id: user_id(text.user_id)?,
            // The first event of a user has 1.
            sequence: (text.sequence > 0).then_some(text.sequence)?,
            occurred_at: OffsetDateTime::parse(&text.occurred_at?, &Rfc3339).ok()?,
            kind: AuditKind::parse(&text.kind)?,
            actor: match text.actor_user_id {
                Some(id) => Some(user_id(id)?),
                None => None,
            },
            scheme: AuthenticationScheme::parse(&text.scheme)?.as_str(),
            address: text.address,
            request_id: text.request_id,
            credential_type: text.credential_type,
            session_epoch: text.session_epoch,
            reason: text.reason,
        },
        key_id: text.key_id,
        mac: HEXLOWER_PERMISSIVE.decode(text.mac.as_bytes()).ok()?,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An event with every member.
    pub(in crate::audit_sinks) fn event(position: i64) -> StreamedEvent {
        StreamedEvent {
            position,
            user_id: 7,
            sequence: 3,
            occurred_at: OffsetDateTime::from_unix_timestamp_nanos(1_790_000_000_123_456_000).ok(),
            kind: "credential_saved".to_owned(),
            actor_user_id: Some(1),
            scheme: "basic".to_owned(),
            address: Some("192.0.2.7".to_owned()),
            request_id: "4bf92f35".to_owned(),
            credential_type: Some("CRM5/PASSWORD".to_owned()),
            session_epoch: 2,
            reason: Some("case \"7\"\nline = 2 | \\ ]".to_owned()),
            key_id: "k1".to_owned(),
            mac: vec![0xab; 32],
        }
    }

    /// The same event as a link of its chain.
    fn link() -> ChainLink {
        let stored = event(41);
        let event = AuditEvent {
            user_id: UserId::try_from(7).unwrap(),
            sequence: 3,
            occurred_at: stored.occurred_at.unwrap(),
            kind: AuditKind::CredentialSaved,
            actor: UserId::try_from(1).ok(),
            scheme: "basic",
            address: stored.address,
            request_id: stored.request_id,
            credential_type: stored.credential_type,
            session_epoch: 2,
            reason: stored.reason,
        };
        ChainLink { event, key_id: stored.key_id, mac: stored.mac }
    }

    #[test]
    fn an_event_is_one_line_and_reads_back_as_it_was() {
        let written = write_event(&event(41));
        assert_eq!(
            written,
            format!(
                "{{\"position\":41,\"user_id\":7,\"sequence\":3,\
                 \"occurred_at\":\"2026-09-21T14:13:20.123456Z\",\"kind\":\"credential_saved\",\
                 \"actor_user_id\":1,\"scheme\":\"basic\",\"address\":\"192.0.2.7\",\
                 \"request_id\":\"4bf92f35\",\"credential_type\":\"CRM5/PASSWORD\",\
                 \"session_epoch\":2,\"reason\":\"case \\\"7\\\"\\nline = 2 | \\\\ ]\",\
                 \"key_id\":\"k1\",\"mac\":\"{}\"}}",
                "ab".repeat(32)
            )
        );
        let read = parse_event(&written).unwrap();
        assert_eq!(format!("{read:?}"), format!("{:?}", link()));
        assert!(parse_event(&written.replace("credential_saved", "unknown_kind")).is_none());
        assert!(parse_event(&written.replace("\"user_id\":7", "\"user_id\":0")).is_none());
        for sequence in ["0", "-1", "-9223372036854775808"] {
            let invalid = format!("\"sequence\":{sequence},");
            assert!(parse_event(&written.replace("\"sequence\":3,", &invalid)).is_none());
        }
        assert!(parse_event("{}").is_none());
    }

    #[test]
    fn invalid_values_are_written_as_they_are_stored() {
        let written = write_event(&StreamedEvent {
            occurred_at: None,
            kind: "of_a_later_release".to_owned(),
            actor_user_id: Some(0),
            ..event(41)
        });
        let expected = "\"occurred_at\":null,\"kind\":\"of_a_later_release\",\"actor_user_id\":0,";
        assert!(written.contains(expected), "{written}");
        assert!(parse_event(&written).is_none());
    }
}
