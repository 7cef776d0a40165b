//! Steps before an application is built: starting the log and generating a keyring.

use std::path::Path;

use super::error::StartError;
use crate::{
    configuration::Settings,
    security::keyring::Keyring,
    telemetry::{self, error_chain},
};

/// Starts the log of this process on stderr.
///
/// # Errors
/// When `log.level` is invalid.
pub fn start_log(settings: &Settings) -> Result<(), StartError> {
    let started = telemetry::start(&settings.log, None).map(drop);
    started.map_err(|error| StartError::Setting(error_chain(&error)))
}

/// Generates a keyring with one key in a new file.
///
/// # Errors
/// When the file exists or cannot be written.
pub fn generate_keyring(file: &Path) -> Result<(), StartError> {
    Keyring::generate(file)?;
    Ok(())
}
