//! Takes typed values out of layered sources and remembers everything that was wrong.

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
    time::Duration,
};

use config::{Config, ConfigError, Environment, File, FileFormat, Value, ValueKind};
use secrecy::SecretString;
use serde::{Deserialize, de::DeserializeOwned};

use super::{Problem, Problems};

const DEFAULTS: &str = include_str!("../../config/default.toml");

/// The sources, what has been asked for, and what was wrong.
pub(super) struct Reader {
    settings: Config,
    defaults: Config,
    asked: BTreeSet<String>,
    problems: Vec<Problem>,
}

/// Words in either spelling.
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
    /// Reads the sources.
    pub(super) fn open(
        file: Option<&Path>,
        variables: HashMap<String, String>,
    ) -> Result<Self, Problems> {
        let defaults = || File::from_str(DEFAULTS, FileFormat::Toml);
        // Variables of other programs must not meet ours, and empty ones are as good as unset.
        let environment = Environment::with_prefix("KEEPER")
            .prefix_separator("__")
            .separator("__")
            .ignore_empty(true)
            .source(Some(variables.into_iter().collect()));
        let mut builder = Config::builder().add_source(defaults());
        if let Some(file) = file {
            builder = builder.add_source(File::from(file).format(FileFormat::Toml).required(true));
        }
        let unreadable = |error: ConfigError| Problems(vec![unreadable_source(file, &error)]);
        let settings = builder.add_source(environment).build().map_err(unreadable)?;
        let defaults = Config::builder().add_source(defaults()).build().map_err(unreadable)?;
        Ok(Self { settings, defaults, asked: BTreeSet::new(), problems: Vec::new() })
    }

    /// The value of a setting that has a default.
    pub(super) fn get<T: DeserializeOwned + Default>(&mut self, setting: &str) -> T {
        self.asked.insert(setting.to_owned());
        match self.settings.get(setting) {
            Ok(value) => value,
            Err(error) => {
                self.problem(setting, describe(&error));
                self.defaults.get(setting).unwrap_or_default()
            }
        }
    }

    /// The value of a setting that may be absent.
    pub(super) fn optional<T: DeserializeOwned>(&mut self, setting: &str) -> Option<T> {
        self.asked.insert(setting.to_owned());
        match self.settings.get(setting) {
            Ok(value) => Some(value),
            Err(ConfigError::NotFound(_)) => None,
            Err(error) => {
                self.problem(setting, describe(&error));
                None
            }
        }
    }

    /// A setting that is parsed from text; a bad one is a problem with this reason.
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

    /// A list, or a text of words, as a variable can hold it.
    pub(super) fn words(&mut self, setting: &str) -> Vec<String> {
        match self.get(setting) {
            Words::List(words) => words,
            Words::Text(text) => text.split_whitespace().map(str::to_owned).collect(),
        }
    }

    /// A secret that may be absent.
    pub(super) fn secret(&mut self, setting: &str) -> Option<SecretString> {
        self.optional::<String>(setting).map(SecretString::from)
    }

    /// A whole number of seconds.
    pub(super) fn seconds(&mut self, setting: &str) -> Duration {
        Duration::from_secs(self.get(setting))
    }

    /// Remembers a problem.
    pub(super) fn problem(&mut self, setting: &str, reason: impl Into<String>) {
        self.problems.push(Problem::new(setting, reason));
    }

    /// Ends the reading: everything that nobody asked for is a problem too.
    pub(super) fn finish(mut self) -> Result<(), Problems> {
        let mut given = BTreeSet::new();
        collect_names("", &self.settings.cache, &mut given);
        for name in given.difference(&self.asked) {
            self.problems.push(Problem::new(name, "is not a setting"));
        }
        if self.problems.is_empty() { Ok(()) } else { Err(Problems(self.problems)) }
    }
}

/// The names of all settings that have a value.
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

/// What was expected; `config`'s own messages repeat the value.
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
        message if message.starts_with("unknown field") => {
            "has a member that is not known".to_owned()
        }
        _ => "has a value of the wrong form".to_owned(),
    }
}

/// Where the file goes wrong; the parser's message quotes the line, so only its position is told.
fn unreadable_source(file: Option<&Path>, error: &ConfigError) -> Problem {
    let setting = file.map_or_else(|| "settings".to_owned(), |file| file.display().to_string());
    let mut reason = "cannot be read".to_owned();
    if let ConfigError::FileParse { cause, .. } = error {
        let text = cause.to_string();
        let position = text.lines().next().filter(|line| line.starts_with("TOML parse error at"));
        position.unwrap_or("cannot be read as TOML").clone_into(&mut reason);
    }
    Problem::new(setting, reason)
}
