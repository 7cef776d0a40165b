//! Loads the keyring of the settings. No other code loads it for a process that uses the database.

use std::time::Duration;

use super::{
    error::StartError,
    options::missing,
    reload::{ReloadError, Reloadable, WatchedFiles},
};
use crate::{
    clock,
    configuration::Settings,
    security::{keyring::Keyring, keyring_handle::KeyringHandle},
    service::keys::keyring_check,
    storage::{Database, privileges::GrantedRole},
};

/// The setting that names the file.
const SETTING: &str = "keyring.file";

/// Loads the keyring, and checks that it is the one that the database was written with. Records a new
/// writing key, unless the process runs as the auditor, who writes nothing.
///
/// # Errors
/// When the setting is missing, the keyring is invalid, or it does not match the database.
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

/// Loads the keyring from the source that the settings name.
async fn load_keyring(settings: &Settings) -> Result<Keyring, StartError> {
    let file = settings.keyring_file.clone().ok_or_else(|| missing(SETTING))?;
    let loaded = tokio::task::spawn_blocking(move || Keyring::load(&file)).await;
    Ok(loaded.map_err(StartError::interrupted)??)
}

/// The files whose change reloads the keyring.
pub(super) fn watch_keyring(settings: &Settings) -> WatchedFiles {
    WatchedFiles::new(settings.keyring_file.iter().cloned().collect())
}

/// The keyring in use as something that can be reloaded. The same checks as at start apply.
pub(super) fn reloadable_keyring(
    files: WatchedFiles,
    settings: &Settings,
    database: Database,
    keyring: KeyringHandle,
) -> Reloadable {
    let settings = settings.clone();
    Reloadable::new_async(SETTING, files, move || {
        let (settings, database, keyring) = (settings.clone(), database.clone(), keyring.clone());
        async move {
            let new = open_keyring(&settings, &database, GrantedRole::Service).await.map_err(reload_error)?;
            replace(&keyring, new, settings.http.answer_timeout).await;
            Ok(())
        }
    })
}

fn reload_error(error: StartError) -> ReloadError {
    if matches!(error, StartError::Database(_)) {
        ReloadError::unavailable(error)
    } else {
        ReloadError::unusable(error)
    }
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
