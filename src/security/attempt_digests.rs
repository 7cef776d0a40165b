//! Keyed digests for the counters of failed attempts: of unknown names, addresses and attempted
//! secrets. They cannot be reversed or computed without the keyring.
//!
//! They are computed with the oldest readable key, so that the counters survive a key rotation
//! until that key is retired.

use std::net::IpAddr;

use secrecy::ExposeSecret;

use super::{keyring::Keyring, length_prefixed::LengthPrefixed, mac::hmac_sha256};
use crate::domain::{credential::CredentialValue, throttling::Subject, typed_login::TypedLogin};

/// The stored length of the digest of an attempted secret, in bytes.
const SECRET_DIGEST_LENGTH: usize = 16;

/// The stored length of the digest of a pending question, in bytes.
const PENDING_DIGEST_LENGTH: usize = SECRET_DIGEST_LENGTH + 1;

/// The pseudo user whose failures count for an unknown name.
pub(crate) fn pseudo_subject(keyring: &Keyring, canonical_name: &str) -> Subject {
    let digest = digest(keyring, &LengthPrefixed::of("name").field(canonical_name.as_bytes()));
    let (head, _) = digest.split_first_chunk::<4>().unwrap_or((&[0; 4], &[]));
    Subject::pseudo(u32::from_be_bytes(*head))
}

/// The digest of the network of a client
/// ([`ClientInfo::network`](crate::domain::client_info::ClientInfo::network)).
pub(crate) fn address_digest(keyring: &Keyring, network: IpAddr) -> Vec<u8> {
    digest(keyring, &LengthPrefixed::of("address").field(network.to_string().as_bytes()))
}

/// The digest of a secret that was attempted for a subject.
pub(crate) fn secret_digest(
    keyring: &Keyring,
    subject: Subject,
    value: &CredentialValue,
) -> Vec<u8> {
    let fields = LengthPrefixed::of("tried")
        .field(&subject.as_i32().to_be_bytes())
        .field(value.secret().expose_secret().as_bytes());
    let mut digest = digest(keyring, &fields);
    digest.truncate(SECRET_DIGEST_LENGTH);
    digest
}

/// The digest of a login that was attempted for a subject, and that another system decides.
pub(crate) fn typed_login_digest(
    keyring: &Keyring,
    subject: Subject,
    typed: TypedLogin<'_>,
) -> Vec<u8> {
    let fields = LengthPrefixed::of("typed")
        .field(&subject.as_i32().to_be_bytes())
        .field(typed.name.as_bytes())
        .field(typed.password.expose_secret().as_bytes());
    let mut digest = digest(keyring, &fields);
    digest.truncate(SECRET_DIGEST_LENGTH);
    digest
}

/// The digest under which an attempt is counted while another system is asked about its secret, from
/// the digest of the secret. It is longer than that of a secret, so that a statement can leave the
/// counts of pending questions to those who asked them.
pub(crate) fn pending_digest(keyring: &Keyring, secret: &[u8]) -> Vec<u8> {
    let mut digest = digest(keyring, &LengthPrefixed::of("pending").field(secret));
    digest.truncate(PENDING_DIGEST_LENGTH);
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
    fn digests_survive_a_key_rotation() {
        let address: IpAddr = [192, 0, 2, 1].into();
        assert_eq!(address_digest(&ring_before(), address), address_digest(&ring(), address));
        assert_eq!(pseudo_subject(&ring_before(), "x"), pseudo_subject(&ring(), "x"));
    }

    #[test]
    fn different_inputs_have_different_digests() {
        let ring = ring();
        let value = |text: &str| CredentialValue::parse("V", &SecretString::from(text)).unwrap();
        let subject = |id: i32| Subject::from(UserId::try_from(id).unwrap());
        let base = secret_digest(&ring, subject(1), &value("a"));
        assert_eq!(base.len(), SECRET_DIGEST_LENGTH);
        assert_eq!(base, secret_digest(&ring, subject(1), &value("a")));
        assert_ne!(base, secret_digest(&ring, subject(2), &value("a")));
        assert_ne!(base, secret_digest(&ring, subject(1), &value("b")));
        assert_eq!(pending_digest(&ring, &base).len(), PENDING_DIGEST_LENGTH);
        assert_eq!(pending_digest(&ring, &base), pending_digest(&ring_before(), &base));
        assert_ne!(pseudo_subject(&ring, "a"), pseudo_subject(&ring, "b"));
    }

    #[test]
    fn each_spelling_of_a_login_has_its_own_digest() {
        let ring = ring();
        let subject = |id: i32| Subject::from(UserId::try_from(id).unwrap());
        let digest = |id: i32, name: &str, password: &str| {
            let password = &SecretString::from(password);
            typed_login_digest(&ring, subject(id), TypedLogin { name, password })
        };
        let base = digest(1, "ada", "\u{e9}");
        assert_eq!(base.len(), SECRET_DIGEST_LENGTH);
        assert_eq!(base, digest(1, "ada", "\u{e9}"));
        for other in
            [digest(1, "Ada", "\u{e9}"), digest(1, "ada", "e\u{301}"), digest(2, "ada", "\u{e9}")]
        {
            assert_ne!(base, other);
        }
    }
}
