//! Keyed digests of identifiers, such as a SID or an OpenID subject.
//!
//! Equal values have equal digests, so a row can be found by its value. A digest cannot be computed
//! or recognized without the keyring.

use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::{
    keyring::{Key, Keyring},
    length_prefixed::LengthPrefixed,
    mac::hmac_sha256,
};

/// The digest of an identifier of this credential type under one key.
pub(crate) fn identifier_digest(key: &Key, credential_type: &str, value: &SecretString) -> Vec<u8> {
    let text = LengthPrefixed::of("identifier")
        .field(credential_type.as_bytes())
        .field(value.expose_secret().as_bytes());
    hmac_sha256(&key.identifier, text.as_bytes())
}

/// The digests under every readable key. A lookup during a key rotation needs all.
pub(crate) fn identifier_digests(
    keyring: &Keyring,
    credential_type: &str,
    value: &SecretString,
) -> Vec<Vec<u8>> {
    keyring.readable().map(|key| identifier_digest(key, credential_type, value)).collect()
}

/// Compares two identifiers in constant time.
pub(crate) fn same_identifier(left: &SecretString, right: &SecretString) -> bool {
    left.expose_secret().as_bytes().ct_eq(right.expose_secret().as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::keyring::tests::ring;

    #[test]
    fn the_digest_depends_on_key_type_and_value() {
        let ring = ring();
        let sid = SecretString::from("S-1-5-21");
        let digest = identifier_digest;
        let base = digest(ring.writing(), "ActiveDirectory", &sid);
        assert_eq!(base, digest(ring.writing(), "ActiveDirectory", &sid));
        assert_ne!(base, digest(ring.find("old").unwrap(), "ActiveDirectory", &sid));
        assert_ne!(base, digest(ring.writing(), "OpenId", &sid));
        assert_ne!(
            base,
            digest(ring.writing(), "ActiveDirectory", &SecretString::from("S-1-5-22"))
        );
    }

    #[test]
    fn a_lookup_uses_every_readable_key() {
        let sid = SecretString::from("S-1-5-21");
        assert_eq!(identifier_digests(&ring(), "ActiveDirectory", &sid).len(), 2);
    }
}
