//! Loads the keyring of the settings. No other code loads it for a process that uses the database.

use super::{error::StartError, options::missing};
use crate::{
    clock, configuration::Settings, security::keyring::Keyring, service::keys::keyring_check,
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
