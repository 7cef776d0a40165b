//! `audit verify`: detects changes to the database that this service did not make.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use serde_json::{Value, json};

use super::anchors;
use crate::{
    cli::{
        output::{self, Failure, Format},
        progress,
        stop::Stop,
    },
    service::audit::verification::{ChainVerifier, Finding},
};

/// The arguments of `audit verify`.
#[derive(Args)]
pub(in crate::cli) struct Arguments {
    /// Anchors to compare with the chains: a log in JSON, or the output of `audit anchor`.
    #[arg(long, value_name = "FILE")]
    anchors: Option<PathBuf>,
}

/// Runs the command; exits 1 if there is a finding.
pub(super) async fn run(
    audit: &ChainVerifier,
    arguments: &Arguments,
    format: Format,
) -> Result<ExitCode, Failure> {
    let mut findings = Vec::new();
    let mut stop = Stop::listen()?;
    let chains = verify_chains(audit, &mut findings, &mut stop).await?;
    let mut forged = Vec::new();
    let anchors = match &arguments.anchors {
        None => 0,
        Some(file) => verify_anchors(audit, file, &mut findings, &mut forged, &mut stop).await?,
    };
    let row = |(user_id, discrepancy): &Finding| {
        [json!(user_id.as_i32()), Value::String(discrepancy.to_string())]
    };
    let rows: Vec<_> = findings.iter().map(row).collect();
    if !rows.is_empty() || format == Format::Json {
        output::print_rows(format, ["USER", "FINDING"], &rows)?;
    }
    for number in &forged {
        output::print_status(format_args!(
            "line {number}: invalid anchor; it is forged, or belongs to another installation"
        ));
    }
    output::print_status(format_args!(
        "{chains} chains and {anchors} anchors verified, {} findings",
        findings.len() + forged.len()
    ));
    if stop.is_requested() {
        return Err(Failure::new("stopped before everything was verified; run the command again"));
    }
    if arguments.anchors.is_some() && anchors == 0 {
        return Err(Failure::new(
            "no anchors found in the file; pass a log in JSON or the output of `audit anchor`",
        ));
    }
    let is_clean = findings.is_empty() && forged.is_empty();
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn verify_chains(
    audit: &ChainVerifier,
    findings: &mut Vec<Finding>,
    stop: &mut Stop,
) -> Result<u64, Failure> {
    let bar = progress::bar(audit.count().await?, progress::RATE);
    let (mut after, mut verified) = (0, 0);
    while let Some((last, count)) = audit.verify_after(after, findings).await? {
        after = last;
        verified += count;
        bar.set_position(verified);
        if stop.is_requested() {
            break;
        }
    }
    bar.finish_and_clear();
    Ok(verified)
}

async fn verify_anchors(
    audit: &ChainVerifier,
    file: &Path,
    findings: &mut Vec<Finding>,
    forged: &mut Vec<usize>,
    stop: &mut Stop,
) -> Result<u64, Failure> {
    let mut count = 0;
    for line in anchors::read(file)? {
        if stop.is_requested() {
            break;
        }
        let (number, anchor) = line?;
        count += 1;
        if audit.is_genuine(&anchor) {
            findings.extend(audit.verify_anchor(&anchor).await?);
        } else {
            forged.push(number);
        }
    }
    Ok(count)
}
