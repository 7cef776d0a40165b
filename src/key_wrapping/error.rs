//! Why a master key could not be used, and whether waiting helps.

use super::{MasterKeyKind, Pkcs11Error, RandomError, TransitError};

/// A master key could not be used. No text contains a token, a PIN, a key or a ciphertext.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MasterKeyError {
    #[error(
        "the keyring is wrapped by a {kind} master key, and the section keyring.{kind} is not set; \
         set it", kind = .0.as_str()
    )]
    NotConfigured(MasterKeyKind),
    #[error(transparent)]
    Transit(#[from] TransitError),
    #[error(transparent)]
    Pkcs11(#[from] Pkcs11Error),
    #[error(transparent)]
    Random(#[from] RandomError),
}

impl MasterKeyError {
    /// True for an outage: the same call can succeed later, without a change of the configuration.
    pub(crate) fn is_outage(&self) -> bool {
        match self {
            Self::Transit(error) => error.is_outage(),
            Self::Pkcs11(error) => error.is_outage(),
            Self::NotConfigured(_) | Self::Random(_) => false,
        }
    }

    /// True when nobody may repeat the call before an operator acts: it can lock a token.
    pub(crate) fn must_not_repeat(&self) -> bool {
        matches!(self, Self::Pkcs11(error) if error.must_not_repeat())
    }
}
