//! Keyed digests of what attempts are counted by: names that nobody has, addresses, and secrets that
//! were tried. Without the keyring nobody can tell what they stand for.
//!
//! They are made with the oldest readable key, so that a rotation forgets nothing until that key is
//! retired.

use std::net::IpAddr;

use secrecy::ExposeSecret;

use super::{keyring::Keyring, length_prefixed::LengthPrefixed, mac::hmac_sha256};
use crate::domain::{attempts::Subject, credential::CredentialValue};

/// Bytes of a tried secret's digest that are kept.
const TRIED_LENGTH: usize = 16;

/// The pseudo user that a name stands for when nobody has it.
pub(crate) fn pseudo_subject(keyring: &Keyring, canonical_name: &str) -> Subject {
    let digest = digest(keyring, &LengthPrefixed::of("name").field(canonical_name.as_bytes()));
    let (head, _) = digest.split_first_chunk::<4>().unwrap_or((&[0; 4], &[]));
    Subject::pseudo(u32::from_be_bytes(*head))
}

/// The digest of an address. `network` is the part of it that one party has
/// ([`ClientInfo::network`](crate::domain::client_info::Origin::network)).
pub(crate) fn address_digest(keyring: &Keyring, network: IpAddr) -> Vec<u8> {
    digest(keyring, &LengthPrefixed::of("address").field(network.to_string().as_bytes()))
}

/// The digest of a secret that is tried for a subject.
pub(crate) fn tried_digest(
    keyring: &Keyring,
    subject: Subject,
    value: &CredentialValue,
) -> Vec<u8> {
    let fields = LengthPrefixed::of("tried")
        .field(&subject.as_i32().to_be_bytes())
        .field(value.secret().expose_secret().as_bytes());
    let mut digest = digest(keyring, &fields);
    digest.truncate(TRIED_LENGTH);
    digest
}

fn digest(keyring: &Keyring, fields: &LengthPrefixed) -> Vec<u8> {
    hmac_sha256(&keyring.oldest_readable().attempts, fields.as_bytes())
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;
    use crate::{
        domain::user::UserId,
        security::keyring::tests::{ring, ring_before},
    };

    #[test]
    fn a_rotation_forgets_nothing() {
        let address: IpAddr = [192, 0, 2, 1].into();
        assert_eq!(address_digest(&ring_before(), address), address_digest(&ring(), address));
        assert_eq!(pseudo_subject(&ring_before(), "x"), pseudo_subject(&ring(), "x"));
    }

    #[test]
    fn whatever_differs_has_another_digest() {
        let ring = ring();
        let value = |text: &str| CredentialValue::parse("V", &SecretString::from(text)).unwrap();
        let subject = |id: i32| Subject::from(UserId::try_from(id).unwrap());
        let base = tried_digest(&ring, subject(1), &value("a"));
        assert_eq!(base.len(), TRIED_LENGTH);
        assert_eq!(base, tried_digest(&ring, subject(1), &value("a")));
        assert_ne!(base, tried_digest(&ring, subject(2), &value("a")));
        assert_ne!(base, tried_digest(&ring, subject(1), &value("b")));
        assert_ne!(pseudo_subject(&ring, "a"), pseudo_subject(&ring, "b"));
    }
}
