//! The MAC chain of the audit events of a user.
//!
//! The MAC of each event covers the event and the previous MAC, so that a changed, reordered or
//! missing event in the middle is detected.

use super::{keyring::Key, length_prefixed::LengthPrefixed, mac::hmac_sha256};
use crate::domain::audit::AuditEvent;

/// The previous MAC of the first event.
pub(crate) const START_OF_CHAIN: [u8; 32] = [0; 32];

/// The MAC of `event`. `previous` is the MAC of the event before it.
pub(crate) fn audit_mac(key: &Key, previous: &[u8], event: &AuditEvent) -> Vec<u8> {
    // PostgreSQL stores microseconds, and a stored event must have the same MAC.
    let micros = event.occurred_at.unix_timestamp_nanos() / 1_000;
    let actor = event.actor.map(|actor| actor.as_i32().to_be_bytes());
    let text = LengthPrefixed::of("audit event")
        .field(key.id().as_bytes())
        .field(previous)
        .field(&event.user_id.as_i32().to_be_bytes())
        .field(&event.sequence.to_be_bytes())
        .field(&micros.to_be_bytes())
        .field(event.kind.as_str().as_bytes())
        .optional(actor.as_ref().map(<[u8; 4]>::as_slice))
        .field(event.scheme.as_bytes())
        .optional(event.address.as_deref().map(str::as_bytes))
        .field(event.request_id.as_bytes())
        .optional(event.credential_type.as_deref().map(str::as_bytes))
        .field(&event.session_epoch.to_be_bytes());
    // Without a reason, the MAC is that of the releases that do not know reasons. One that is added or
    // removed later changes the number of fields.
    let text = match &event.reason {
        None => text,
        Some(reason) => text.field(b"reason").field(reason.as_bytes()),
    };
    hmac_sha256(&key.audit, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use time::{Duration, OffsetDateTime};

    use super::*;
    use crate::{
        domain::{audit::AuditKind, user::UserId},
        security::keyring::tests::ring,
    };

    fn event() -> AuditEvent {
        AuditEvent {
            user_id: UserId::try_from(7).unwrap(),
            sequence: 2,
            occurred_at: OffsetDateTime::UNIX_EPOCH,
            kind: AuditKind::CredentialSaved,
            actor: UserId::try_from(1).ok(),
            scheme: "basic",
            address: Some("::1".to_owned()),
            request_id: "r".to_owned(),
            credential_type: Some("CRM5/PASSWORD".to_owned()),
            session_epoch: 1,
            reason: None,
        }
    }

    #[test]
    fn every_field_and_the_previous_mac_are_covered() {
        type Edit = fn(&mut AuditEvent);
        let edits: [(&str, Edit); 12] = [
            ("user", |event| event.user_id = UserId::try_from(8).unwrap()),
            ("sequence", |event| event.sequence += 1),
            ("time", |event| event.occurred_at += Duration::MICROSECOND),
            ("kind", |event| event.kind = AuditKind::UserAdded),
            ("actor", |event| event.actor = None),
            ("scheme", |event| event.scheme = "bearer"),
            ("address", |event| event.address = None),
            ("request", |event| event.request_id.push('x')),
            ("type", |event| event.credential_type = Some(String::new())),
            ("epoch", |event| event.session_epoch += 1),
            ("reason", |event| event.reason = Some("r".to_owned())),
            ("empty reason", |event| event.reason = Some(String::new())),
        ];
        let ring = ring();
        let base = audit_mac(ring.writing(), &START_OF_CHAIN, &event());
        for (field, edit) in edits {
            let mut changed = event();
            edit(&mut changed);
            assert_ne!(audit_mac(ring.writing(), &START_OF_CHAIN, &changed), base, "{field}");
        }
        // A reason that was removed breaks the chain, as does another one.
        let with = |reason: &str| AuditEvent { reason: Some(reason.to_owned()), ..event() };
        let mac_of = |event: &AuditEvent| audit_mac(ring.writing(), &START_OF_CHAIN, event);
        assert_ne!(mac_of(&with("one")), mac_of(&with("other")));
        assert_ne!(mac_of(&with("one")), mac_of(&event()));
        assert_ne!(audit_mac(ring.writing(), &[1; 32], &event()), base);
        assert_ne!(audit_mac(ring.find("old").unwrap(), &START_OF_CHAIN, &event()), base);
    }
}
