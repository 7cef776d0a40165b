//! Anchors: signed checkpoints of audit chains, stored outside the database.
//!
//! Rolling back a user together with their audit chain cannot be detected from inside the database.
//! It can be detected with an anchor that the attacker cannot write, such as one in the log.

use subtle::ConstantTimeEq;

use super::{
    keyring::{Key, Keyring},
    length_prefixed::LengthPrefixed,
    mac::hmac_sha256,
};
use crate::domain::{audit::ChainHead, user::UserId};

/// A statement that the audit chain of a user had this link.
#[derive(Debug, Clone)]
#[cfg_attr(test, derive(PartialEq, Eq))]
pub(crate) struct Anchor {
    pub(crate) user_id: UserId,
    pub(crate) sequence: i64,
    /// The MAC of the link.
    pub(crate) mac: Vec<u8>,
    pub(crate) key_id: String,
    /// MAC of the other fields, under the key `key_id`.
    pub(crate) signature: Vec<u8>,
}

impl Anchor {
    /// The anchor of the current head of a chain.
    pub(crate) fn of(keyring: &Keyring, head: &ChainHead) -> Self {
        let key = keyring.writing();
        let ChainHead { user_id, sequence, mac } = head;
        let signature = signature(key, *user_id, *sequence, mac);
        let key_id = key.id().to_owned();
        Self { user_id: *user_id, sequence: *sequence, mac: mac.clone(), key_id, signature }
    }

    /// True when a key of this installation signed it, including retired keys.
    pub(crate) fn is_genuine(&self, keyring: &Keyring) -> bool {
        keyring.find_any(&self.key_id).is_some_and(|key| {
            let expected = signature(key, self.user_id, self.sequence, &self.mac);
            expected.ct_eq(&self.signature).into()
        })
    }
}

fn signature(key: &Key, user_id: UserId, sequence: i64, mac: &[u8]) -> Vec<u8> {
    let fields = LengthPrefixed::of("anchor")
        .field(key.id().as_bytes())
        .field(&user_id.as_i32().to_be_bytes())
        .field(&sequence.to_be_bytes())
        .field(mac);
    hmac_sha256(&key.audit, fields.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::keyring::tests::ring;

    type Edit = fn(&mut Anchor);

    #[test]
    fn an_anchor_with_a_changed_field_is_invalid() {
        let ring = ring();
        let user_id = UserId::try_from(7).unwrap();
        let head = ChainHead { user_id, sequence: 3, mac: vec![1; 32] };
        let anchor = Anchor::of(&ring, &head);
        assert!(anchor.is_genuine(&ring));
        let edits: [Edit; 5] = [
            |anchor| anchor.user_id = UserId::try_from(8).unwrap(),
            |anchor| anchor.sequence = 2,
            |anchor| anchor.mac[0] ^= 1,
            |anchor| anchor.key_id = "old".to_owned(),
            |anchor| anchor.signature[0] ^= 1,
        ];
        for edit in edits {
            let mut changed = anchor.clone();
            edit(&mut changed);
            assert!(!changed.is_genuine(&ring), "{changed:?}");
        }
    }
}
