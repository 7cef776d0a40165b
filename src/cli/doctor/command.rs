//! Runs `doctor` and prints its findings.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use serde_json::{Value, json};

use super::{
    audit_sinks::check_sinks, bundle, certificates::check_certificates, directory::check_directory,
    environment::check_environment, mail::check_mail, migration::check_migration,
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
}

/// Prints every requirement with its verdict; exits 1 if a requirement is not met.
pub(in crate::cli) async fn run(
    arguments: &Arguments,
    format: Format,
) -> Result<ExitCode, Failure> {
    let settings = command_context::read_settings()?;
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
    if let Some(path) = &arguments.bundle {
        Box::pin(bundle::write(path, &settings, &findings)).await?;
        output::print_status(format_args!("wrote the support bundle {}", path.display()));
    }
    let is_failed = |finding: &&Finding| matches!(finding.verdict, Verdict::Fail(_));
    let failed = findings.iter().filter(is_failed).count();
    output::print_status(format_args!("{} requirements checked, {failed} not met", findings.len()));
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
