//! Reads the settings from their sources: the defaults, the file and the environment.

use std::{
    collections::HashMap,
    env,
    path::{Path, PathBuf},
};

use super::{
    effective::{self, EffectiveSetting},
    origins::Origins,
    problem::{Problem, Problems},
    reader::Reader,
    sections::{OperationsSettings, Settings},
    source_file::SettingsFile,
};

impl Settings {
    /// Reads the settings of this process.
    ///
    /// # Errors
    /// All problems.
    pub fn from_environment() -> Result<Self, Problems> {
        let sources = Sources::of_process()?;
        Self::read(sources.file.as_deref(), sources.variables)
    }

    /// Reads settings from a file and from variables, on top of the defaults.
    ///
    /// # Errors
    /// All problems.
    pub fn read(file: Option<&Path>, variables: HashMap<String, String>) -> Result<Self, Problems> {
        read(file, variables).map(|(settings, _)| settings)
    }
}

/// The settings of this process as a TOML file without secrets.
///
/// # Errors
/// All problems.
pub(crate) fn effective_settings() -> Result<String, Problems> {
    let sources = Sources::of_process()?;
    let (_, reader) = read(sources.file.as_deref(), sources.variables)?;
    Ok(effective::to_toml(&reader))
}

/// The settings of this process that have a value, each with its origin and without secrets.
///
/// # Errors
/// All problems.
pub(crate) fn settings_with_origin() -> Result<Vec<EffectiveSetting>, Problems> {
    let Sources { file, variables } = Sources::of_process()?;
    let file = file.as_deref().map(SettingsFile::read).transpose()?;
    let origins = Origins::read(file.as_ref(), &variables);
    let (_, reader) = read_sources(file.as_ref(), variables)?;
    Ok(effective::list(&reader, &origins))
}

/// The settings of the operations listener of this process, for a command that asks a running
/// instance. The instance keeps running when another setting becomes invalid or the file cannot be
/// read. So other settings do not matter, and a file that cannot be read counts as absent; its problems
/// are returned, too.
///
/// # Errors
/// The problems of these settings.
pub(crate) fn operations_settings() -> Result<(OperationsSettings, Option<Problems>), Problems> {
    let Sources { file, variables } = Sources::of_process()?;
    let (mut reader, unread) = match Reader::open(file.as_deref(), variables.clone()) {
        Ok(reader) => (reader, None),
        Err(problems) => (Reader::open(None, variables)?, Some(problems)),
    };
    let operations = OperationsSettings::take(&mut reader);
    reader.finish_part()?;
    Ok((operations, unread))
}

pub(super) fn read(
    file: Option<&Path>,
    variables: HashMap<String, String>,
) -> Result<(Settings, Reader), Problems> {
    let file = file.map(SettingsFile::read).transpose()?;
    read_sources(file.as_ref(), variables)
}

fn read_sources(
    file: Option<&SettingsFile>,
    variables: HashMap<String, String>,
) -> Result<(Settings, Reader), Problems> {
    let misspelled: Vec<_> = variables.keys().filter(|name| is_misspelled(name)).cloned().collect();
    let mut reader = Reader::merge(file, variables)?;
    for name in misspelled {
        reader.problem(&name, "unknown setting; use the form KEEPER__SECTION__NAME");
    }
    let settings = Settings::take(&mut reader);
    for problem in settings.problems() {
        reader.problem(&problem.setting, problem.reason);
    }
    reader.finish()?;
    Ok((settings, reader))
}

/// The sources of settings other than the defaults.
pub(super) struct Sources {
    pub(super) file: Option<PathBuf>,
    pub(super) variables: HashMap<String, String>,
}

impl Sources {
    pub(super) fn of_process() -> Result<Self, Problems> {
        let mut variables = HashMap::new();
        let mut problems = Vec::new();
        for (name, value) in env::vars_os() {
            // A name that is not Unicode is not a setting.
            let Ok(name) = name.into_string() else { continue };
            match value.into_string() {
                Ok(value) => drop(variables.insert(name, value)),
                Err(_) if name.starts_with("KEEPER_") => {
                    problems.push(Problem::new(name, "must be valid UTF-8"));
                }
                Err(_) => {}
            }
        }
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        let file = variables.get(FILE_VARIABLE).filter(|file| !file.is_empty());
        let file = file.map(PathBuf::from);
        Ok(Self { file, variables })
    }
}

/// The variable that names the file of the settings. As with every variable, empty means unset.
const FILE_VARIABLE: &str = "KEEPER_CONFIG";

/// The file of the settings of this process, which need not exist.
pub(crate) fn settings_file() -> Option<PathBuf> {
    env::var_os(FILE_VARIABLE).filter(|file| !file.is_empty()).map(PathBuf::from)
}

/// True for a misspelled setting that would be ignored, such as `KEEPER_HTTP__LISTEN`. Other
/// variables with the prefix are allowed: Kubernetes sets `KEEPER_SERVICE_HOST` for a service named
/// keeper.
fn is_misspelled(name: &str) -> bool {
    let rest = name.strip_prefix("KEEPER_");
    rest.is_some_and(|rest| !rest.starts_with('_') && rest.contains("__"))
}

/// The folder for the PostgreSQL socket of `dev`.
pub(crate) fn runtime_folder() -> PathBuf {
    let folder = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    folder.filter(|folder| folder.is_absolute()).unwrap_or_else(env::temp_dir)
}

/// The folders of `PATH`.
pub(crate) fn program_folders() -> Vec<PathBuf> {
    env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default()
}
