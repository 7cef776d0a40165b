//! `doctor --bundle`: writes what the support of this service needs to know into one archive, without
//! secrets.
//!
//! Every part is made on its own. A part that cannot be made says why, so that a bundle also helps when
//! the settings are invalid, or the database or the instance is away.

mod archive;
mod database;
mod instance;
mod platform;

use std::{fs, path::Path};

use serde_json::{Value, json};
use time::OffsetDateTime;

use self::archive::Archive;
use crate::{
    cli::{
        command_line::VERSION,
        output::{Failure, printable},
        stop::Stop,
    },
    clock,
    configuration::{self, Settings},
    service::operations::finding::{Finding, Verdict},
};

/// The folder of the files in the archive.
const FOLDER: &str = "credential-keeper-support";

/// Valid settings, and what `doctor` found about them.
#[derive(Clone, Copy)]
pub(super) struct CheckedSettings<'command> {
    pub(super) settings: &'command Settings,
    pub(super) findings: &'command [Finding],
}

/// Writes the bundle. `url` is the base URL of the running instance; without it, the settings name
/// the instance. `checked` is a failure if the settings are invalid.
///
/// # Errors
/// When the file exists or cannot be written, or a signal stops the command.
pub(super) async fn write(
    path: &Path,
    url: Option<&str>,
    checked: Result<CheckedSettings<'_>, &Failure>,
) -> Result<(), Failure> {
    let unwritable = |error: std::io::Error| {
        Failure::new(format!(
            "cannot write the bundle {}: {error}; name a file that does not exist yet",
            printable(&path.display().to_string())
        ))
    };
    let now = clock::now();
    // Before the file is created, so that a stop also removes it.
    let mut stop = Stop::listen()?;
    let archive = Archive::create(path, now.unix_timestamp()).map_err(unwritable)?;
    let written = tokio::select! {
        written = fill(archive, now, url, checked) => written.map_err(unwritable),
        () = stop.requested() => {
            Err(Failure::new("stopped; no bundle was written, run the command again"))
        }
    };
    // Half a bundle would look like a whole one.
    written.inspect_err(|_| drop(fs::remove_file(path)))
}

async fn fill(
    mut archive: Archive,
    now: OffsetDateTime,
    url: Option<&str>,
    checked: Result<CheckedSettings<'_>, &Failure>,
) -> std::io::Result<()> {
    let (findings, database) = match checked {
        Ok(CheckedSettings { settings, findings }) => {
            (described(findings), Box::pin(database::describe(settings)).await)
        }
        Err(failure) => (database::unavailable(failure), database::unavailable(failure)),
    };
    let settings = checked.ok().map(|checked| checked.settings);
    let instance = instance::describe(url).await;
    for (name, content) in [
        ("README.txt", README.to_owned()),
        ("version.txt", format!("{VERSION}\n")),
        ("settings.toml", effective_settings()),
        ("findings.json", pretty(&findings)),
        ("platform.json", pretty(&platform::describe(settings, now))),
        ("database.json", pretty(&database)),
        ("instance-ready.txt", instance.ready),
        ("instance-metrics.txt", instance.metrics),
        ("instance-errors.json", instance.errors),
    ] {
        archive.add(&format!("{FOLDER}/{name}"), &content)?;
    }
    archive.finish()
}

/// What the reader of a bundle must know.
const README: &str = "\
A support bundle of Credential Keeper. It contains no secrets: no passwords, keys, hashes, tickets or
tokens, and no data of users. It names hosts, files, database roles and key ids of the installation.

version.txt           version and build of the command that wrote the bundle
settings.toml         effective settings; each secret is replaced by \"redacted\"
findings.json         the requirements that `doctor` checked
platform.json         time, operating system, processors, memory, limits, self-test of the kernel
database.json         server, clock, migrations, keys and kinds of hashes
instance-ready.txt    readiness of the running instance
instance-metrics.txt  its metrics
instance-errors.json  its last alarms, errors and warnings, without values

If the settings are invalid, settings.toml has the problems, and findings.json and database.json are
not available.
";

fn effective_settings() -> String {
    configuration::effective_settings().map_or_else(
        |problems| {
            format!(
                "# The settings are not valid:\n# {}\n",
                problems.to_string().replace('\n', "\n# ")
            )
        },
        |text| format!("{text}\n"),
    )
}

fn described(findings: &[Finding]) -> Value {
    let describe = |finding: &Finding| {
        let (verdict, next_step) = match &finding.verdict {
            Verdict::Pass => ("pass", Value::Null),
            Verdict::Note(note) => ("note", json!(note)),
            Verdict::Fail(next_step) => ("fail", json!(next_step)),
        };
        json!({
            "verdict": verdict,
            "clause": finding.clause,
            "requirement": finding.requirement,
            "next_step": next_step,
        })
    };
    findings.iter().map(describe).collect()
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}
