//! Loads the keyring of the settings. No other code loads it for a process that uses the database.

use std::time::{Duration, Instant};

use super::{
    error::StartError,
    keyring_file::{SETTING, open_keyring_file},
    options::missing,
    reload::{ReloadError, Reloadable, WatchedFiles},
};
use crate::{
    clock,
    configuration::{MasterKeySettings, Settings},
    security::{keyring::Keyring, keyring_handle::KeyringHandle},
    service::keys::keyring_check,
    storage::{Database, privileges::GrantedRole},
    telemetry::error_chain,
};

/// The delay between two attempts to use a master key that is not available.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// Loads the keyring, and checks that it is the one that the database was written with. Records a new
/// writing key, unless the process runs as the auditor, who writes nothing.
///
/// # Errors
/// When the setting is missing, the keyring is invalid, it cannot be decrypted, or it does not match
/// the database.
pub(crate) async fn open_keyring(
    settings: &Settings,
    database: &Database,
    role: GrantedRole,
) -> Result<Keyring, StartError> {
    let keyring = load_keyring(settings).await?;
    keyring_check::require_keyring(database, &keyring).await?;
    match role {
        GrantedRole::Service => {
            keyring_check::record_writing_key(database, &keyring, clock::now()).await?;
        }
        GrantedRole::Auditor => {}
    }
    Ok(keyring)
}

/// Like [`open_keyring`], and waits for a master key that is not available, for
/// `keyring.startup_wait_seconds`. Never repeats a call that the master key refused.
///
/// # Errors
/// The errors of [`open_keyring`], after the wait.
pub(crate) async fn open_keyring_when_ready(
    settings: &Settings,
    database: &Database,
) -> Result<Keyring, StartError> {
    let wait = settings.master_keys.startup_wait;
    let until = Instant::now() + wait;
    let mut is_announced = false;
    loop {
        let source = match open_keyring(settings, database, GrantedRole::Service).await {
            Err(StartError::MasterKey(error)) if error.is_outage() => error,
            result => return result,
        };
        if Instant::now() >= until {
            return Err(StartError::MasterKeyNotReady { wait, source });
        }
        if !is_announced {
            let (seconds, reason) = (wait.as_secs(), error_chain(&source));
            tracing::warn!("waiting up to {seconds} s for the master key of the keyring: {reason}");
            is_announced = true;
        }
        tokio::time::sleep(RETRY_DELAY).await;
    }
}

/// Loads the keyring of the settings, without a comparison with the database.
///
/// # Errors
/// When the setting is missing, the keyring is invalid, or it cannot be decrypted.
pub(crate) async fn load_keyring(settings: &Settings) -> Result<Keyring, StartError> {
    let path = settings.keyring_file.clone().ok_or_else(|| missing(SETTING))?;
    Ok(Keyring::from_file(&open_keyring_file(settings, &path).await?)?)
}

/// The files whose change reloads the keyring: the file itself, and those that give access to its
/// master key, so that a master key that refused is asked again when its token or PIN is corrected.
pub(super) fn watch_keyring(settings: &Settings) -> WatchedFiles {
    let MasterKeySettings { transit, pkcs11, .. } = &settings.master_keys;
    let of_transit =
        transit.iter().flat_map(|transit| [Some(&transit.token_file), transit.ca_file.as_ref()]);
    let of_pkcs11 = pkcs11.iter().map(|pkcs11| Some(&pkcs11.pin_file));
    let files = [settings.keyring_file.as_ref()].into_iter().chain(of_transit).chain(of_pkcs11);
    WatchedFiles::new(files.flatten().cloned().collect())
}

/// The keyring in use as something that can be reloaded. The same checks as at start apply.
pub(super) fn reloadable_keyring(
    files: WatchedFiles,
    settings: &Settings,
    database: Database,
    keyring: KeyringHandle,
) -> Reloadable {
    let settings = settings.clone();
    let settling = settings.http.answer_timeout;
    let reloadable = Reloadable::new_async(SETTING, files, move || {
        let (settings, database, keyring) = (settings.clone(), database.clone(), keyring.clone());
        async move {
            let new = open_keyring(&settings, &database, GrantedRole::Service)
                .await
                .map_err(reload_error)?;
            replace(&keyring, new, settling).await;
            Ok(())
        }
    });
    reloadable.with_wait(settling)
}

fn reload_error(error: StartError) -> ReloadError {
    let is_outage = matches!(&error, StartError::Database(_))
        || matches!(&error, StartError::MasterKey(failure) if failure.is_outage());
    if is_outage { ReloadError::unavailable(error) } else { ReloadError::unusable(error) }
}

/// Replaces the keyring in use. Requests in progress cannot read with a key that they do not know,
/// so a new writing key is for `settling` only readable: until these requests have ended.
async fn replace(keyring: &KeyringHandle, new: Keyring, settling: Duration) {
    let former = keyring.current();
    let knows_writing_key = former.find(new.writing().id()).is_some();
    if !knows_writing_key && let Some(first) = new.with_writing(former.writing().id()) {
        keyring.replace(first);
        tokio::time::sleep(settling).await;
    }
    keyring.replace(new);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::keyring::tests::{ring, ring_before};

    #[tokio::test]
    async fn an_unknown_writing_key_is_readable_first() {
        let handle = KeyringHandle::new(ring_before());
        let replaced = replace(&handle, ring(), Duration::from_millis(200));
        let observed = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let keyring = handle.current();
            (keyring.writing().id().to_owned(), keyring.find("new").is_some())
        };
        let ((), (writing, can_read)) = tokio::join!(replaced, observed);
        assert_eq!((writing.as_str(), can_read), ("old", true));
        assert_eq!(handle.current().writing().id(), "new");
    }
}
