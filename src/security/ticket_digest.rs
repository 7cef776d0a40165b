//! Keyed digests of tickets and sessions: whoever writes to the database cannot make one, and cannot
//! let one of theirs stand for somebody else.

use super::{
    keyring::{Key, Keyring},
    length_prefixed::LengthPrefixed,
    mac::hmac_sha256,
};
use crate::domain::user::UserId;

/// What a ticket or a session may be stored as while keys rotate.
#[derive(Debug)]
pub(crate) struct TicketDigests {
    /// Under the writing key.
    pub(crate) writing: Vec<u8>,
    /// Under every readable key, the writing one too: what a look-up asks for.
    pub(crate) readable: Vec<Vec<u8>>,
}

impl TicketDigests {
    /// Of a user's ticket or session: `kind` tells which, `digest` is that of its text.
    pub(crate) fn of(keyring: &Keyring, kind: &str, user_id: UserId, digest: &[u8]) -> Self {
        let under = |key| ticket_digest(key, kind, user_id, digest);
        Self {
            writing: under(keyring.writing()),
            readable: keyring.readable().map(under).collect(),
        }
    }
}

fn ticket_digest(key: &Key, kind: &str, user_id: UserId, digest: &[u8]) -> Vec<u8> {
    let text = LengthPrefixed::of("derived")
        .field(kind.as_bytes())
        .field(&user_id.as_i32().to_be_bytes())
        .field(digest);
    hmac_sha256(&key.derived, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::keyring::tests::{ring, ring_before};

    #[test]
    fn the_digest_depends_on_key_kind_user_and_text() {
        let user = |id: i32| UserId::try_from(id).unwrap();
        let of = |kind: &str, id: i32, digest: &[u8]| {
            TicketDigests::of(&ring(), kind, user(id), digest).writing
        };
        let base = of("ticket", 1, b"digest");
        assert_eq!(base, of("ticket", 1, b"digest"));
        assert_ne!(base, of("session", 1, b"digest"));
        assert_ne!(base, of("ticket", 2, b"digest"));
        assert_ne!(base, of("ticket", 1, b"another"));
        let before = TicketDigests::of(&ring_before(), "ticket", user(1), b"digest");
        assert_ne!(base, before.writing);
    }

    #[test]
    fn look_ups_ask_under_every_readable_key() {
        let of = |ring| TicketDigests::of(&ring, "ticket", UserId::try_from(1).unwrap(), b"digest");
        let (before, now) = (of(ring_before()), of(ring()));
        assert_eq!(now.readable.len(), 2);
        assert!(now.readable.contains(&before.writing) && now.readable.contains(&now.writing));
    }
}
