//! Keyed digests of tickets and sessions.
//!
//! An attacker who writes to the database cannot forge a ticket, or assign their own to another
//! user.

use super::{
    keyring::{Key, Keyring},
    length_prefixed::LengthPrefixed,
    mac::hmac_sha256,
};
use crate::domain::user::UserId;

/// The digests that a ticket or session may be stored under during a key rotation.
#[derive(Debug)]
pub(crate) struct TicketDigests {
    /// Under the writing key, for new rows.
    pub(crate) writing: Vec<u8>,
    /// Under every readable key, including the writing one, for lookups.
    pub(crate) readable: Vec<Vec<u8>>,
}

impl TicketDigests {
    /// The digests of a ticket or session of a user. `kind` is `ticket` or `session`; `digest` is
    /// the digest of its text.
    pub(crate) fn of(keyring: &Keyring, kind: &str, user_id: UserId, digest: &[u8]) -> Self {
        let keyed = |key| ticket_digest(key, kind, user_id, digest);
        Self {
            writing: keyed(keyring.writing()),
            readable: keyring.readable().map(keyed).collect(),
        }
    }
}

fn ticket_digest(key: &Key, kind: &str, user_id: UserId, digest: &[u8]) -> Vec<u8> {
    let text = LengthPrefixed::of("derived")
        .field(kind.as_bytes())
        .field(&user_id.as_i32().to_be_bytes())
        .field(digest);
    hmac_sha256(&key.ticket, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::keyring::tests::{ring, ring_before};

    #[test]
    fn the_digest_depends_on_key_kind_user_and_text() {
        let user = |id: i32| UserId::try_from(id).unwrap();
        let writing = |kind: &str, id: i32, digest: &[u8]| {
            TicketDigests::of(&ring(), kind, user(id), digest).writing
        };
        let base = writing("ticket", 1, b"digest");
        assert_eq!(base, writing("ticket", 1, b"digest"));
        assert_ne!(base, writing("session", 1, b"digest"));
        assert_ne!(base, writing("ticket", 2, b"digest"));
        assert_ne!(base, writing("ticket", 1, b"another"));
        let before = TicketDigests::of(&ring_before(), "ticket", user(1), b"digest");
        assert_ne!(base, before.writing);
    }

    #[test]
    fn a_lookup_uses_every_readable_key() {
        let digests =
            |ring| TicketDigests::of(&ring, "ticket", UserId::try_from(1).unwrap(), b"digest");
        let (before, now) = (digests(ring_before()), digests(ring()));
        assert_eq!(now.readable.len(), 2);
        assert!(now.readable.contains(&before.writing) && now.readable.contains(&now.writing));
    }
}
