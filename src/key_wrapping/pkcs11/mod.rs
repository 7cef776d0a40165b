//! Master keys on a PKCS#11 token, such as a hardware security module.
//!
//! AES-GCM on the token encrypts and decrypts; the master key never leaves it. The library of the
//! token runs inside this process. It is loaded only if the settings name it, and initialized only
//! during a call: between two calls there is no session, and nobody is logged in.

mod error;

use std::{
    path::PathBuf,
    sync::{Mutex, TryLockError},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use cryptoki::{
    context::{CInitializeArgs, CInitializeFlags, Pkcs11},
    error::Error,
    mechanism::{Mechanism, aead::GcmParams},
    object::{Attribute, KeyType, ObjectClass, ObjectHandle},
    session::{Session, UserType},
    slot::{Slot, TokenInfo},
};
use secrecy::SecretString;
use zeroize::Zeroizing;

pub(super) use self::error::Pkcs11Error;
use self::error::is_connection_lost;
use super::purpose::PURPOSE;
use crate::security::{
    random::random_bytes,
    secret_file,
    wrapped_keyring::{DataKey, MasterKeyKind, WrappedDataKey},
};

/// The longest time for one call. A token on the network may not answer.
pub(super) const TIMEOUT: Duration = Duration::from_secs(30);

const NONCE_LENGTH: usize = 12;
const TAG_BITS: u64 = 128;

/// The library that was loaded. Initializing it affects the whole process, so only one call at a
/// time uses it. It stays in memory: its threads may outlive a call.
static LOADED: Mutex<Option<(PathBuf, Pkcs11)>> = Mutex::new(None);

/// The token, its key and the access to it.
#[derive(Clone)]
pub(crate) struct Pkcs11Options {
    /// The library of the token.
    pub(crate) module: PathBuf,
    /// The label of the token.
    pub(crate) token: String,
    /// The label of the AES key that wraps data keys.
    pub(crate) key: String,
    /// The file with the user PIN. It is read for each call.
    pub(crate) pin_file: PathBuf,
}

/// Encrypts a data key under the key of the options.
pub(super) fn encrypt(
    options: &Pkcs11Options,
    data_key: &DataKey,
) -> Result<WrappedDataKey, Pkcs11Error> {
    let Pkcs11Options { token, key, .. } = options;
    let failed = |error| Pkcs11Error::of_cipher(token.clone(), key.clone(), error);
    let mut nonce = random_bytes::<NONCE_LENGTH>()?;
    let sealed = with_key(options, key, |session, handle| {
        let parameters = GcmParams::new(&mut nonce, PURPOSE, TAG_BITS.into()).map_err(failed)?;
        session.encrypt(&Mechanism::AesGcm(parameters), handle, data_key.expose()).map_err(failed)
    })?;
    // Some tokens choose the nonce themselves, and write it over the given one.
    let ciphertext = STANDARD.encode([nonce.as_slice(), &sealed].concat());
    Ok(WrappedDataKey { kind: MasterKeyKind::Pkcs11, key: key.clone(), ciphertext })
}

/// Decrypts a data key with the key that it names, which need not be the key of the options: a
/// keyring stays readable while it is moved to another key.
pub(super) fn decrypt(
    options: &Pkcs11Options,
    wrapped: &WrappedDataKey,
) -> Result<DataKey, Pkcs11Error> {
    let (token, key) = (&options.token, &wrapped.key);
    let not_decrypted = || Pkcs11Error::NotDecrypted { token: token.clone(), key: key.clone() };
    let bytes = STANDARD.decode(&wrapped.ciphertext).map_err(|_| not_decrypted())?;
    let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LENGTH>().ok_or_else(not_decrypted)?;
    let mut nonce = *nonce;
    let opened = with_key(options, key, |session, handle| {
        let failed = |error| {
            let failure = Pkcs11Error::of_cipher(token.clone(), key.clone(), error);
            // Modules report a wrong tag with different codes.
            let is_tag = matches!(&failure, Pkcs11Error::Failed { source, .. } if !is_connection_lost(source));
            if is_tag { not_decrypted() } else { failure }
        };
        let parameters = GcmParams::new(&mut nonce, PURPOSE, TAG_BITS.into()).map_err(failed)?;
        session.decrypt(&Mechanism::AesGcm(parameters), handle, sealed).map_err(failed)
    })?;
    DataKey::from_bytes(&Zeroizing::new(opened)).ok_or_else(not_decrypted)
}

/// Logs in to the token, finds a key and works with it. Nothing of it remains afterwards.
fn with_key<T>(
    options: &Pkcs11Options,
    key: &str,
    work: impl FnOnce(&Session, ObjectHandle) -> Result<T, Pkcs11Error>,
) -> Result<T, Pkcs11Error> {
    let pin = pin(options)?;
    let mut loaded = match LOADED.try_lock() {
        Ok(loaded) => loaded,
        Err(TryLockError::Poisoned(loaded)) => loaded.into_inner(),
        // A former call did not return in time. Waiting for it would occupy one more thread.
        Err(TryLockError::WouldBlock) => return Err(Pkcs11Error::TimedOut),
    };
    let module = match &*loaded {
        Some((path, module)) if *path == options.module => module.clone(),
        _ => {
            let failed = |error| Pkcs11Error::Module(options.module.clone(), error);
            let module = Pkcs11::new(&options.module).map_err(failed)?;
            *loaded = Some((options.module.clone(), module.clone()));
            module
        }
    };
    let threads = CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK);
    module.initialize(threads).map_err(Pkcs11Error::Initialize)?;
    let result = in_session(&module, options, &pin, key, work);
    // The result is complete; a failure here changes nothing.
    let _ = module.finalize();
    result
}

fn pin(options: &Pkcs11Options) -> Result<SecretString, Pkcs11Error> {
    let text = secret_file::read(&options.pin_file).map_err(Pkcs11Error::Pin)?;
    Ok(SecretString::from(text.trim_end_matches(['\r', '\n'])))
}

fn in_session<T>(
    module: &Pkcs11,
    options: &Pkcs11Options,
    pin: &SecretString,
    key: &str,
    work: impl FnOnce(&Session, ObjectHandle) -> Result<T, Pkcs11Error>,
) -> Result<T, Pkcs11Error> {
    let token = || options.token.clone();
    let failed = |source| Pkcs11Error::Failed { token: token(), source };
    let (slot, info) = find_token(module, &options.token)?;
    if info.user_pin_locked() {
        return Err(Pkcs11Error::PinLocked { token: token() });
    }
    if info.user_pin_final_try() {
        return Err(Pkcs11Error::FinalTry { token: token() });
    }
    let session = module.open_ro_session(slot).map_err(failed)?;
    let login = session.login(UserType::User, Some(pin));
    login.map_err(|error| Pkcs11Error::of_login(token(), error))?;
    let template = [
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::AES),
        Attribute::Label(key.as_bytes().to_vec()),
    ];
    let result = match session.find_objects(&template).map_err(failed)?.as_slice() {
        [handle] => work(&session, *handle),
        [] => Err(Pkcs11Error::KeyNotFound { token: token(), key: key.to_owned() }),
        _ => Err(Pkcs11Error::AmbiguousKey { token: token(), key: key.to_owned() }),
    };
    // The module is finalized next, which logs out, too.
    let _ = session.logout();
    result
}

/// Finds the one token with a label.
fn find_token(module: &Pkcs11, token: &str) -> Result<(Slot, TokenInfo), Pkcs11Error> {
    let failed = |source: Error| Pkcs11Error::Failed { token: token.to_owned(), source };
    let mut found = None;
    for slot in module.get_slots_with_initialized_token().map_err(failed)? {
        // A token can be removed at any moment.
        let Ok(info) = module.get_token_info(slot) else { continue };
        if info.label() == token && found.replace((slot, info)).is_some() {
            return Err(Pkcs11Error::AmbiguousToken { token: token.to_owned() });
        }
    }
    found.ok_or_else(|| Pkcs11Error::TokenNotFound { token: token.to_owned() })
}
