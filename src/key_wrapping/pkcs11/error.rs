//! Why a PKCS#11 token did not encrypt or decrypt, as messages for the operator.

use std::path::PathBuf;

use cryptoki::error::{Error, RvError};

use crate::security::{random::RandomError, secret_file::SecretFileError};

/// A call of a token failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Pkcs11Error {
    #[error(
        "keyring.pkcs11.module: cannot load {0}; it must be the PKCS#11 library of the token, on a \
         file system that permits execution (in a systemd unit: ExecPaths=), and this program must \
         be linked dynamically"
    )]
    Module(PathBuf, #[source] Error),
    #[error("keyring.pkcs11.pin_file")]
    Pin(#[source] SecretFileError),
    #[error("the PKCS#11 module failed to initialize; check its configuration")]
    Initialize(#[source] Error),
    #[error(
        "PKCS#11 token {token} not found; check keyring.pkcs11.token, that the token is connected, \
         and that this account may use it"
    )]
    TokenNotFound { token: String },
    #[error("several PKCS#11 tokens have the label {token}; give each token its own label")]
    AmbiguousToken { token: String },
    #[error(
        "incorrect PIN for PKCS#11 token {token}; correct the file of keyring.pkcs11.pin_file. The \
         service does not try again, because tokens lock after a few incorrect PINs"
    )]
    IncorrectPin { token: String },
    #[error(
        "the next incorrect PIN locks PKCS#11 token {token}; the service does not risk it. Correct \
         the file of keyring.pkcs11.pin_file, and log in once with another program"
    )]
    FinalTry { token: String },
    #[error("the PIN of PKCS#11 token {token} is locked; unlock it as security officer")]
    PinLocked { token: String },
    #[error("PKCS#11 token {token} has no user PIN; initialize it as security officer")]
    PinNotInitialized { token: String },
    #[error(
        "AES key {key} not found on PKCS#11 token {token}; check keyring.pkcs11.key, or restore \
         the deleted key from a backup of the token"
    )]
    KeyNotFound { token: String, key: String },
    #[error("several AES keys on PKCS#11 token {token} have the label {key}; rename one of them")]
    AmbiguousKey { token: String, key: String },
    #[error(
        "key {key} on PKCS#11 token {token} refused AES-GCM; it must be an AES key that may \
         encrypt and decrypt (CKA_ENCRYPT, CKA_DECRYPT)"
    )]
    Unsuitable { token: String, key: String, source: Error },
    #[error(
        "key {key} on PKCS#11 token {token} cannot decrypt the data key of the keyring: the file \
         is damaged, or another key wrapped it; restore the file or the key from a backup"
    )]
    NotDecrypted { token: String, key: String },
    #[error("PKCS#11 token {token} failed; check the token and the log of its module")]
    Failed { token: String, source: Error },
    #[error("timed out waiting for the PKCS#11 module; check the connection to the token")]
    TimedOut,
    #[error("the PKCS#11 module failed unexpectedly; check its log")]
    Panicked,
    #[error(transparent)]
    Random(#[from] RandomError),
}

impl Pkcs11Error {
    /// True when the same call can succeed later. Never true for a call that used an incorrect
    /// PIN: repeating it would lock the token.
    pub(crate) fn is_outage(&self) -> bool {
        match self {
            Self::TokenNotFound { .. } | Self::TimedOut => true,
            Self::Failed { source, .. } => is_connection_lost(source),
            Self::Module(..)
            | Self::Pin(_)
            | Self::Initialize(_)
            | Self::AmbiguousToken { .. }
            | Self::IncorrectPin { .. }
            | Self::FinalTry { .. }
            | Self::PinLocked { .. }
            | Self::PinNotInitialized { .. }
            | Self::KeyNotFound { .. }
            | Self::AmbiguousKey { .. }
            | Self::Unsuitable { .. }
            | Self::NotDecrypted { .. }
            | Self::Panicked
            | Self::Random(_) => false,
        }
    }

    /// True when each repetition brings the token closer to locking, until an operator acts.
    pub(crate) fn must_not_repeat(&self) -> bool {
        matches!(self, Self::IncorrectPin { .. } | Self::FinalTry { .. } | Self::PinLocked { .. })
    }

    /// The reason of a failed login.
    pub(super) fn of_login(token: String, error: Error) -> Self {
        match return_value(&error) {
            Some(RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange) => {
                Self::IncorrectPin { token }
            }
            Some(RvError::PinLocked) => Self::PinLocked { token },
            Some(RvError::UserPinNotInitialized) => Self::PinNotInitialized { token },
            _ => Self::Failed { token, source: error },
        }
    }

    /// The reason of a failed encryption or decryption.
    pub(super) fn of_cipher(token: String, key: String, error: Error) -> Self {
        match return_value(&error) {
            Some(
                RvError::MechanismInvalid
                | RvError::MechanismParamInvalid
                | RvError::KeyFunctionNotPermitted
                | RvError::KeyTypeInconsistent
                | RvError::KeySizeRange
                | RvError::FunctionNotSupported,
            ) => Self::Unsuitable { token, key, source: error },
            _ => Self::Failed { token, source: error },
        }
    }
}

fn return_value(error: &Error) -> Option<&RvError> {
    if let Error::Pkcs11(value, _) = error { Some(value) } else { None }
}

/// True if the token does not answer.
pub(super) fn is_connection_lost(error: &Error) -> bool {
    matches!(
        return_value(error),
        Some(
            RvError::DeviceError
                | RvError::DeviceRemoved
                | RvError::TokenNotPresent
                | RvError::SessionClosed
                | RvError::SessionHandleInvalid
                | RvError::SessionCount
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_pin_is_neither_an_outage_nor_repeated() {
        let token = || "keeper".to_owned();
        for (error, must_not_repeat) in [
            (Pkcs11Error::IncorrectPin { token: token() }, true),
            (Pkcs11Error::FinalTry { token: token() }, true),
            (Pkcs11Error::PinLocked { token: token() }, true),
            (Pkcs11Error::PinNotInitialized { token: token() }, false),
            (Pkcs11Error::TokenNotFound { token: token() }, false),
            (Pkcs11Error::TimedOut, false),
        ] {
            assert_eq!(error.must_not_repeat(), must_not_repeat, "{error}");
            assert!(!(error.must_not_repeat() && error.is_outage()), "{error}");
        }
    }
}
