//! Describes every setting for documents, from the comments and values of `config/default.toml`.
//!
//! The comment lines directly above a setting describe it. A setting without a comment refers to
//! the setting above it. An optional setting without a default is commented out in this file.

use std::collections::{BTreeSet, HashMap};

use super::{
    reader::{DEFAULTS, Reader},
    reloaded::is_reloaded,
    sections::Settings,
};

/// The indentation of a comment line that continues the remark on a commented-out setting.
const CONTINUATION: &str = "        ";

/// One setting, for documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SettingDescription {
    pub(crate) section: String,
    pub(crate) name: String,
    /// The default as TOML; `None` for an optional setting.
    pub(crate) default: Option<String>,
    /// The type of the value in TOML.
    pub(crate) value_type: &'static str,
    /// The comment, with Markdown code spans.
    pub(crate) text: String,
    /// True when a new value takes effect while the service runs.
    pub(crate) is_reloaded: bool,
}

impl SettingDescription {
    /// The name of the environment variable.
    pub(crate) fn variable(&self) -> String {
        format!("KEEPER__{}", self.full_name().to_uppercase().replace('.', "__"))
    }

    /// The full name, as `section.name`.
    pub(crate) fn full_name(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }
}

/// Every setting, in the order of `config/default.toml`.
pub(crate) fn describe_settings() -> Vec<SettingDescription> {
    let known = known_settings();
    let defaults: toml::Table = DEFAULTS.parse().unwrap_or_default();
    let mut comments = scan_comments(DEFAULTS, &known);
    let scanned: BTreeSet<_> = comments.iter().map(Comment::full_name).collect();
    for name in known.difference(&scanned) {
        let (section, name) = name.rsplit_once('.').unwrap_or(("", name));
        let comment =
            Comment { section: section.to_owned(), name: name.to_owned(), text: String::new() };
        let last = comments.iter().rposition(|other| other.section == section);
        comments.insert(last.map_or(comments.len(), |last| last + 1), comment);
    }
    let describe = |comment: Comment| {
        let default = find(&defaults, &comment.section).and_then(|table| table.get(&comment.name));
        SettingDescription {
            default: default.map(ToString::to_string),
            value_type: default.map_or("string", toml::Value::type_str),
            is_reloaded: is_reloaded(&comment.full_name()),
            section: comment.section,
            name: comment.name,
            text: comment.text,
        }
    };
    comments.into_iter().map(describe).collect()
}

/// The table of a section, such as `keyring.transit`.
fn find<'toml>(defaults: &'toml toml::Table, section: &str) -> Option<&'toml toml::Table> {
    section.split('.').try_fold(defaults, |table, name| table.get(name)?.as_table())
}

/// The names of all settings, as `section.name`.
fn known_settings() -> BTreeSet<String> {
    let Ok(mut reader) = Reader::open(None, HashMap::new()) else { return BTreeSet::new() };
    Settings::take(&mut reader);
    reader.known().clone()
}

/// The comment of one setting.
struct Comment {
    section: String,
    name: String,
    text: String,
}

impl Comment {
    fn full_name(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }
}

fn scan_comments(text: &str, known: &BTreeSet<String>) -> Vec<Comment> {
    let mut comments: Vec<Comment> = Vec::new();
    let mut section = "";
    let mut pending: Vec<&str> = Vec::new();
    let mut follows_setting = false;
    // The last setting that has its own comment.
    let mut documented = None;
    for line in text.lines() {
        let is_known = |name: &str| known.contains(&format!("{section}.{name}"));
        let (own_text, name) = if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end().trim_end_matches(']');
            (String::new(), None)
        } else if let Some(comment) = line.strip_prefix('#') {
            match assignment(comment).filter(|(name, _)| is_known(name)) {
                Some((name, value)) => (remark(value), Some(name)),
                None if comment.starts_with(CONTINUATION) && follows_setting => {
                    if let Some(last) = comments.last_mut() {
                        last.text = format!("{} {}", last.text, without_brackets(comment));
                    }
                    continue;
                }
                None => {
                    pending.push(comment.trim());
                    follows_setting = false;
                    continue;
                }
            }
        } else {
            (String::new(), assignment(line).map(|(name, _)| name).filter(|name| is_known(name)))
        };
        let above = std::mem::take(&mut pending).join(" ");
        let Some(name) = name else {
            follows_setting = false;
            continue;
        };
        let is_optional = line.starts_with('#');
        let reference = documented.filter(|_| follows_setting && !is_optional);
        let reference = reference.map(|name| format!("See `{section}.{name}`."));
        let text = [above, own_text].into_iter().find(|text| !text.is_empty());
        if !is_optional && text.is_some() {
            documented = Some(name);
        } else if is_optional {
            documented = None;
        }
        let text = text.or(reference).unwrap_or_default();
        comments.push(Comment { section: section.to_owned(), name: name.to_owned(), text });
        follows_setting = true;
    }
    comments
}

/// The name and the rest of a line that assigns a value.
fn assignment(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once('=')?;
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let name = name.trim();
    (!name.is_empty() && name.chars().all(is_name)).then_some((name, value))
}

/// The remark after the value of a commented-out setting.
fn remark(value: &str) -> String {
    value.split_once('(').map(|(_, remark)| without_brackets(remark)).unwrap_or_default()
}

fn without_brackets(text: &str) -> String {
    text.trim().trim_start_matches('(').trim_end_matches(')').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_described_with_its_type_and_its_default() {
        let described = describe_settings();
        let names: BTreeSet<_> = described.iter().map(SettingDescription::full_name).collect();
        assert_eq!(names, known_settings());
        assert_eq!(names.len(), described.len());
        let find = |name: &str| {
            described.iter().find(|setting| setting.full_name() == name).unwrap().clone()
        };
        let listen = find("http.listen");
        assert_eq!(listen.default.as_deref(), Some("\"127.0.0.1:8080\""));
        assert_eq!((listen.value_type, listen.text.is_empty()), ("string", false));
        assert_eq!(listen.variable(), "KEEPER__HTTP__LISTEN");
        assert_eq!(find("hashing.memory_kib").value_type, "integer");
        let timeout = find("keyring.transit.timeout_seconds");
        assert_eq!((timeout.default.as_deref(), timeout.value_type), (Some("5"), "integer"));
        assert_eq!(timeout.variable(), "KEEPER__KEYRING__TRANSIT__TIMEOUT_SECONDS");
        for optional in
            ["database.url", "database.password_file", "keyring.file", "keyring.pkcs11.token"]
        {
            let setting = find(optional);
            assert_eq!(setting.default, None, "{optional}");
            assert!(!setting.text.is_empty(), "{optional}");
        }
    }

    #[test]
    fn comments_belong_to_the_settings_below_them() {
        let text = "# File.\n\n[a]\n# One,\n# in two lines.\nx = 1\ny = [\n    2,\n]\n\n# Lost.\n\n\
                    # z = \"v\"     (Three,\n#              continued)\n# Four.\nw = true\n";
        let known = ["a.x", "a.y", "a.z", "a.w"].map(str::to_owned).into();
        let comments = scan_comments(text, &known);
        let found: Vec<_> =
            comments.iter().map(|comment| (comment.name.as_str(), comment.text.as_str())).collect();
        let expected = [
            ("x", "One, in two lines."),
            ("y", "See `a.x`."),
            ("z", "Three, continued"),
            ("w", "Four."),
        ];
        assert_eq!(found, expected);
    }
}
