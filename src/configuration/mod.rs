//! Settings: `config/default.toml`, then the file named by `KEEPER_CONFIG`, then environment
//! variables `KEEPER__SECTION__NAME`. The only module that reads the environment.
//!
//! Reading collects every problem instead of stopping at the first. A problem names the setting,
//! never its value.

mod connections;
mod credential_types;
mod durations;
mod issuers;
mod network;
mod reader;
mod sections;
mod validation;

use std::{collections::HashMap, env, path::Path};

pub use self::sections::Settings;
pub(crate) use self::{
    connections::ConnectionSettings,
    issuers::{IssuerSettings, KeySource},
    sections::{
        ApplicationSettings, AttemptSettings, HashingSettings, LogFormat, LogSettings,
        PasswordSettings, PolicyProfile, ShutdownSettings,
    },
};
use self::{credential_types::TypeSettings, reader::Reader};

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
        let mut variables = HashMap::new();
        let mut problems = Vec::new();
        for (name, value) in env::vars_os() {
            // A variable of ours has a name in ASCII.
            let Ok(name) = name.into_string() else { continue };
            match value.into_string() {
                Ok(value) => drop(variables.insert(name, value)),
                Err(_) if name.starts_with("KEEPER_") => {
                    problems.push(Problem::new(name, "must be in UTF-8"));
                }
                Err(_) => {}
            }
        }
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        let file = variables.get("KEEPER_CONFIG").cloned();
        Self::read(file.as_deref().map(Path::new), variables)
    }

    /// Reads settings from a file and from variables, on top of the defaults.
    ///
    /// # Errors
    /// Every problem at once.
    pub fn read(file: Option<&Path>, variables: HashMap<String, String>) -> Result<Self, Problems> {
        let misspelt: Vec<_> = variables.keys().filter(|name| is_misspelt(name)).cloned().collect();
        let mut reader = Reader::open(file, variables)?;
        for name in misspelt {
            reader.problem(&name, "is not a setting; write KEEPER__SECTION__NAME");
        }
        let settings = Self::take(&mut reader);
        reader.finish()?;
        Ok(settings)
    }
}

/// True for the name of a variable that is meant for this program and would be ignored. Others that
/// begin like it are not: Kubernetes gives `KEEPER_SERVICE_HOST` to whatever is beside a service.
fn is_misspelt(name: &str) -> bool {
    let rest = name.strip_prefix("KEEPER_");
    rest.is_some_and(|rest| !rest.starts_with('_') && rest.contains("__"))
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
