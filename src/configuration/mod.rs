//! Settings: `config/default.toml`, then the file named by `KEEPER_CONFIG`, then environment
//! variables `KEEPER__SECTION__NAME`. The only module that reads the environment.
//!
//! Reading collects every problem instead of stopping at the first. A problem names the setting,
//! never its value.

mod connections;
mod credential_types;
mod reader;
mod sections;
mod validation;

use std::{collections::HashMap, env, path::Path};

pub use self::sections::Settings;
pub(crate) use self::{
    connections::ConnectionSettings,
    sections::{
        ApplicationSettings, AttemptSettings, HashingSettings, IssuerSettings, LogFormat,
        LogSettings, PasswordSettings, PolicyProfile, ShutdownSettings,
    },
};
use self::{credential_types::TypeSettings, reader::Reader};

/// Where an issuer's keys are.
pub(crate) enum KeySource<'settings> {
    File(&'settings Path),
    Url(url::Url),
}

/// One thing that is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {reason}")]
pub struct Problem {
    /// The setting, as `section.name`.
    pub setting: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Problem {
    fn new(setting: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { setting: setting.into(), reason: reason.into() }
    }
}

/// All that is wrong with the settings.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Problems(pub Vec<Problem>);

impl Settings {
    /// Reads the settings of this process.
    ///
    /// # Errors
    /// Every problem at once.
    pub fn from_environment() -> Result<Self, Problems> {
        let variables: HashMap<String, String> = env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let file = variables.get("KEEPER_CONFIG").cloned();
        Self::read(file.as_deref().map(Path::new), variables)
    }

    /// Reads settings from a file and from variables, on top of the defaults.
    ///
    /// # Errors
    /// Every problem at once.
    pub fn read(file: Option<&Path>, variables: HashMap<String, String>) -> Result<Self, Problems> {
        let mut reader = Reader::open(file, variables)?;
        let settings = Self::take(&mut reader);
        reader.finish()?;
        Ok(settings)
    }
}

/// Folders named by the environment, where `dev` may put its socket.
pub(crate) fn runtime_folder() -> std::path::PathBuf {
    let named = env::var_os("XDG_RUNTIME_DIR").map(std::path::PathBuf::from);
    named.filter(|folder| folder.is_absolute()).unwrap_or_else(env::temp_dir)
}

/// The folders in which programs are looked for.
pub(crate) fn program_folders() -> Vec<std::path::PathBuf> {
    env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
