//! Steps before an application is built: starting the log and generating a keyring.

use std::path::Path;

use super::error::StartError;
use crate::{configuration::Settings, security::keyring::Keyring, telemetry};

/// Starts the log of this process on stderr.
///
/// # Errors
/// When `log.level` is invalid.
pub fn start_log(settings: &Settings) -> Result<(), StartError> {
    telemetry::start(&settings.log)
        .map_err(|error| StartError::Setting(format!("log.level: {error}")))
}

/// Generates a keyring with one key in a new file.
///
/// # Errors
/// When the file exists or cannot be written.
pub fn generate_keyring(file: &Path) -> Result<(), StartError> {
    Keyring::generate(file)?;
    Ok(())
}
