//! A request to verify a secret, and its outcome.

use std::time::Duration;

use super::{formats::stored_hash::StoredHash, secret_forms::SecretForms};

/// A request to verify that a secret belongs to a name, against the row that was just read.
#[derive(Debug, Clone, Copy)]
pub struct VerificationRequest<'request> {
    /// The canonical name of the account. It need not exist.
    pub name: &'request str,
    /// The purpose of the secret, such as the type of the credential.
    pub scope: &'request str,
    /// The secret to verify.
    pub secret: SecretForms<'request>,
    /// Identifies the stored row, or the question to another system that decides in its place.
    /// `None`: there is no such account or credential.
    pub row: Option<RowStamp<'request>>,
    /// The hash in the row. `None`: there is no row, or it is unreadable.
    pub hash: Option<&'request StoredHash>,
    /// False when the request fails regardless of the secret, for example because the account is
    /// locked. It is verified against the decoy, so that timing does not reveal a right secret.
    pub may_succeed: bool,
}

/// Identifies a stored row. Cached results are valid only for the row they were computed from.
#[derive(Debug, Clone, Copy)]
pub struct RowStamp<'request> {
    /// Identifies the secret that is stored: changes with every new secret, and not when the same
    /// secret is rehashed or encrypted again.
    pub version: &'request [u8],
    /// The contents of the row: changes with every write.
    pub contents: &'request [u8],
}

/// The outcome of a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerificationOutcome {
    /// The secret is wrong.
    Wrong,
    /// The secret is right, by the result of a concurrent or recent equal request.
    SharedResult,
    /// The secret is right, and this request computed the hash.
    Verified,
}

/// The result of a verification whose refusal is not delayed yet.
#[derive(Debug, Clone, Copy)]
pub struct Verification {
    /// The outcome.
    pub outcome: VerificationOutcome,
    /// The delay before the refusal may be sent; zero for a right secret.
    pub owed: Duration,
}

impl Verification {
    pub(crate) fn right(outcome: VerificationOutcome) -> Self {
        Self { outcome, owed: Duration::ZERO }
    }

    pub(crate) fn wrong(owed: Duration) -> Self {
        Self { outcome: VerificationOutcome::Wrong, owed }
    }
}
