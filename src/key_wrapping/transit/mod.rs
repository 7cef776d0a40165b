//! Master keys in a transit secrets engine of OpenBao or Vault.
//!
//! The engine encrypts and decrypts; the master key never leaves it.

mod client;
mod error;
mod options;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use tracing::Instrument;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use self::client::TransitClient;
pub(super) use self::error::TransitError;
pub(crate) use self::options::TransitOptions;
use super::purpose::PURPOSE;
use crate::{
    domain::transit_path::is_transit_path,
    security::wrapped_keyring::{DataKey, MasterKeyKind, WrappedDataKey},
    trace_context::client_span,
};

#[derive(Serialize)]
struct Encrypt<'call> {
    plaintext: &'call str,
    associated_data: String,
}

#[derive(Deserialize)]
struct Encrypted {
    ciphertext: String,
}

#[derive(Serialize)]
struct Decrypt<'call> {
    ciphertext: &'call str,
    associated_data: String,
}

#[derive(Deserialize, Zeroize, ZeroizeOnDrop)]
struct Decrypted {
    plaintext: String,
}

/// Encrypts a data key under the key of the options.
pub(super) async fn encrypt(
    options: &TransitOptions,
    data_key: &DataKey,
) -> Result<WrappedDataKey, TransitError> {
    let plaintext = Zeroizing::new(STANDARD.encode(data_key.expose()));
    let call = Encrypt { plaintext: &plaintext, associated_data: STANDARD.encode(PURPOSE) };
    let path = format!("{}/encrypt/{}", options.mount, options.key);
    let client = TransitClient::open(options).await?;
    let Encrypted { ciphertext } = client.call(&path, &call).await?;
    Ok(WrappedDataKey { kind: MasterKeyKind::Transit, key: options.key_path(), ciphertext })
}

/// Decrypts a data key with the key that it names, which need not be the key of the options: a
/// keyring stays readable while it is moved to another key.
pub(super) async fn decrypt(
    options: &TransitOptions,
    wrapped: &WrappedDataKey,
) -> Result<DataKey, TransitError> {
    let parts = wrapped.key.rsplit_once('/').filter(|_| is_transit_path(&wrapped.key));
    let (mount, key) = parts.ok_or(TransitError::InvalidKeyName)?;
    let ciphertext = &wrapped.ciphertext;
    let call = Decrypt { ciphertext, associated_data: STANDARD.encode(PURPOSE) };
    let path = format!("{mount}/decrypt/{key}");
    let client = TransitClient::open(options).await?;
    let decrypting = client.call(&path, &call).instrument(client_span!("transit.decrypt"));
    let answer: Decrypted = decrypting.await?;
    let bytes = STANDARD.decode(&answer.plaintext).map(Zeroizing::new).ok();
    let data_key = bytes.and_then(|bytes| DataKey::from_bytes(&bytes));
    data_key.ok_or(TransitError::NotADataKey { path })
}
