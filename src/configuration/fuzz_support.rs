//! Settings of a file and of variables, for fuzz targets.

use std::path::Path;

use super::{
    descriptions::{SettingDescription, describe_settings},
    effective, environment,
    problem::Problems,
};

/// Reads settings, and writes the effective ones as TOML.
///
/// # Errors
/// All problems.
pub fn effective(
    file: Option<&Path>,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<String, Problems> {
    let (_, reader) = environment::read(file, variables.into_iter().collect())?;
    Ok(effective::to_toml(&reader))
}

/// The names of all settings, as `section.name`.
#[must_use]
pub fn setting_names() -> Vec<String> {
    describe_settings().iter().map(SettingDescription::full_name).collect()
}
