//! Runs an import: reads, hashes and writes the users, and prints the result of each entry.

use std::{
    pin::pin,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Args;

use super::{
    arguments::{InputArguments, open},
    checkpoint::{Checkpoint, NEEDS_REGULAR_FILE},
    results::Results,
};
use crate::{
    cli::{
        command_context::{self, Operator, ReasonArgument},
        output::{self, Failure},
        progress,
        stop::Stop,
    },
    domain::change_context::ChangeContext,
    service::import::{
        file::{
            entry::EntryId,
            reading::{Entries, check_whole},
            repeated::Repeated,
        },
        run::{EntryResult, ImportRun, Importers, Report, Requester, RunOptions},
    },
    startup::Components,
};

/// How often the checkpoint is written.
const CHECKPOINT_PERIOD: Duration = Duration::from_secs(1);

/// The arguments of `import`.
#[derive(Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    input: InputArguments,
    /// Report the changes of every entry without making them.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    reason: ReasonArgument,
}

impl Requester for Operator {
    /// Each line and each batch is a request of its own.
    fn for_next(&self) -> Self {
        self.with_new_request_id()
    }

    fn change_context(&self) -> ChangeContext<'_> {
        Self::change_context(self)
    }
}

/// Prints results, and records in the checkpoint how far the import went.
struct Printer {
    printed: Results,
    /// `None` for standard input and dry runs.
    checkpoint: Option<Checkpoint>,
    shown_at: Instant,
    saved_at: Instant,
}

impl Report for Printer {
    type Error = Failure;

    fn result(&mut self, entry: &EntryId, result: EntryResult<'_>) -> Result<(), Failure> {
        match result {
            EntryResult::Imported(imported, user_id) => {
                self.printed.record_imported(entry, imported, user_id)
            }
            EntryResult::Failed(problem) => {
                if let Some(checkpoint) = &mut self.checkpoint {
                    checkpoint.note_failed(entry.number);
                }
                self.printed.record_failed(entry, problem)
            }
            EntryResult::Skipped(reason) => self.printed.record_skipped(entry, reason),
        }
    }

    fn dropped(&mut self, names: Vec<String>) {
        self.printed.count_dropped(names);
    }

    fn read(&mut self, number: u64, position: u64) {
        let progress = &self.printed.progress;
        progress.set_position(position);
        if self.shown_at.elapsed() >= CHECKPOINT_PERIOD {
            self.shown_at = Instant::now();
            let rate = progress.per_sec() * lines_per_byte(number, position);
            progress.set_message(format!("{number} {}, {rate:.0}/s", self.printed.units()));
        }
    }

    fn completed(&mut self, number: u64) -> Result<(), Failure> {
        // Before the checkpoint covers them.
        self.printed.flush()?;
        if self.saved_at.elapsed() < CHECKPOINT_PERIOD {
            return Ok(());
        }
        self.saved_at = Instant::now();
        self.save_checkpoint(number)
    }
}

/// Runs the command.
pub(in crate::cli) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let operator = arguments.reason.operator()?;
    let format = Arc::new(arguments.input.format()?);
    let components = Arc::new(command_context::open_for_import().await?);
    let source = arguments.input.source();
    let mut stop = Stop::listen()?;
    let checkpoint = Checkpoint::open(&source, &format)?.filter(|_| !arguments.dry_run);
    let done = checkpoint.as_ref().map_or(0, Checkpoint::lines);
    let failed = checkpoint.as_ref().map_or(0, Checkpoint::failed);
    let input = open(&source)?;
    let progress = match input.length {
        Some(length) => progress::bar(length, "{msg}"),
        None => progress::open_ended("{msg}"),
    };
    let repeated = if input.is_archive {
        Repeated::default()
    } else {
        tokio::select! {
            biased;
            () = stop.requested() => return Err(Failure::new("stopped; nothing was imported")),
            checked = check_whole(&format, &source) => checked?,
        }
    };
    checkpoint.as_ref().map_or(Ok(()), Checkpoint::begin)?;
    if done > 0 {
        let failed = if failed > 0 { format!("; {failed} failed before") } else { String::new() };
        output::print_status(format_args!("resuming after {} {done}{failed}", format.unit()));
    }
    let options = RunOptions { is_dry_run: arguments.dry_run, unit: format.unit(), done };
    let mut printer = Printer {
        printed: Results::new(format.unit(), arguments.dry_run, progress),
        checkpoint,
        shown_at: Instant::now(),
        saved_at: Instant::now(),
    };
    let mut import = ImportRun::new(importers(&components), operator, options);
    let ended = match Entries::read_ahead(format, input, done, repeated) {
        Ok(entries) => import.run(entries, pin!(stop.requested()), &mut printer).await,
        Err(error) => Err(error.into()),
    };
    printer.finish(import.completed(), ended)
}

fn importers(components: &Components) -> Importers {
    Importers {
        users: Arc::clone(&components.administration.user_import),
        bulk: Arc::clone(&components.administration.bulk_import),
        credentials: Arc::clone(&components.services.credentials),
        threads: components.hashing.capacity().threads,
        // A command is the work of an operator, who decides whether it fits into the maintenance.
        maintenance: Arc::default(),
    }
}

impl Printer {
    /// Saves the number of lines before the first unfinished one, which are all complete. Lines whose
    /// results could not be printed are imported again.
    fn save_checkpoint(&mut self, done: u64) -> Result<(), Failure> {
        if self.printed.is_incomplete() {
            return Ok(());
        }
        self.checkpoint.as_mut().map_or(Ok(()), |checkpoint| checkpoint.save(done))
    }

    fn finish(mut self, done: u64, ended: Result<bool, Failure>) -> Result<ExitCode, Failure> {
        let printed = self.printed.flush();
        let ended = ended.and_then(|is_complete| printed.map(|()| is_complete));
        self.printed.progress.finish_and_clear();
        self.printed.print_summary();
        if matches!(ended, Ok(true)) {
            let has_failed_before =
                self.checkpoint.as_ref().is_some_and(|saved| saved.failed() > 0);
            self.checkpoint.map_or(Ok(()), Checkpoint::remove)?;
            let has_failures = self.printed.has_failures() || has_failed_before;
            return Ok(if has_failures { ExitCode::FAILURE } else { ExitCode::SUCCESS });
        }
        let saved = self.save_checkpoint(done);
        let unit = self.printed.unit();
        match &self.checkpoint {
            Some(checkpoint) => output::print_status(format_args!(
                "stopped; run the same command to resume after {unit} {}",
                checkpoint.lines()
            )),
            None if self.printed.is_dry_run() => {}
            None => output::print_status(format_args!(
                "stopped after {unit} {done}; {NEEDS_REGULAR_FILE}"
            )),
        }
        ended.and(saved).map(|()| ExitCode::FAILURE)
    }
}

/// Average number of lines per byte.
#[expect(clippy::cast_precision_loss, reason = "an approximate rate for display")]
fn lines_per_byte(lines: u64, bytes: u64) -> f64 {
    lines as f64 / (bytes.max(1)) as f64
}
