//! `audit verify`: detects changes to the database that this service did not make.

use std::{
    fs::File,
    io::{BufRead, BufReader},
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
    service::audit::{
        stream::copy_verification::CopyVerifier,
        verification::{ChainVerifier, Finding},
    },
};

/// The arguments of `audit verify`.
#[derive(Args)]
pub(in crate::cli) struct Arguments {
    /// Anchors to compare with the chains: a log in JSON, or the output of `audit anchor`.
    #[arg(long, value_name = "FILE")]
    anchors: Option<PathBuf>,
    /// A copy of the audit stream to verify, and to compare with the database: the file of a sink, or
    /// lines of a collector that end with the JSON of an event.
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
}

/// Runs the command; exits 1 if there is a finding.
pub(super) async fn run(
    audit: &ChainVerifier,
    copy: CopyVerifier,
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
    let copied = match &arguments.events {
        None => None,
        Some(file) => Some(verify_copy(copy, file, &mut findings, &mut stop).await?),
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
    if let Some(copied) = &copied {
        copied.print();
    }
    let invalid = copied.as_ref().map_or(0, |copied| copied.invalid);
    output::print_status(format_args!(
        "{chains} chains and {anchors} anchors verified, {} findings",
        findings.len() + forged.len() + invalid
    ));
    if stop.is_requested() {
        return Err(Failure::new("stopped before everything was verified; run the command again"));
    }
    if arguments.anchors.is_some() && anchors == 0 {
        return Err(Failure::new(
            "no anchors found in the file; pass a log in JSON or the output of `audit anchor`",
        ));
    }
    if copied.is_some_and(|copied| copied.events == 0) {
        return Err(Failure::new(
            "no events found in the file; pass the file of a sink, with one event on each line",
        ));
    }
    let is_clean = findings.is_empty() && forged.is_empty() && invalid == 0;
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What a copy of the stream has.
#[derive(Default)]
struct Copied {
    events: usize,
    chains: usize,
    /// The lines that are no events, without empty ones.
    invalid: usize,
    /// The first of them.
    first_invalid: Option<usize>,
}

impl Copied {
    fn print(&self) {
        if let Some(line) = self.first_invalid {
            output::print_status(format_args!(
                "{} lines of the copy are no events; the first one is line {line}",
                self.invalid
            ));
        }
        output::print_status(format_args!(
            "the copy has {} events of {} chains",
            self.events, self.chains
        ));
    }
}

async fn verify_copy(
    mut copy: CopyVerifier,
    file: &Path,
    findings: &mut Vec<Finding>,
    stop: &mut Stop,
) -> Result<Copied, Failure> {
    let failed = |error| Failure::new(format!("cannot read {}: {error}", file.display()));
    let lines = BufReader::new(File::open(file).map_err(failed)?).split(b'\n');
    let mut copied = Copied::default();
    for (number, line) in (1..).zip(lines) {
        if stop.is_requested() {
            break;
        }
        let line = line.map_err(failed)?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let is_event = match str::from_utf8(&line) {
            Ok(line) => copy.verify_line(line, findings).await?,
            Err(_) => false,
        };
        if is_event {
            copied.events += 1;
        } else {
            copied.invalid += 1;
            copied.first_invalid.get_or_insert(number);
        }
    }
    copied.chains = copy.finish(findings).await?;
    Ok(copied)
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
