//! Settings of the audit stream, in section `audit`.

use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use url::Url;

use super::{issuers::is_protected_in_transit, reader::Reader};

/// The longest name of a sink, which is a label of metrics.
const LONGEST_NAME: usize = 40;

/// The smallest `rotate_bytes`, besides 0.
const SMALLEST_FILE: u64 = 4096;

/// The bounds of `timeout_seconds`.
const TIMEOUTS: std::ops::RangeInclusive<u32> = 1..=60;

/// The bounds of `keep_files`.
const KEPT_FILES: std::ops::RangeInclusive<u32> = 1..=1000;

/// The sinks, and the bound of undelivered events.
#[derive(Debug, Clone)]
pub(crate) struct AuditStreamSettings {
    pub(crate) sinks: Vec<SinkSettings>,
    /// The undelivered events beyond which `refuses_when_full` decides.
    pub(crate) maximum_undelivered: u64,
    pub(crate) refuses_when_full: bool,
}

/// One entry of `audit.sinks`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum SinkSettings {
    /// A file, with one event on each line.
    File {
        name: String,
        file: PathBuf,
        #[serde(default = "default_rotate_bytes")]
        rotate_bytes: u64,
        #[serde(default = "default_keep_files")]
        keep_files: u32,
    },
    /// A server that receives signed requests.
    Webhook {
        name: String,
        url: String,
        key_file: PathBuf,
        ca_file: Option<PathBuf>,
        #[serde(default = "default_timeout_seconds")]
        timeout_seconds: u32,
    },
    /// A syslog server with TLS.
    Syslog {
        name: String,
        address: String,
        #[serde(default)]
        format: SyslogSetting,
        ca_file: Option<PathBuf>,
        certificate_file: Option<PathBuf>,
        key_file: Option<PathBuf>,
        #[serde(default = "default_timeout_seconds")]
        timeout_seconds: u32,
    },
}

/// The format of syslog messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SyslogSetting {
    #[default]
    Json,
    Cef,
}

fn default_rotate_bytes() -> u64 {
    100 * 1024 * 1024
}

fn default_timeout_seconds() -> u32 {
    10
}

fn default_keep_files() -> u32 {
    10
}

impl AuditStreamSettings {
    /// Reads the settings.
    pub(super) fn take(reader: &mut Reader) -> Self {
        let when_full =
            reader.parsed("audit.when_full", "must be refuse or continue", |text| match text {
                "refuse" => Some(true),
                "continue" => Some(false),
                _ => None,
            });
        let settings = Self {
            sinks: reader.get("audit.sinks"),
            maximum_undelivered: reader.get("audit.maximum_undelivered"),
            // The stricter value if even the default is invalid.
            refuses_when_full: when_full.unwrap_or(true),
        };
        if settings.maximum_undelivered == 0 {
            reader.problem("audit.maximum_undelivered", "must be at least 1");
        }
        for reason in sink_problems(&settings.sinks) {
            reader.problem("audit.sinks", reason);
        }
        settings
    }
}

impl SinkSettings {
    /// The name.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::File { name, .. } | Self::Webhook { name, .. } | Self::Syslog { name, .. } => {
                name
            }
        }
    }

    /// The file that it writes.
    fn file(&self) -> Option<&Path> {
        match self {
            Self::File { file, .. } => Some(file),
            Self::Webhook { .. } | Self::Syslog { .. } => None,
        }
    }

    /// True if a rotated file of this sink would have the name of this file.
    fn rotates_to(&self, other: &Path) -> bool {
        let Self::File { file, rotate_bytes, keep_files, .. } = self else { return false };
        let is_other = |number: u32| {
            let mut rotated = file.as_os_str().to_owned();
            rotated.push(format!(".{number}"));
            Path::new(&rotated) == other
        };
        *rotate_bytes != 0 && (1..=(*keep_files).min(*KEPT_FILES.end())).any(is_other)
    }

    /// True if the rotation of one of two sinks would rename or replace the file of the other one.
    fn collides_with(&self, other: &Self) -> bool {
        other.file().is_some_and(|file| self.rotates_to(file))
            || self.file().is_some_and(|file| other.rotates_to(file))
    }

    fn reasons(&self) -> Vec<&'static str> {
        match self {
            Self::File { file, rotate_bytes, keep_files, .. } => {
                let mut reasons = Vec::new();
                // It would hide that another sink has the same file.
                let has_parent = file.components().any(|part| part == Component::ParentDir);
                if !file.is_absolute() || has_parent {
                    reasons.push("file must be an absolute path without ..");
                }
                if *rotate_bytes != 0 && *rotate_bytes < SMALLEST_FILE {
                    reasons.push("rotate_bytes must be at least 4096, or 0 for no rotation");
                }
                if !KEPT_FILES.contains(keep_files) {
                    reasons.push("keep_files must be between 1 and 1000");
                }
                reasons
            }
            Self::Webhook { url, ca_file, timeout_seconds, .. } => {
                let mut reasons = Vec::new();
                let parsed = Url::parse(url).ok().filter(is_usable);
                if parsed.is_none() {
                    reasons.push(
                        "url must be an https URL without user name, password and query, such as \
                         https://siem.example.com/audit (http on loopback only)",
                    );
                } else if parsed.is_some_and(|url| url.scheme() == "http") && ca_file.is_some() {
                    reasons.push("ca_file has no effect without TLS; remove it");
                }
                reasons.extend(timeout_problem(*timeout_seconds));
                reasons
            }
            Self::Syslog { certificate_file, key_file, timeout_seconds, .. } => {
                let mut reasons = Vec::new();
                if certificate_file.is_some() != key_file.is_some() {
                    reasons.push("certificate_file and key_file must be set together");
                }
                reasons.extend(timeout_problem(*timeout_seconds));
                reasons
            }
        }
    }
}

/// Problems of the sinks, each with the name of its sink.
fn sink_problems(sinks: &[SinkSettings]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut reject = |text: String| problems.push(text);
    for (place, sink) in sinks.iter().enumerate() {
        let name = sink.name();
        if !is_name(name) {
            reject(
                "the name of a sink must have 1 to 40 lower-case letters, digits, hyphens and \
                 underscores"
                    .to_owned(),
            );
            continue;
        }
        for reason in sink.reasons() {
            reject(format!("{name}: {reason}"));
        }
        let before = sinks.get(..place).unwrap_or_default();
        if before.iter().any(|other| other.name() == name) {
            reject(format!("{name}: duplicate name; rename one of the sinks"));
        }
        if sink.file().is_some() && before.iter().any(|other| other.file() == sink.file()) {
            reject(format!("{name}: another sink has the same file; change one of them"));
        }
        if before.iter().any(|other| sink.collides_with(other)) {
            reject(format!(
                "{name}: a rotated file of one sink would have the name of another sink's file; \
                 move one of them to another folder"
            ));
        }
    }
    problems
}

fn timeout_problem(seconds: u32) -> Option<&'static str> {
    (!TIMEOUTS.contains(&seconds)).then_some("timeout_seconds must be between 1 and 60")
}

/// True for a URL that nobody can read or change requests to. Its path can be a secret.
fn is_usable(url: &Url) -> bool {
    is_protected_in_transit(url)
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none()
}

fn is_name(text: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    (1..=LONGEST_NAME).contains(&text.len()) && text.chars().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file_sink(name: &str, file: &str, rotate_bytes: u64, keep_files: u32) -> SinkSettings {
        SinkSettings::File { name: name.to_owned(), file: file.into(), rotate_bytes, keep_files }
    }

    #[test]
    fn two_sinks_never_have_one_file() {
        for (file, rotate_bytes, other, problem) in [
            ("/a/x", 4096, "/a/y", None),
            ("/a/x", 4096, "/b/x.1", None),
            ("/a/x", 4096, "/a/x.4", None),
            ("/a/x", 4096, "/a/x.01", None),
            ("/a/x", 0, "/a/x.1", None),
            ("/a/x", 4096, "/a/x.1", Some("a rotated file")),
            ("/a/x", 4096, "/a/./x.3", Some("a rotated file")),
            ("/a/x", 4096, "/a//x", Some("the same file")),
            ("/a/x", 4096, "/a/b/../x", Some("without ..")),
        ] {
            let sinks = [
                file_sink("one", file, rotate_bytes, 3),
                file_sink("other", other, rotate_bytes, 3),
            ];
            let reversed = [sinks[1].clone(), sinks[0].clone()];
            for sinks in [sinks, reversed] {
                let problems = sink_problems(&sinks);
                assert_eq!(problems.len(), usize::from(problem.is_some()), "{problems:?}");
                assert!(problem.is_none_or(|part| problems[0].contains(part)), "{problems:?}");
            }
        }
    }
}
