//! `config`: checks and shows the settings.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Subcommand;
use serde_json::{Value, json};

use super::{
    command_context::invalid_settings,
    output::{self, Failure, Format, ReportFormat, printable},
};
use crate::{
    configuration::{self, EffectiveSetting, SettingDifference, Settings},
    startup,
};

/// The subcommands of `config`.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Check the settings and the files that they name, as `serve` does, and print all problems.
    Check {
        /// Also print the effective settings as TOML, without secrets. Problems are printed as
        /// comments.
        #[arg(long)]
        show: bool,
    },
    /// Show the effective settings, each with its origin: the default, a line of the file, an
    /// environment variable, or a systemd credential.
    ///
    /// Secrets are shown as "(set)". Fails like every command if a setting is unknown or invalid.
    Show {
        /// Format of the settings.
        #[arg(long, value_enum, conflicts_with = "json")]
        format: Option<ReportFormat>,
    },
    /// Compare the settings with those of another file, and say which differences take effect while
    /// the service runs; exit 1 if they differ.
    ///
    /// The environment variables apply to both. A secret is shown as "(set)".
    Diff {
        /// Another settings file.
        file: PathBuf,
    },
}

/// Runs a subcommand.
pub(super) fn run(command: &Command, format: Format) -> Result<ExitCode, Failure> {
    match command {
        Command::Check { show } => check(*show),
        Command::Diff { file } => diff(file, format),
        Command::Show { format: chosen } => show(ReportFormat::choose(*chosen, format)),
    }
}

fn check(show: bool) -> Result<ExitCode, Failure> {
    let mut effective = None;
    let problems = match Settings::from_environment() {
        Err(problems) => problems.0,
        Ok(settings) => {
            effective = show.then(configuration::effective_settings).transpose()?;
            startup::problems_of_serving(&settings)
        }
    };
    if let Some(effective) = &effective {
        output::print_result(format_args!("{effective}\n"))?;
    }
    // The complete output of `--show` is a valid TOML file.
    let prefix = if show { "# " } else { "" };
    for problem in &problems {
        output::print_result(format_args!("{prefix}{problem}"))?;
    }
    if problems.is_empty() {
        output::print_result(format_args!("{prefix}the settings are valid"))?;
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}

fn diff(file: &Path, format: Format) -> Result<ExitCode, Failure> {
    let differences = configuration::compare_with_file(file);
    let differences = differences.map_err(|problems| invalid_settings(&problems))?;
    let shown = |value: &Option<toml::Value>| {
        json!(value.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string))
    };
    let row = |difference: &SettingDifference| {
        let effect = if difference.is_reloaded { "reload" } else { "restart" };
        let SettingDifference { setting, now, new, .. } = difference;
        [json!(setting), shown(now), shown(new), json!(effect)]
    };
    let rows: Vec<_> = differences.iter().map(row).collect();
    output::print_rows(format, ["SETTING", "NOW", "NEW", "NEEDS"], &rows)?;
    Ok(if differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn show(format: ReportFormat) -> Result<ExitCode, Failure> {
    let settings = configuration::settings_with_origin();
    let settings = settings.map_err(|problems| invalid_settings(&problems))?;
    match format {
        ReportFormat::Table => {
            let row = |setting: &EffectiveSetting| {
                let value = json!(setting.value.to_string());
                [json!(setting.full_name()), value, json!(setting.origin.to_string())]
            };
            let rows: Vec<_> = settings.iter().map(row).collect();
            output::print_rows(Format::Table, ["SETTING", "VALUE", "ORIGIN"], &rows)?;
        }
        ReportFormat::Toml => print_toml(&settings)?,
        ReportFormat::Json => {
            let object = |setting: &EffectiveSetting| {
                Ok(json!({
                    "setting": setting.full_name(),
                    "value": serde_json::to_value(&setting.value)?,
                    "origin": setting.origin.kind(),
                    "source": setting.origin.to_string(),
                }))
            };
            output::print_json(&settings.iter().map(object).collect::<Result<Value, Failure>>()?)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints the settings as a TOML file with the origins as comments.
fn print_toml(settings: &[EffectiveSetting]) -> Result<(), Failure> {
    let mut section = "";
    for setting in settings {
        if setting.section != section {
            let gap = if section.is_empty() { "" } else { "\n" };
            section = &setting.section;
            output::print_result(format_args!("{gap}[{section}]"))?;
        }
        let origin = printable(&setting.origin.to_string());
        output::print_result(format_args!("{} = {}  # {origin}", setting.name, setting.value))?;
    }
    Ok(())
}
