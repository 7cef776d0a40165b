//! Runs `doctor` and prints its findings.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use serde_json::{Value, json};

use super::{
    audit_sinks::check_sinks,
    bundle::{self, CheckedSettings},
    certificates::check_certificates,
    directory::check_directory,
    environment::check_environment,
    mail::check_mail,
    migration::check_migration,
    telemetry::check_telemetry,
};
use crate::{
    cli::{
        command_context,
        output::{self, Failure, Format},
    },
    service::operations::finding::{Finding, Verdict},
    startup,
};

/// The arguments of `doctor`.
#[derive(Args)]
pub(in crate::cli) struct Arguments {
    /// Also write a support bundle to this file, which must not exist: a tar.gz with version, settings
    /// without secrets, metrics, database, platform and last errors.
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// Base URL of the running instance for the bundle, such as `http://127.0.0.1:9090` [default:
    /// `operations.listen` of the settings].
    #[arg(long, requires = "bundle")]
    url: Option<String>,
}

/// Prints every requirement with its verdict; exits 1 if a requirement is not met, or the settings
/// are invalid. In both cases, the bundle is written.
pub(in crate::cli) async fn run(
    arguments: &Arguments,
    format: Format,
) -> Result<ExitCode, Failure> {
    let settings = match command_context::read_settings() {
        Ok(settings) => settings,
        Err(failure) => return fail_with_bundle(arguments, failure).await,
    };
    let mut findings = startup::check_settings(&settings);
    findings.extend(check_certificates(&settings));
    if let Some(directory) = &settings.directory {
        findings.extend(check_directory(directory).await);
    }
    if let Some(mail) = &settings.mail {
        findings.extend(check_mail(&settings, mail).await);
    }
    if let Some(migration) = &settings.migration {
        findings.extend(check_migration(migration).await);
    }
    if let Some(telemetry) = &settings.telemetry {
        findings.extend(check_telemetry(telemetry).await);
    }
    findings.extend(check_sinks(&settings).await);
    // Boxed: the settings make this future large.
    findings.extend(Box::pin(check_environment(settings.clone())).await);
    let row = |finding: &Finding| {
        let (verdict, next_step) = match &finding.verdict {
            Verdict::Pass => ("pass", Value::Null),
            Verdict::Note(note) => ("note", json!(note)),
            Verdict::Fail(next_step) => ("FAIL", json!(next_step)),
        };
        [json!(verdict), json!(finding.clause), json!(finding.requirement), next_step]
    };
    let rows: Vec<_> = findings.iter().map(row).collect();
    output::print_rows(format, ["VERDICT", "CLAUSE", "WHAT", "NEXT STEP"], &rows)?;
    let checked = CheckedSettings { settings: &settings, findings: &findings };
    write_bundle(arguments, Ok(checked)).await?;
    let is_failed = |finding: &&Finding| matches!(finding.verdict, Verdict::Fail(_));
    let failed = findings.iter().filter(is_failed).count();
    output::print_status(format_args!("{} requirements checked, {failed} not met", findings.len()));
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Reports why the settings are invalid, and writes a bundle without the parts that need settings.
async fn fail_with_bundle(arguments: &Arguments, failure: Failure) -> Result<ExitCode, Failure> {
    if arguments.bundle.is_none() {
        return Err(failure);
    }
    // First, so that the reason is printed even if the bundle cannot be written.
    output::print_failure(&failure);
    write_bundle(arguments, Err(&failure)).await?;
    Ok(failure.exit_code())
}

/// Writes the bundle, if one is wanted.
async fn write_bundle(
    arguments: &Arguments,
    checked: Result<CheckedSettings<'_>, &Failure>,
) -> Result<(), Failure> {
    if let Some(path) = &arguments.bundle {
        Box::pin(bundle::write(path, arguments.url.as_deref(), checked)).await?;
        output::print_status(format_args!("wrote the support bundle {}", path.display()));
    }
    Ok(())
}
