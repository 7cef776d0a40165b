//! A request to verify a credential, and its conversion into the request of the hashing engine.

use hashing_engine::{RowStamp, SecretForms, StoredHash, VerificationRequest as EngineRequest};
use secrecy::ExposeSecret;

use super::length_prefixed::LengthPrefixed;
use crate::domain::{
    credential::CredentialValue, stored_credential::StoredCredential, typed_login::TypedLogin,
};

/// A request to verify that a value is the credential of a name, against the row that was just
/// read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct VerificationRequest<'request> {
    pub(crate) canonical_name: &'request str,
    pub(crate) credential_type: &'request str,
    pub(crate) value: &'request CredentialValue,
    /// `None`: there is no such user, or they have no credential of that type.
    pub(crate) row: Option<&'request StoredCredential>,
    /// The hash in the row. `None` also when the row cannot be unsealed.
    pub(crate) hash: Option<&'request StoredHash>,
    /// False when the login fails regardless of the secret, for example because the credential is
    /// locked. The result equals that of a wrong secret, so it does not reveal a right one.
    pub(crate) is_login_allowed: bool,
    /// What another system is asked when there is no row. Its answer is about one spelling.
    pub(crate) question: Option<TypedLogin<'request>>,
}

/// The bytes that new hashes are computed from.
pub(super) fn bytes(value: &CredentialValue) -> &[u8] {
    value.secret().expose_secret().as_bytes()
}

/// NFC, and NFD if it differs: other systems hashed the keyboard input without normalization.
pub(super) fn forms<'value>(
    value: &'value CredentialValue,
    other_form: Option<&'value CredentialValue>,
) -> SecretForms<'value> {
    SecretForms { secret: bytes(value), other_form: other_form.map(bytes) }
}

/// A request, with the values that the engine's request borrows.
pub(super) struct OwnedRequest<'request> {
    request: &'request VerificationRequest<'request>,
    other_form: Option<CredentialValue>,
    stamp: Option<Stamp>,
}

/// See [`RowStamp`].
struct Stamp {
    version: LengthPrefixed,
    contents: LengthPrefixed,
}

impl Stamp {
    fn of_row(row: &StoredCredential) -> Self {
        let version = LengthPrefixed::of("version")
            .field(&row.user_id.as_i32().to_be_bytes())
            .field(&row.version.to_be_bytes());
        let contents =
            LengthPrefixed::of("contents").field(&row.sealed_hash).field(row.key_id.as_bytes());
        Self { version, contents }
    }

    fn of_question(question: TypedLogin<'_>) -> Self {
        let version = LengthPrefixed::of("question")
            .field(question.name.as_bytes())
            .field(question.password.expose_secret().as_bytes());
        Self { version, contents: LengthPrefixed::default() }
    }

    fn as_row_stamp(&self) -> RowStamp<'_> {
        RowStamp { version: self.version.as_bytes(), contents: self.contents.as_bytes() }
    }
}

impl<'request> OwnedRequest<'request> {
    pub(super) fn new(request: &'request VerificationRequest<'request>) -> Self {
        let stamp = match (request.row, request.question) {
            (Some(row), _) => Some(Stamp::of_row(row)),
            (None, Some(question)) => Some(Stamp::of_question(question)),
            (None, None) => None,
        };
        Self { request, other_form: request.value.decomposed(), stamp }
    }

    pub(super) fn as_request(&self) -> EngineRequest<'_> {
        EngineRequest {
            name: self.request.canonical_name,
            scope: self.request.credential_type,
            secret: forms(self.request.value, self.other_form.as_ref()),
            row: self.stamp.as_ref().map(Stamp::as_row_stamp),
            hash: self.request.hash,
            may_succeed: self.request.is_login_allowed,
        }
    }
}
