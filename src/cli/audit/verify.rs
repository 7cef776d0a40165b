//! `audit verify`: detects changes to the database that this service did not make.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use serde_json::{Value, json};

use super::{
    anchors::{self, AnchorLine},
    lines::{Line, json_object, read_lines},
};
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

/// Why an anchor with a wrong signature is invalid.
const FORGED: &str = "it is forged, or belongs to another installation";

/// Why a line that has the names of an anchor is no anchor.
const UNREADABLE: &str = "it was changed, cut or reformatted; look for its original";

/// The arguments of `audit verify`.
#[derive(Args)]
pub(in crate::cli) struct Arguments {
    /// Anchors to compare with the chains: a log in JSON, or the output of `audit anchor`. Lines can
    /// have a prefix, as in the output of `journalctl`.
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
    // A file that cannot be read is an error before the chains are verified, which can take hours.
    let anchor_lines = arguments.anchors.as_deref().map(anchors::read).transpose()?;
    let event_lines = arguments.events.as_deref().map(read_lines).transpose()?;
    let mut stop = Stop::listen()?;
    let mut verified = Verified::default();
    let outcome = async {
        verify_chains(audit, &mut verified, &mut stop).await?;
        if let Some(lines) = anchor_lines {
            verify_anchors(audit, lines, &mut verified, &mut stop).await?;
        }
        if let Some(lines) = event_lines {
            verify_copy(copy, lines, &mut verified, &mut stop).await?;
        }
        Ok::<_, Failure>(())
    }
    .await;
    // Findings before an error are printed, too.
    if outcome.is_ok() || verified.count() > 0 {
        verified.print(format)?;
    }
    outcome?;
    if stop.is_requested() {
        return Err(Failure::new("stopped before everything was verified; run the command again"));
    }
    if arguments.anchors.is_some() && !verified.has_anchors() {
        return Err(Failure::new(
            "no anchors found in the file; pass a log in JSON or the output of `audit anchor`",
        ));
    }
    if verified.copied.as_ref().is_some_and(|copied| copied.events == 0) {
        return Err(Failure::new(
            "no events found in the file; pass the file of a sink, with one event on each line",
        ));
    }
    Ok(if verified.count() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What was verified so far, and the findings.
#[derive(Default)]
struct Verified {
    chains: u64,
    anchors: u64,
    /// `None` before the copy of the stream is read.
    copied: Option<Copied>,
    findings: Vec<Finding>,
    /// The lines with an invalid anchor, and why it is invalid.
    invalid_anchors: Vec<(usize, &'static str)>,
}

impl Verified {
    /// The number of findings of all kinds.
    fn count(&self) -> usize {
        let invalid_events = self.copied.as_ref().map_or(0, |copied| copied.invalid);
        self.findings.len() + self.invalid_anchors.len() + invalid_events
    }

    /// True if the file has an anchor, valid or not.
    fn has_anchors(&self) -> bool {
        self.anchors > 0 || !self.invalid_anchors.is_empty()
    }

    /// Prints the findings and the numbers of what was verified.
    fn print(&self, format: Format) -> Result<(), Failure> {
        let row = |(user_id, discrepancy): &Finding| {
            [json!(user_id.as_i32()), Value::String(discrepancy.to_string())]
        };
        let rows: Vec<_> = self.findings.iter().map(row).collect();
        if !rows.is_empty() || format == Format::Json {
            output::print_rows(format, ["USER", "FINDING"], &rows)?;
        }
        for (number, reason) in &self.invalid_anchors {
            output::print_status(format_args!("line {number}: invalid anchor; {reason}"));
        }
        if let Some(copied) = &self.copied {
            copied.print();
        }
        output::print_status(format_args!(
            "{} chains and {} anchors verified, {} findings",
            self.chains,
            self.anchors,
            self.count()
        ));
        Ok(())
    }
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
    /// True if the last line was cut, by a crash or because it is still being written.
    is_cut: bool,
}

impl Copied {
    fn print(&self) {
        if let Some(line) = self.first_invalid {
            output::print_status(format_args!(
                "{} lines of the copy are no events; the first one is line {line}",
                self.invalid
            ));
        }
        if self.is_cut {
            output::print_status("the last line of the copy is incomplete and was left out");
        }
        output::print_status(format_args!(
            "the copy has {} events of {} chains",
            self.events, self.chains
        ));
    }
}

async fn verify_chains(
    audit: &ChainVerifier,
    verified: &mut Verified,
    stop: &mut Stop,
) -> Result<(), Failure> {
    let bar = progress::bar(audit.count().await?, progress::RATE);
    let mut after = 0;
    while let Some((last, count)) = audit.verify_after(after, &mut verified.findings).await? {
        after = last;
        verified.chains += count;
        bar.set_position(verified.chains);
        if stop.is_requested() {
            break;
        }
    }
    bar.finish_and_clear();
    Ok(())
}

async fn verify_anchors(
    audit: &ChainVerifier,
    lines: impl Iterator<Item = Result<AnchorLine, Failure>>,
    verified: &mut Verified,
    stop: &mut Stop,
) -> Result<(), Failure> {
    for line in lines {
        if stop.is_requested() {
            break;
        }
        let (number, anchor) = line?;
        let Some(anchor) = anchor else {
            verified.invalid_anchors.push((number, UNREADABLE));
            continue;
        };
        verified.anchors += 1;
        if audit.is_genuine(&anchor) {
            verified.findings.extend(audit.verify_anchor(&anchor).await?);
        } else {
            verified.invalid_anchors.push((number, FORGED));
        }
    }
    Ok(())
}

async fn verify_copy(
    mut copy: CopyVerifier,
    lines: impl Iterator<Item = Result<Line, Failure>>,
    verified: &mut Verified,
    stop: &mut Stop,
) -> Result<(), Failure> {
    let Verified { copied, findings, .. } = verified;
    let copied = copied.insert(Copied::default());
    for line in lines {
        if stop.is_requested() {
            break;
        }
        let Line { number, bytes, has_end } = line?;
        if bytes.trim_ascii().is_empty() {
            continue;
        }
        let is_event = match str::from_utf8(&bytes) {
            Ok(line) => copy.verify_line(line, findings).await?,
            Err(_) => false,
        };
        if is_event {
            copied.events += 1;
        } else if !has_end && json_object(&bytes).is_none() {
            // A copy may end anywhere, also within a line.
            copied.is_cut = true;
        } else {
            copied.invalid += 1;
            copied.first_invalid.get_or_insert(number);
        }
    }
    // After a stop, events may be missing only because they come later in the copy.
    if !stop.is_requested() {
        copy.report_gaps(findings);
    }
    copied.chains = copy.finish(findings).await?;
    Ok(())
}
