//! `doctor`: this installation beside the clauses of NIST SP 800-63B-4 and OWASP ASVS 5.0 that its
//! configuration decides (docs/reference/security-claims.md has every clause).

mod configured;
mod found;

use std::process::ExitCode;

use serde_json::{Value, json};

use self::{configured::configured, found::found};
use super::{
    command_context,
    output::{self, Failure, Format},
};

/// What became of one clause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is met.
    Pass,
    /// It is met as far as can be seen from here; this is what cannot.
    Note(String),
    /// It is not; this is the next step.
    Fail(String),
}

/// One clause, and what became of it.
pub(super) struct Finding {
    /// Where it stands, such as `ASVS 12.2.1`.
    clause: &'static str,
    what: &'static str,
    verdict: Verdict,
}

impl Finding {
    /// Met when `is_met`; otherwise `next` is to be done.
    fn new(clause: &'static str, what: &'static str, is_met: bool, next: &str) -> Self {
        let verdict = if is_met { Verdict::Pass } else { Verdict::Fail(next.to_owned()) };
        Self { clause, what, verdict }
    }

    /// The same, but nothing that makes the installation fail.
    fn advice(clause: &'static str, what: &'static str, is_met: bool, note: &str) -> Self {
        let verdict = if is_met { Verdict::Pass } else { Verdict::Note(note.to_owned()) };
        Self { clause, what, verdict }
    }
}

/// Prints each clause; exits 1 when one is not met.
pub(super) async fn run(format: Format) -> Result<ExitCode, Failure> {
    let settings = command_context::read_settings()?;
    let mut findings = configured(&settings);
    findings.extend(found(settings).await);
    let row = |finding: &Finding| {
        let (verdict, next) = match &finding.verdict {
            Verdict::Pass => ("pass", Value::Null),
            Verdict::Note(note) => ("note", json!(note)),
            Verdict::Fail(next) => ("FAIL", json!(next)),
        };
        [json!(verdict), json!(finding.clause), json!(finding.what), next]
    };
    let rows: Vec<_> = findings.iter().map(row).collect();
    output::rows(format, ["VERDICT", "CLAUSE", "WHAT", "NEXT STEP"], &rows)?;
    let is_failed = |finding: &&Finding| matches!(finding.verdict, Verdict::Fail(_));
    let failed = findings.iter().filter(is_failed).count();
    output::print_status(format_args!("{} clauses, {failed} not met", findings.len()));
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
