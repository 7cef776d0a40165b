//! Encrypts and decrypts the data key of a wrapped keyring with a master key outside this service:
//! a key of a transit secrets engine (OpenBao or Vault), or a key on a PKCS#11 token.

mod error;
mod pkcs11;
mod purpose;
mod transit;

use crate::security::{
    random::RandomError,
    wrapped_keyring::{DataKey, MasterKeyKind, WrappedDataKey},
};

pub(crate) use self::{error::MasterKeyError, pkcs11::Pkcs11Options, transit::TransitOptions};
use self::{pkcs11::Pkcs11Error, transit::TransitError};

/// The master keys of the settings.
#[derive(Default)]
pub(crate) struct MasterKeys {
    pub(crate) transit: Option<TransitOptions>,
    pub(crate) pkcs11: Option<Pkcs11Options>,
}

impl MasterKeys {
    /// Encrypts a data key under the master key of the settings.
    ///
    /// # Errors
    /// See [`MasterKeyError`].
    pub(crate) async fn wrap(
        &self,
        kind: MasterKeyKind,
        data_key: &DataKey,
    ) -> Result<WrappedDataKey, MasterKeyError> {
        match kind {
            MasterKeyKind::Transit => {
                let options = self.transit.as_ref().ok_or(MasterKeyError::NotConfigured(kind))?;
                Ok(transit::encrypt(options, data_key).await?)
            }
            MasterKeyKind::Pkcs11 => {
                let options = self.pkcs11.clone().ok_or(MasterKeyError::NotConfigured(kind))?;
                let data_key = data_key.clone();
                Ok(on_thread(move || pkcs11::encrypt(&options, &data_key)).await?)
            }
        }
    }

    /// Decrypts a data key with the master key that it names.
    ///
    /// # Errors
    /// See [`MasterKeyError`].
    pub(crate) async fn unwrap(&self, wrapped: &WrappedDataKey) -> Result<DataKey, MasterKeyError> {
        let missing = MasterKeyError::NotConfigured(wrapped.kind);
        match wrapped.kind {
            MasterKeyKind::Transit => {
                let options = self.transit.as_ref().ok_or(missing)?;
                Ok(transit::decrypt(options, wrapped).await?)
            }
            MasterKeyKind::Pkcs11 => {
                let options = self.pkcs11.clone().ok_or(missing)?;
                let wrapped = wrapped.clone();
                Ok(on_thread(move || pkcs11::decrypt(&options, &wrapped)).await?)
            }
        }
    }
}

/// Runs calls of a PKCS#11 module, which block, and gives up when the module does not return.
async fn on_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Pkcs11Error> + Send + 'static,
) -> Result<T, Pkcs11Error> {
    let work = tokio::time::timeout(pkcs11::TIMEOUT, tokio::task::spawn_blocking(work));
    work.await.map_err(|_| Pkcs11Error::TimedOut)?.map_err(|_| Pkcs11Error::Panicked)?
}
