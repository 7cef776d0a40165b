//! `restore check`: proves that a restored database is complete and usable.

use std::{
    fmt::{self, Display},
    path::PathBuf,
    process::ExitCode,
};

use clap::Args;

use super::report::{LISTED, Report};
use crate::{
    cli::{
        audit::anchors::{self, AnchorLine},
        command_context,
        output::{self, Failure, Format},
        progress,
        stop::Stop,
    },
    clock,
    configuration::Settings,
    domain::database_history::HistoryCause,
    security::anchor::Anchor,
    service::{
        audit::verification::ChainVerifier,
        keys::keyring_check::KeyringMismatch,
        restore::{
            check::{AnchorGaps, RestoreCheck},
            problem::RestoreProblem,
        },
    },
    startup::{self, Components},
    storage::{self, Database, privileges::GrantedRole, untrusted_credentials::UntrustedKey},
};

/// The number of anchors that are compared with one statement.
const ANCHORS: usize = 500;

/// The arguments of `restore check`.
#[derive(Args)]
pub(in crate::cli) struct Arguments {
    /// Anchors to compare with the chains: a log in JSON, or the output of `audit anchor`. Lines can
    /// have a prefix, as in the output of `journalctl`.
    #[arg(long, value_name = "FILE")]
    anchors: Option<PathBuf>,
}

/// The numbers of what was checked so far.
#[derive(Default)]
struct Checked {
    chains: u64,
    identifiers: u64,
    untrusted: u64,
    anchors: u64,
    /// True if the file has an anchor, valid or not.
    has_anchors: bool,
    /// True if a signal stopped the check.
    was_stopped: bool,
}

impl Display for Checked {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { chains, identifiers, untrusted, anchors, .. } = self;
        write!(
            formatter,
            "{chains} users with their credentials and audit chains, {identifiers} identifiers, \
             {untrusted} untrusted credentials and {anchors} anchors checked"
        )
    }
}

/// Runs the command; exits 1 if there is a finding.
pub(super) async fn run(arguments: &Arguments, format: Format) -> Result<ExitCode, Failure> {
    let mut settings = command_context::read_settings()?;
    command_context::require(settings.problems_of_commands())?;
    // The hashing engine is not used.
    settings.hashing.threads = 1;
    // A file that cannot be read is an error before the check, which can take hours.
    let anchor_lines = arguments.anchors.as_deref().map(anchors::read).transpose()?;
    let database = startup::connect_for_command(&settings).await?;
    let (mut report, mut checked) = (Report::default(), Checked::default());
    let outcome = check_all(&settings, database, anchor_lines, &mut report, &mut checked).await;
    let count = report.count();
    // Findings before an error are printed, too.
    if outcome.is_ok() || count > 0 {
        report.print(format)?;
        match &outcome {
            Ok(Some(reason)) => output::print_status(format_args!("{reason}; {count} findings")),
            Ok(None) | Err(_) => output::print_status(format_args!("{checked}; {count} findings")),
        }
    }
    let is_complete = outcome?.is_none();
    if checked.was_stopped {
        return Err(Failure::new("stopped before everything was checked; run the command again"));
    }
    match &arguments.anchors {
        None if is_complete => output::print_status(
            "without --anchors, changes since the backup cannot be named; pass the log in JSON",
        ),
        Some(_) if is_complete && !checked.has_anchors => {
            return Err(Failure::new(
                "no anchors found in the file; pass a log in JSON or the output of `audit anchor`",
            ));
        }
        None | Some(_) => {}
    }
    Ok(if count == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Checks as much as the problems allow; returns why the rest was not checked, if it was not.
async fn check_all(
    settings: &Settings,
    database: Database,
    anchor_lines: Option<impl Iterator<Item = Result<AnchorLine, Failure>>>,
    report: &mut Report,
    checked: &mut Checked,
) -> Result<Option<&'static str>, Failure> {
    if !compare_migrations(&database, report).await? {
        return Ok(Some("the rest was not checked"));
    }
    startup::require_privileges(&database, GrantedRole::Service).await?;
    let keyring = startup::load_keyring(settings).await?;
    let components = startup::build(settings, database, keyring)?;
    let mismatches = components.administration.restore_check.check_keyring().await?;
    let is_unreadable = mismatches.iter().any(has_unreadable_rows);
    report.extend_general(mismatches);
    if is_unreadable {
        return Ok(Some("without its keys, the rest cannot be checked"));
    }
    check_rows(&components, anchor_lines, report, checked).await?;
    if !checked.was_stopped {
        print_change(&components).await?;
    }
    Ok(None)
}

/// True if the database was written with a key that the keyring lacks.
fn has_unreadable_rows(problem: &RestoreProblem) -> bool {
    matches!(
        problem,
        RestoreProblem::Keyring(KeyringMismatch::Missing(_) | KeyringMismatch::Wrong(_))
    )
}

/// Compares the migrations; false if the tables may differ from those that this binary reads.
async fn compare_migrations(database: &Database, report: &mut Report) -> Result<bool, Failure> {
    let difference = storage::compare_migrations(database).await?;
    let is_complete = difference.pending.is_empty();
    report.extend_general(difference.pending.into_iter().map(RestoreProblem::PendingMigration));
    report.extend_general(difference.unknown.into_iter().map(RestoreProblem::UnknownMigration));
    Ok(is_complete)
}

async fn check_rows(
    components: &Components,
    anchor_lines: Option<impl Iterator<Item = Result<AnchorLine, Failure>>>,
    report: &mut Report,
    checked: &mut Checked,
) -> Result<(), Failure> {
    let check = &components.administration.restore_check;
    let mut stop = Stop::listen()?;
    report.extend(check.check_tables(i64::try_from(LISTED).unwrap_or(i64::MAX)).await?);
    let verifier = &components.administration.chain_verifier;
    check_chains(verifier, report, checked, &mut stop).await?;
    check_credentials(check, report, checked, &mut stop).await?;
    if let Some(lines) = anchor_lines {
        check_anchors(check, lines, report, checked, &mut stop).await?;
    }
    checked.was_stopped = stop.is_requested();
    Ok(())
}

async fn check_chains(
    verifier: &ChainVerifier,
    report: &mut Report,
    checked: &mut Checked,
    stop: &mut Stop,
) -> Result<(), Failure> {
    let bar = progress::bar(verifier.count().await?, progress::RATE);
    let (mut after, mut found) = (0, Vec::new());
    while let Some((last, count)) = verifier.verify_after(after, &mut found).await? {
        let problems = found.drain(..);
        report.extend(problems.map(|(user_id, one)| (Some(user_id), RestoreProblem::Audit(one))));
        after = last;
        checked.chains += count;
        bar.set_position(checked.chains);
        if stop.is_requested() {
            break;
        }
    }
    bar.finish_and_clear();
    Ok(())
}

async fn check_credentials(
    check: &RestoreCheck,
    report: &mut Report,
    checked: &mut Checked,
    stop: &mut Stop,
) -> Result<(), Failure> {
    let spinner = progress::open_ended("identifiers and untrusted credentials: {pos}");
    let (mut after, mut found) = ((0, String::new()), Vec::new());
    while !stop.is_requested()
        && let Some((next, count)) = check.check_digests_after(&after, &mut found).await?
    {
        report.extend(found.drain(..));
        checked.identifiers += count;
        spinner.inc(count);
        after = next;
    }
    let mut after = UntrustedKey::default();
    while !stop.is_requested()
        && let Some((next, count)) = check.check_untrusted_after(&after, &mut found).await?
    {
        report.extend(found.drain(..));
        checked.untrusted += count;
        spinner.inc(count);
        after = next;
    }
    spinner.finish_and_clear();
    Ok(())
}

async fn check_anchors(
    check: &RestoreCheck,
    mut lines: impl Iterator<Item = Result<AnchorLine, Failure>>,
    report: &mut Report,
    checked: &mut Checked,
    stop: &mut Stop,
) -> Result<(), Failure> {
    let spinner = progress::open_ended("anchors: {pos}");
    let mut gaps = AnchorGaps::default();
    let outcome = async {
        let (mut batch, mut has_more) = (Vec::new(), true);
        while has_more && !stop.is_requested() {
            let filled = fill(&mut lines, &mut batch, report, checked);
            // The anchors before an error are compared, too.
            report.extend_general(check.compare_anchors(&batch, &mut gaps).await?);
            checked.anchors += u64::try_from(batch.len()).unwrap_or_default();
            spinner.set_position(checked.anchors);
            has_more = filled?;
        }
        Ok::<_, Failure>(())
    }
    .await;
    spinner.finish_and_clear();
    report.extend(gaps.into_problems());
    outcome
}

/// Reads the next anchors into a batch, and reports those that were changed or cut; false at the end
/// of the file.
fn fill(
    lines: &mut impl Iterator<Item = Result<AnchorLine, Failure>>,
    batch: &mut Vec<(usize, Anchor)>,
    report: &mut Report,
    checked: &mut Checked,
) -> Result<bool, Failure> {
    batch.clear();
    let mut count = 0;
    for line in lines.take(ANCHORS) {
        let (number, anchor) = line?;
        count += 1;
        checked.has_anchors = true;
        match anchor {
            Some(anchor) => batch.push((number, anchor)),
            None => report.extend_general([RestoreProblem::UnreadableAnchor(number)]),
        }
    }
    Ok(count == ANCHORS)
}

/// Says what the next start of `serve` ends, and what an operator must end.
async fn print_change(components: &Components) -> Result<(), Failure> {
    let change = components.restores.find_change(clock::now()).await?;
    if change.is_some_and(HistoryCause::ends_sessions) {
        output::print_status(
            "the database was restored: the next start of `serve` ends all sessions and tickets",
        );
    } else {
        output::print_status(
            "nothing shows that the database was restored; if it was, run `restore finish` to end all \
             sessions and tickets",
        );
    }
    Ok(())
}
