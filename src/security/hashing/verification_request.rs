//! What a caller claims, as one digest that only this process can compute.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::ExposeSecret;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{super::length_prefixed::LengthPrefixed, StoredHash};
use crate::{
    domain::{
        client_info::FairnessKey, credential::CredentialValue, stored_credential::StoredCredential,
    },
    security::random::{RandomError, random_bytes},
};

/// That a value is the credential of a name, held against the row just read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct VerificationRequest<'request> {
    pub(crate) canonical_name: &'request str,
    pub(crate) credential_type: &'request str,
    pub(crate) value: &'request CredentialValue,
    /// `None`: there is no such user, or they have no credential of that type.
    pub(crate) row: Option<&'request StoredCredential>,
    /// What the row holds. `None` also when it does not open.
    pub(crate) hash: Option<&'request StoredHash>,
    /// False for who is refused all the same: they are remembered as if their secret were wrong, so
    /// that nothing shows that it was right.
    pub(crate) lets_in: bool,
}

/// A request's digest. Whoever does not know the process key cannot compute one from a guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct VerificationDigest([u8; 32]);

/// The key of claims: made at start, never stored.
pub(super) struct VerificationKey(Zeroizing<[u8; 64]>);

impl VerificationKey {
    pub(super) fn generate() -> Result<Self, RandomError> {
        Ok(Self(Zeroizing::new(random_bytes()?)))
    }

    /// Covers all that the answer depends on. The row is in it as it was read just now, so after a
    /// save, here or on any other instance, the same name and secret are another request.
    pub(super) fn digest(&self, request: &VerificationRequest<'_>) -> VerificationDigest {
        let fields = LengthPrefixed::of("request")
            .field(request.canonical_name.as_bytes())
            .field(request.credential_type.as_bytes())
            .field(request.value.secret().expose_secret().as_bytes())
            .field(&[u8::from(request.lets_in)])
            .optional(request.row.map(|row| row.sealed_hash.as_slice()));
        let fields = match request.row {
            None => fields,
            Some(row) => fields
                .field(&row.user_id.as_i32().to_be_bytes())
                .field(&row.version.to_be_bytes())
                .field(row.key_id.as_bytes()),
        };
        self.mac(&fields)
    }

    /// Covers what a wrong secret was wrong for. Another hash of the same secret, or the same one under
    /// another key, makes it no less wrong; a save does.
    pub(super) fn refusal_digest(&self, request: &VerificationRequest<'_>) -> VerificationDigest {
        let fields = LengthPrefixed::of("refusal")
            .field(request.canonical_name.as_bytes())
            .field(request.credential_type.as_bytes())
            .field(request.value.secret().expose_secret().as_bytes())
            .field(&[u8::from(request.lets_in)]);
        let fields = match request.row {
            None => fields,
            Some(row) => {
                fields.field(&row.user_id.as_i32().to_be_bytes()).field(&row.version.to_be_bytes())
            }
        };
        self.mac(&fields)
    }

    /// A name together with where it is used from.
    pub(super) fn visitor(&self, caller: FairnessKey, canonical_name: &str) -> VerificationDigest {
        let address = match caller {
            FairnessKey::Address(address) => address.to_string(),
            FairnessKey::User(_) | FairnessKey::Command => String::new(),
        };
        let fields = LengthPrefixed::of("visitor").field(address.as_bytes());
        self.mac(&fields.field(canonical_name.as_bytes()))
    }

    fn mac(&self, fields: &LengthPrefixed) -> VerificationDigest {
        let mac = Hmac::<Sha256>::new(&(*self.0).into()).chain_update(fields.as_bytes());
        VerificationDigest(mac.finalize().into_bytes().into())
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;
    use crate::domain::{
        stored_credential::{HashParameters, HashScheme},
        user::UserId,
        validity::Validity,
    };

    fn value(text: &str) -> CredentialValue {
        CredentialValue::parse("Value", &SecretString::from(text)).unwrap()
    }

    #[test]
    fn claims_that_differ_in_anything_have_different_digests() {
        let key = VerificationKey::generate().unwrap();
        let (right, wrong) = (value("right"), value("wrong"));
        let row = |user_id, version, sealed: &[u8]| StoredCredential {
            user_id: UserId::try_from(user_id).unwrap(),
            credential_type: "CRM5/PASSWORD".to_owned(),
            sealed_hash: sealed.to_vec(),
            key_id: "key".to_owned(),
            hash_scheme: HashScheme::Argon2id,
            hash_parameters: HashParameters { memory_kib: 64, iterations: 1, parallelism: 1 },
            version,
            validity: Validity::default(),
        };
        let rows = [row(1, 1, b"x"), row(2, 1, b"x"), row(1, 2, b"x"), row(1, 1, b"y")];
        let mut digests = std::collections::HashSet::new();
        let mut claims = 0;
        for canonical_name in ["anna", "paul"] {
            for credential_type in ["CRM5/PASSWORD", "Pin"] {
                for value in [&right, &wrong] {
                    for row in rows.iter().map(Some).chain([None]) {
                        let request = VerificationRequest {
                            canonical_name,
                            credential_type,
                            value,
                            row,
                            hash: None,
                            lets_in: true,
                        };
                        assert_eq!(key.digest(&request), key.digest(&request));
                        digests.insert(key.digest(&request));
                        digests.insert(VerificationKey::generate().unwrap().digest(&request));
                        claims += 1;
                    }
                }
            }
        }
        assert_eq!(digests.len(), 2 * claims);
    }
}
