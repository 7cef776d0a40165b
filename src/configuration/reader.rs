//! Reads typed values from layered sources and collects every problem.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::{Path, PathBuf},
    time::Duration,
};

use config::{Config, ConfigError, Environment, File, FileFormat, Value, ValueKind};
use secrecy::SecretString;
use serde::{Deserialize, de::DeserializeOwned};

use super::{
    problem::{Problem, Problems},
    source_file::SettingsFile,
    value_types::required_type,
};

/// The file with the defaults and the documentation of the settings.
pub(super) const DEFAULTS: &str = include_str!("../../config/default.toml");

/// The variable with the folder of a systemd service's credentials (systemd.exec(5)).
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// The merged sources, the settings that were read, and the problems.
pub(super) struct Reader {
    settings: Config,
    defaults: Config,
    known: BTreeSet<String>,
    problems: Vec<Problem>,
    /// The settings with a secret as their value.
    secrets: BTreeSet<String>,
    /// The settings that name a file with a secret.
    secret_files: BTreeSet<String>,
    /// The folder with the credentials of a systemd service.
    credentials: Option<PathBuf>,
    /// The settings whose file is a credential of systemd.
    found: BTreeMap<String, PathBuf>,
}

/// A list of words: a TOML list, or text with spaces.
#[derive(Deserialize)]
#[serde(untagged)]
enum Words {
    List(Vec<String>),
    Text(String),
}

impl Default for Words {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

impl Reader {
    /// Reads the defaults, the file and the variables, in this order.
    pub(super) fn open(
        file: Option<&Path>,
        variables: HashMap<String, String>,
    ) -> Result<Self, Problems> {
        let file = file.map(SettingsFile::read).transpose()?;
        Self::merge(file.as_ref(), variables)
    }

    /// Merges the defaults, a file that was read, and the variables, in this order.
    pub(super) fn merge(
        file: Option<&SettingsFile>,
        variables: HashMap<String, String>,
    ) -> Result<Self, Problems> {
        let defaults = || File::from_str(DEFAULTS, FileFormat::Toml);
        let credentials = variables.get(CREDENTIALS).map(PathBuf::from);
        // The prefix excludes the variables of other programs. An empty variable counts as unset.
        let environment = Environment::with_prefix("KEEPER")
            .prefix_separator("__")
            .separator("__")
            .ignore_empty(true)
            .source(Some(variables.into_iter().collect()));
        let mut builder = Config::builder().add_source(defaults());
        if let Some(file) = file {
            builder = builder.add_source(File::from_str(&file.text, FileFormat::Toml));
        }
        let invalid = |error: ConfigError| Problems(vec![invalid_source(file, &error)]);
        let settings = builder.add_source(environment).build().map_err(invalid)?;
        let defaults = Config::builder().add_source(defaults()).build().map_err(invalid)?;
        Ok(Self {
            settings,
            defaults,
            known: BTreeSet::new(),
            problems: Vec::new(),
            secrets: BTreeSet::new(),
            secret_files: BTreeSet::new(),
            credentials: credentials.filter(|folder| folder.is_absolute()),
            found: BTreeMap::new(),
        })
    }

    /// The value of a setting that has a default.
    pub(super) fn get<T: DeserializeOwned + Default>(&mut self, setting: &str) -> T {
        self.known.insert(setting.to_owned());
        let converted = self.merged(setting).zip(self.default(setting));
        let required = converted.and_then(|(value, default)| required_type(value, default));
        let value: Result<T, String> = match required {
            Some(required) => Err(format!("must be {required}")),
            None => self.settings.get(setting).map_err(|error| describe(&error)),
        };
        value.unwrap_or_else(|reason| {
            self.problem(setting, reason);
            self.defaults.get(setting).unwrap_or_default()
        })
    }

    /// The value of an optional setting.
    pub(super) fn optional<T: DeserializeOwned>(&mut self, setting: &str) -> Option<T> {
        self.known.insert(setting.to_owned());
        match self.settings.get(setting) {
            Ok(value) => Some(value),
            Err(ConfigError::NotFound(_)) => None,
            Err(error) => {
                self.problem(setting, describe(&error));
                None
            }
        }
    }

    /// A setting that is parsed from text. `reason` is the problem of an invalid value.
    pub(super) fn parsed<T>(
        &mut self,
        setting: &str,
        reason: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text: String = self.get(setting);
        let default: String = self.defaults.get(setting).unwrap_or_default();
        parse(&text).or_else(|| {
            self.problem(setting, reason);
            parse(&default)
        })
    }

    /// A list of words, which a variable holds as a text with spaces.
    pub(super) fn words(&mut self, setting: &str) -> Vec<String> {
        match self.get(setting) {
            Words::List(words) => words,
            Words::Text(text) => text.split_whitespace().map(str::to_owned).collect(),
        }
    }

    /// The path of a file with a secret. Without a value, the credential of systemd that has the
    /// name of the setting, if it exists.
    pub(super) fn secret_file(&mut self, setting: &str) -> Option<PathBuf> {
        self.secret_files.insert(setting.to_owned());
        if let Some(file) = self.optional(setting) {
            return Some(file);
        }
        let file = self.credentials.as_ref()?.join(setting);
        if !file.exists() {
            return None;
        }
        self.found.insert(setting.to_owned(), file.clone());
        Some(file)
    }

    /// The file of a setting that was found among the credentials of systemd.
    pub(super) fn found(&self, setting: &str) -> Option<&Path> {
        self.found.get(setting).map(PathBuf::as_path)
    }

    /// An optional secret. Each needs a setting that names a file instead.
    pub(super) fn secret(&mut self, setting: &str) -> Option<SecretString> {
        self.secrets.insert(setting.to_owned());
        self.optional::<String>(setting).map(SecretString::from)
    }

    /// A duration in whole seconds.
    pub(super) fn seconds(&mut self, setting: &str) -> Duration {
        Duration::from_secs(self.get(setting))
    }

    /// Adds a problem.
    pub(super) fn problem(&mut self, setting: &str, reason: impl Into<String>) {
        self.problems.push(Problem::new(setting, reason));
    }

    /// The names of all settings that were read, as `section.name`.
    pub(super) fn known(&self) -> &BTreeSet<String> {
        &self.known
    }

    /// The settings with a secret as their value, and those that name a file with a secret.
    #[cfg(test)]
    pub(super) fn secret_settings(&self) -> (&BTreeSet<String>, &BTreeSet<String>) {
        (&self.secrets, &self.secret_files)
    }

    /// The value of a setting from the sources.
    pub(super) fn merged(&self, setting: &str) -> Option<&Value> {
        find(&self.settings.cache, setting)
    }

    /// The default of a setting.
    pub(super) fn default(&self, setting: &str) -> Option<&Value> {
        find(&self.defaults.cache, setting)
    }

    /// Fails with all problems, if any. A value without a setting is also a problem.
    pub(super) fn finish(&mut self) -> Result<(), Problems> {
        let mut present = BTreeSet::new();
        collect_names("", &self.settings.cache, &mut present);
        for name in present.difference(&self.known) {
            let problem = match name.as_str() {
                "" => Problem::new("KEEPER__", "has no name of a setting; remove it"),
                name => Problem::new(name, "unknown setting; check the spelling"),
            };
            self.problems.push(problem);
        }
        self.finish_part()
    }

    /// Fails with the problems of the settings that were read, if any.
    pub(super) fn finish_part(&mut self) -> Result<(), Problems> {
        let problems = std::mem::take(&mut self.problems);
        if problems.is_empty() { Ok(()) } else { Err(Problems(problems)) }
    }
}

/// The value of `section.name`.
fn find<'value>(settings: &'value Value, setting: &str) -> Option<&'value Value> {
    setting.split('.').try_fold(settings, |value, name| match &value.kind {
        ValueKind::Table(members) => members.get(name),
        ValueKind::Nil
        | ValueKind::Boolean(_)
        | ValueKind::I64(_)
        | ValueKind::I128(_)
        | ValueKind::U64(_)
        | ValueKind::U128(_)
        | ValueKind::Float(_)
        | ValueKind::String(_)
        | ValueKind::Array(_) => None,
    })
}

/// Collects the names of all settings that have a value.
fn collect_names(prefix: &str, value: &Value, names: &mut BTreeSet<String>) {
    if let ValueKind::Table(table) = &value.kind {
        for (name, value) in table {
            let separator = if prefix.is_empty() { "" } else { "." };
            collect_names(&format!("{prefix}{separator}{name}"), value, names);
        }
    } else {
        names.insert(prefix.to_owned());
    }
}

/// Describes the expected type. The messages of `config` would reveal the value.
fn describe(error: &ConfigError) -> String {
    if let ConfigError::Type { expected, .. } = error {
        return format!("must be {expected}");
    }
    if let ConfigError::At { error, .. } = error {
        return describe(error);
    }
    if let ConfigError::NotFound(_) = error {
        return "is required".to_owned();
    }
    match error.to_string() {
        message if message.starts_with("missing field") => message,
        message if message.starts_with("a switch must be") => message,
        message if message.starts_with("unknown field") => "has an unknown member".to_owned(),
        _ => "invalid value".to_owned(),
    }
}

/// Describes a file with a syntax error by its position only, because the message of the parser would
/// reveal the line.
fn invalid_source(file: Option<&SettingsFile>, error: &ConfigError) -> Problem {
    let setting =
        file.map_or_else(|| "settings".to_owned(), |file| file.path.display().to_string());
    let mut reason = "invalid TOML".to_owned();
    if let ConfigError::FileParse { cause, .. } = error {
        let text = cause.to_string();
        let position = text.lines().next().filter(|line| line.starts_with("TOML parse error at"));
        if let Some(position) = position {
            position.clone_into(&mut reason);
        }
    }
    Problem::new(setting, reason)
}
