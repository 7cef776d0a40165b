//! Settings of a file and of variables, for fuzz targets.

use std::{collections::HashMap, path::Path};

use super::{descriptions::describe_settings, effective, environment, problem::Problems};

/// Reads settings, and writes the effective ones as TOML.
///
/// # Errors
/// All problems.
pub fn effective(
    file: Option<&Path>,
    variables: HashMap<String, String>,
) -> Result<String, Problems> {
    let (_, reader) = environment::read(file, variables)?;
    Ok(effective::to_toml(&reader))
}

/// The names of all settings, as `section.name`.
#[must_use]
pub fn setting_names() -> Vec<String> {
    describe_settings().iter().map(|setting| setting.full_name()).collect()
}
