//! Digests of requests, for the verification caches.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{
    random::{RandomError, random_bytes},
    verification_request::VerificationRequest,
};

/// The digest of a request. It cannot be computed from a guess without the key of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VerificationDigest([u8; 32]);

/// The key of the digests. Generated at start and never stored.
pub(crate) struct VerificationKey(Zeroizing<[u8; 64]>);

impl VerificationKey {
    /// Generates a key.
    pub(crate) fn generate() -> Result<Self, RandomError> {
        Ok(Self(Zeroizing::new(random_bytes()?)))
    }

    /// The digest of everything that the result depends on, including the contents of the row:
    /// after a save by any instance, the same name and secret have a different digest.
    pub(crate) fn digest(&self, request: &VerificationRequest<'_>) -> VerificationDigest {
        let fields = self.fields("request", request);
        match request.row {
            None => fields,
            Some(row) => fields.field(row.version).field(row.contents),
        }
        .finish()
    }

    /// The digest of everything that a wrong secret was compared with. A wrong secret stays wrong
    /// when the stored secret is rehashed or sealed again, but not after a save.
    pub(crate) fn refusal_digest(&self, request: &VerificationRequest<'_>) -> VerificationDigest {
        let fields = self.fields("refusal", request);
        match request.row {
            None => fields,
            Some(row) => fields.field(row.version),
        }
        .finish()
    }

    /// The digest of a name.
    pub(crate) fn name_digest(&self, name: &str) -> VerificationDigest {
        self.start("name").field(name.as_bytes()).finish()
    }

    fn fields(&self, purpose: &str, request: &VerificationRequest<'_>) -> Fields {
        self.start(purpose)
            .field(request.name.as_bytes())
            .field(request.scope.as_bytes())
            .field(request.secret.secret)
            .field(&[u8::from(request.may_succeed), u8::from(request.row.is_some())])
    }

    fn start(&self, purpose: &str) -> Fields {
        Fields(Hmac::<Sha256>::new(&(*self.0).into())).field(purpose.as_bytes())
    }
}

/// A MAC over length-prefixed fields, so that no byte can move from one field to another.
struct Fields(Hmac<Sha256>);

impl Fields {
    fn field(self, bytes: &[u8]) -> Self {
        // usize has at most 64 bits.
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Self(self.0.chain_update(length.to_be_bytes()).chain_update(bytes))
    }

    fn finish(self) -> VerificationDigest {
        VerificationDigest(self.0.finalize().into_bytes().into())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{super::verification_request::RowStamp, *};

    #[test]
    fn requests_that_differ_in_any_field_have_different_digests() {
        let key = VerificationKey::generate().unwrap();
        let row = |version: &'static [u8], contents: &'static [u8]| RowStamp { version, contents };
        let rows = [row(b"1", b"x"), row(b"2", b"x"), row(b"1", b"y"), row(b"1x", b"")];
        let mut digests = HashSet::new();
        let mut requests = 0;
        for name in ["anna", "paul"] {
            for scope in ["password", "pin"] {
                for secret in ["right", "wrong"] {
                    for row in rows.into_iter().map(Some).chain([None]) {
                        for may_succeed in [false, true] {
                            let secret = secret.into();
                            let hash = None;
                            let request =
                                VerificationRequest { name, scope, secret, row, hash, may_succeed };
                            assert_eq!(key.digest(&request), key.digest(&request));
                            digests.insert(key.digest(&request));
                            digests.insert(VerificationKey::generate().unwrap().digest(&request));
                            requests += 1;
                        }
                    }
                }
            }
        }
        assert_eq!(digests.len(), 2 * requests);
    }

    #[test]
    fn a_refusal_depends_on_the_version_of_the_row_and_not_on_its_contents() {
        let key = VerificationKey::generate().unwrap();
        let digest = |version: &[u8], contents: &[u8]| {
            key.refusal_digest(&VerificationRequest {
                name: "anna",
                scope: "password",
                secret: "wrong".into(),
                row: Some(RowStamp { version, contents }),
                hash: None,
                may_succeed: true,
            })
        };
        assert_eq!(digest(b"1", b"sealed"), digest(b"1", b"sealed again"));
        assert_ne!(digest(b"1", b"sealed"), digest(b"2", b"sealed"));
    }
}
