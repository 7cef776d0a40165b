//! Decrypts and encrypts the keyring file with the master keys of the settings.
//!
//! The data key of a wrapped keyring is decrypted once for each load. Afterwards the process does
//! not need the master key.

use std::path::Path;

use zeroize::Zeroizing;

use super::{
    error::{MasterKeyFailure, StartError},
    options::master_keys,
};
use crate::{
    configuration::Settings,
    security::{
        keyring::{Keyring, KeyringFile, StoredKeyring},
        wrapped_keyring::{DataKey, MasterKeyKind},
    },
};

/// The setting that names the file.
pub(super) const SETTING: &str = "keyring.file";

/// Reads a keyring file, and decrypts it if it is wrapped.
///
/// # Errors
/// When the file is invalid, it cannot be decrypted, or it is plain although the settings have a
/// master key.
pub(crate) async fn open_keyring_file(
    settings: &Settings,
    path: &Path,
) -> Result<KeyringFile, StartError> {
    let owned = path.to_owned();
    let stored = tokio::task::spawn_blocking(move || StoredKeyring::read(&owned)).await;
    let stored = stored.map_err(StartError::interrupted)??;
    if let Some(reason) = mismatch(settings, &stored) {
        return Err(StartError::Setting(format!("{SETTING}: {}: {reason}", path.display())));
    }
    decrypt(settings, stored).await
}

/// Opens a copy of a keyring, plain or wrapped.
///
/// # Errors
/// When it cannot be decrypted.
pub(crate) async fn open_keyring_copy(
    settings: &Settings,
    stored: StoredKeyring,
) -> Result<KeyringFile, StartError> {
    if let Some(wrapped) = stored.data_key()
        && !configured_kinds(settings).contains(&wrapped.kind)
    {
        let kind = wrapped.kind.as_str();
        return Err(StartError::Setting(format!(
            "the copy is wrapped by the {kind} master key {}, and keyring.{kind} is not set; set that \
             section",
            wrapped.key
        )));
    }
    decrypt(settings, stored).await
}

async fn decrypt(settings: &Settings, stored: StoredKeyring) -> Result<KeyringFile, StartError> {
    match stored {
        StoredKeyring::Plain(file) => Ok(file),
        StoredKeyring::Wrapped(wrapped) => {
            let data_key = master_keys(settings).unwrap(wrapped.data_key()).await?;
            Ok(KeyringFile::open(&wrapped, data_key)?)
        }
    }
}

/// Encrypts a keyring under a new data key, which a master key of the settings wraps. Returns the
/// text of the file, after decrypting it again with the master key: a file that cannot be read back
/// must never replace another one.
///
/// # Errors
/// When the keyring is invalid, or the master key cannot encrypt or decrypt.
pub(crate) async fn wrap_keyring(
    settings: &Settings,
    kind: MasterKeyKind,
    file: &mut KeyringFile,
) -> Result<Zeroizing<String>, StartError> {
    Keyring::from_file(file)?;
    let data_key = DataKey::generate().map_err(MasterKeyFailure::from)?;
    let wrapped = master_keys(settings).wrap(kind, &data_key).await?;
    file.wrap_with(wrapped, data_key);
    let text = file.to_json()?;
    let stored = StoredKeyring::parse(&text).ok_or(StartError::WrappedDiffers)?;
    let is_same = decrypt(settings, stored).await?.has_same_keys(file);
    is_same.then_some(text).ok_or(StartError::WrappedDiffers)
}

/// Why a keyring file and the master keys of the settings do not belong together, and the next step.
pub(crate) fn mismatch(settings: &Settings, stored: &StoredKeyring) -> Option<String> {
    let kinds = configured_kinds(settings);
    match (stored.data_key(), kinds.first()) {
        (None, Some(kind)) => Some(format!(
            "the keyring is not wrapped, and keyring.{} is set; run `keys wrap`, or remove that \
             section",
            kind.as_str()
        )),
        (Some(wrapped), _) if !kinds.contains(&wrapped.kind) => Some(format!(
            "the keyring is wrapped by the {kind} master key {key}, and keyring.{kind} is not set; \
             set that section",
            kind = wrapped.kind.as_str(),
            key = wrapped.key,
        )),
        _ => None,
    }
}

/// The kinds of master keys that the settings name.
pub(crate) fn configured_kinds(settings: &Settings) -> Vec<MasterKeyKind> {
    let transit = settings.master_keys.transit.as_ref().map(|_| MasterKeyKind::Transit);
    let pkcs11 = settings.master_keys.pkcs11.as_ref().map(|_| MasterKeyKind::Pkcs11);
    transit.into_iter().chain(pkcs11).collect()
}
