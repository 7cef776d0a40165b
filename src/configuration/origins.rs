//! Finds where the value of each setting comes from.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::{self, Display},
    path::PathBuf,
};

use toml::de::{DeTable, DeValue};

use super::source_file::SettingsFile;

/// Where the value of a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// `config/default.toml`, which is part of the binary.
    Default,
    /// The file that `KEEPER_CONFIG` names, and the line of the setting.
    File { file: PathBuf, line: Option<usize> },
    /// An environment variable.
    Variable(String),
    /// A systemd credential that has the name of the setting.
    Credential,
}

impl Origin {
    /// The kind of origin, for programs.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File { .. } => "file",
            Self::Variable(_) => "environment",
            Self::Credential => "credential",
        }
    }
}

impl Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => formatter.write_str("default"),
            Self::File { file, line: Some(line) } => {
                write!(formatter, "{}:{line}", file.display())
            }
            Self::File { file, line: None } => write!(formatter, "{}", file.display()),
            Self::Variable(name) => formatter.write_str(name),
            Self::Credential => formatter.write_str("$CREDENTIALS_DIRECTORY"),
        }
    }
}

/// The settings of each source other than the defaults.
#[derive(Debug)]
pub(super) struct Origins {
    file: Option<PathBuf>,
    /// The lines of the settings in the file.
    lines: BTreeMap<String, usize>,
    /// The variables, by setting.
    variables: BTreeMap<String, String>,
}

impl Origins {
    /// Looks at the sources.
    pub(super) fn read(file: Option<&SettingsFile>, variables: &HashMap<String, String>) -> Self {
        // An empty variable counts as unset.
        let set = variables.iter().filter(|(_, value)| !value.is_empty());
        let by_setting = set.filter_map(|(name, _)| Some((setting(name)?, name.clone())));
        Self {
            file: file.map(|file| file.path.clone()),
            lines: file.map(|file| lines(&file.text)).unwrap_or_default(),
            variables: by_setting.collect(),
        }
    }

    /// The origin of the value of a setting.
    pub(super) fn of(&self, setting: &str) -> Origin {
        if let Some(variable) = self.variables.get(setting) {
            return Origin::Variable(variable.clone());
        }
        match (&self.file, self.lines.get(setting)) {
            (Some(file), Some(line)) => Origin::File { file: file.clone(), line: Some(*line) },
            _ => Origin::Default,
        }
    }
}

/// The setting of a variable.
fn setting(variable: &str) -> Option<String> {
    let name = variable.to_lowercase();
    Some(name.strip_prefix("keeper__")?.replace("__", "."))
}

/// The line of each setting in a TOML file, and of each table. The first line is 1.
fn lines(text: &str) -> BTreeMap<String, usize> {
    let mut lines = BTreeMap::new();
    if let Ok(file) = DeTable::parse(text) {
        collect("", file.get_ref(), text, &mut lines);
    }
    lines
}

fn collect(prefix: &str, table: &DeTable<'_>, text: &str, lines: &mut BTreeMap<String, usize>) {
    for (key, value) in table {
        let separator = if prefix.is_empty() { "" } else { "." };
        let name = format!("{prefix}{separator}{}", key.get_ref());
        if let DeValue::Table(table) = value.get_ref() {
            collect(&name, table, text, lines);
        }
        let before = text.get(..key.span().start).unwrap_or_default();
        lines.insert(name, 1 + before.matches('\n').count());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_has_its_line() {
        let text = "# Settings\n[http]\nlisten = \"x\"\nallowed_hosts = [\n  \"a\",\n]\n\
                    [keyring.transit]\nmount = \"\"\"\nm\n\"\"\"\nkey = \"k\"\n\
                    [[credentials.additional_types]]\nname = \"Pin\"\n";
        let lines = lines(text);
        for (setting, line) in [
            ("http.listen", 3),
            ("http.allowed_hosts", 4),
            ("keyring.transit.mount", 8),
            ("keyring.transit.key", 11),
            ("credentials.additional_types", 12),
        ] {
            assert_eq!(lines.get(setting), Some(&line), "{setting}: {lines:?}");
        }
    }

    #[test]
    fn a_variable_overrides_the_file_and_an_empty_one_does_not() {
        let variables = [
            ("KEEPER__HTTP__LISTEN", "x"),
            ("KEEPER__KEYRING__TRANSIT__KEY", "x"),
            ("KEEPER__LOG__LEVEL", ""),
            ("KEEPER_CONFIG", "x"),
            ("HOME", "/"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let origins = Origins::read(None, &variables);
        let variable = |name: &str| Origin::Variable(name.to_owned());
        assert_eq!(origins.of("http.listen"), variable("KEEPER__HTTP__LISTEN"));
        assert_eq!(origins.of("keyring.transit.key"), variable("KEEPER__KEYRING__TRANSIT__KEY"));
        assert_eq!(origins.of("log.level"), Origin::Default);
        assert_eq!(origins.of("log.format"), Origin::Default);
    }
}
