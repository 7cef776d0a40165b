//! `restore check`: proves that a restored database is complete and usable.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;

use super::report::{LISTED, Report};
use crate::{
    cli::{
        audit::anchors,
        command_context,
        output::{self, Failure, Format},
        progress,
        stop::Stop,
    },
    clock,
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
    /// Anchors to compare with the chains: a log in JSON, or the output of `audit anchor`.
    #[arg(long, value_name = "FILE")]
    anchors: Option<PathBuf>,
}

/// The numbers of what was checked.
#[derive(Default)]
struct Checked {
    chains: u64,
    identifiers: u64,
    untrusted: u64,
    anchors: u64,
}

/// Runs the command; exits 1 if there is a finding.
pub(super) async fn run(arguments: &Arguments, format: Format) -> Result<ExitCode, Failure> {
    let mut settings = command_context::read_settings()?;
    command_context::require(settings.problems_of_commands())?;
    // The hashing engine is not used.
    settings.hashing.threads = 1;
    let database = startup::connect(&settings).await?;
    let mut report = Report::default();
    if !compare_migrations(&database, &mut report).await? {
        return finish(&report, format, "the rest was not checked");
    }
    startup::require_privileges(&database, GrantedRole::Service).await?;
    let keyring = startup::load_keyring(&settings).await?;
    let components = startup::build(&settings, database, keyring)?;
    let check = &components.administration.restore_check;
    let mismatches = check.check_keyring().await?;
    let is_unreadable = mismatches.iter().any(has_unreadable_rows);
    report.extend_general(mismatches);
    if is_unreadable {
        return finish(&report, format, "without its keys, the rest cannot be checked");
    }
    let checked = check_rows(&components, arguments, &mut report).await?;
    print_change(&components).await?;
    let Checked { chains, identifiers, untrusted, anchors } = checked;
    let rest = format!(
        "{chains} users with their credentials and audit chains, {identifiers} identifiers, \
         {untrusted} untrusted credentials and {anchors} anchors checked"
    );
    let code = finish(&report, format, &rest)?;
    match &arguments.anchors {
        None => output::print_status(
            "without --anchors, changes since the backup cannot be named; pass the log in JSON",
        ),
        Some(_) if anchors == 0 => {
            return Err(Failure::new(
                "no anchors found in the file; pass a log in JSON or the output of `audit anchor`",
            ));
        }
        Some(_) => {}
    }
    Ok(code)
}

/// True if the database was written with a key that the keyring lacks.
fn has_unreadable_rows(problem: &RestoreProblem) -> bool {
    matches!(
        problem,
        RestoreProblem::Keyring(KeyringMismatch::Missing(_) | KeyringMismatch::Wrong(_))
    )
}

fn finish(report: &Report, format: Format, rest: &str) -> Result<ExitCode, Failure> {
    report.print(format)?;
    output::print_status(format_args!("{rest}; {} findings", report.count()));
    Ok(if report.count() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
    arguments: &Arguments,
    report: &mut Report,
) -> Result<Checked, Failure> {
    let check = &components.administration.restore_check;
    let mut stop = Stop::listen()?;
    report.extend(check.check_tables(i64::try_from(LISTED).unwrap_or(i64::MAX)).await?);
    let verifier = &components.administration.chain_verifier;
    let mut checked =
        Checked { chains: check_chains(verifier, report, &mut stop).await?, ..Checked::default() };
    check_credentials(check, report, &mut checked, &mut stop).await?;
    if let Some(file) = &arguments.anchors {
        checked.anchors = check_anchors(check, file, report, &mut stop).await?;
    }
    if stop.is_requested() {
        return Err(Failure::new("stopped before everything was checked; run the command again"));
    }
    Ok(checked)
}

async fn check_chains(
    verifier: &ChainVerifier,
    report: &mut Report,
    stop: &mut Stop,
) -> Result<u64, Failure> {
    let bar = progress::bar(verifier.count().await?, progress::RATE);
    let (mut after, mut checked, mut found) = (0, 0, Vec::new());
    while let Some((last, count)) = verifier.verify_after(after, &mut found).await? {
        let problems = found.drain(..);
        report.extend(problems.map(|(user_id, one)| (Some(user_id), RestoreProblem::Audit(one))));
        after = last;
        checked += count;
        bar.set_position(checked);
        if stop.is_requested() {
            break;
        }
    }
    bar.finish_and_clear();
    Ok(checked)
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
    file: &Path,
    report: &mut Report,
    stop: &mut Stop,
) -> Result<u64, Failure> {
    let spinner = progress::open_ended("anchors: {pos}");
    let (mut gaps, mut batch, mut count) = (AnchorGaps::default(), Vec::new(), 0);
    let mut lines = anchors::read(file)?;
    while !stop.is_requested() && fill(&mut lines, &mut batch)? {
        report.extend_general(check.compare_anchors(&batch, &mut gaps).await?);
        let length = u64::try_from(batch.len()).unwrap_or_default();
        count += length;
        spinner.inc(length);
    }
    spinner.finish_and_clear();
    report.extend(gaps.into_problems());
    Ok(count)
}

/// Reads the next anchors into an empty batch; false at the end of the file.
fn fill(
    lines: &mut impl Iterator<Item = Result<(usize, Anchor), Failure>>,
    batch: &mut Vec<(usize, Anchor)>,
) -> Result<bool, Failure> {
    batch.clear();
    for line in lines.take(ANCHORS) {
        batch.push(line?);
    }
    Ok(!batch.is_empty())
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
