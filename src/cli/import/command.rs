//! Runs an import: reads, hashes and writes the users, and prints the result of each line.

use std::{
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Args;
use indicatif::ProgressBar;
use serde_json::{Value, json};
use tokio::{sync::mpsc, task::JoinSet};

use super::{
    checkpoint::{Checkpoint, NEEDS_REGULAR_FILE},
    line,
    problem::problem_of_line,
    reader::{Lines, RawLine, Source},
    unfinished::Unfinished,
};
use crate::{
    cli::{
        command_context,
        output::{self, Failure},
        progress,
        stop::Stop,
    },
    domain::{InvalidField, user::UserId},
    service::{
        errors::ChangeUserError,
        import::{
            bulk::{self, BulkImport},
            users::{Imported, ImportedUser, UserImport},
        },
    },
    startup::Components,
    telemetry::task_failed,
};

/// How often the checkpoint is written.
const CHECKPOINT_PERIOD: Duration = Duration::from_secs(1);

/// Lines in progress per hashing thread: one is hashed while others are read or written.
const LINES_PER_THREAD: usize = 4;

/// The most lines in a batch, which is written in one transaction.
const BATCH: usize = 500;

/// The arguments of `import`.
#[derive(Args)]
pub(in crate::cli) struct Arguments {
    /// File with one user as JSON per line; `-` is standard input.
    file: PathBuf,
    /// Report the changes of every line without making them.
    #[arg(long)]
    dry_run: bool,
}

/// The result of a line.
type Outcome = Result<(Imported, Option<UserId>), ChangeUserError>;

/// Receives the result of each line as soon as it is known.
type ResultSender = mpsc::UnboundedSender<(u64, Outcome)>;

/// A running import.
struct Import {
    components: Arc<Components>,
    is_dry_run: bool,
    /// `None` for standard input and dry runs.
    checkpoint: Option<Checkpoint>,
    /// Lines and batches in progress. A task fails if the failure affects more than its lines.
    in_progress: JoinSet<Result<(), ChangeUserError>>,
    result_sender: ResultSender,
    results: mpsc::UnboundedReceiver<(u64, Outcome)>,
    /// Lines with nothing to hash, which are written in batches.
    batch: Vec<(u64, ImportedUser)>,
    unfinished: Unfinished,
    /// Number of the last line that was read.
    number: u64,
    progress: ProgressBar,
    counts: Counts,
    flushed_at: Instant,
    saved_at: Instant,
}

#[derive(Default)]
struct Counts {
    added: u64,
    changed: u64,
    failed: u64,
}

/// Runs the command.
pub(in crate::cli) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let components = Arc::new(command_context::open_for_import().await?);
    let source = Source::from(arguments.file.as_path());
    let stop = Stop::listen()?;
    let checkpoint = Checkpoint::open(&source)?.filter(|_| !arguments.dry_run);
    let done = checkpoint.as_ref().map_or(0, Checkpoint::lines);
    let lines = Lines::open(&source, done)?;
    checkpoint.as_ref().map_or(Ok(()), Checkpoint::begin)?;
    if done > 0 {
        output::print_status(format_args!("resuming after line {done}"));
    }
    let progress = match lines.length() {
        Some(length) => progress::bar(length, "{msg}").with_position(lines.position()),
        None => progress::open_ended("{msg}"),
    };
    let (result_sender, results) = mpsc::unbounded_channel();
    let mut import = Import {
        components,
        is_dry_run: arguments.dry_run,
        checkpoint,
        in_progress: JoinSet::new(),
        result_sender,
        results,
        batch: Vec::new(),
        unfinished: Unfinished::default(),
        number: lines.number(),
        progress,
        counts: Counts::default(),
        flushed_at: Instant::now(),
        saved_at: Instant::now(),
    };
    let ended = import.run(lines, stop).await;
    import.finish(ended).await
}

impl Import {
    /// Processes lines until the end of input, a signal, or a failure that affects more than one
    /// line. Returns true at the end of input.
    async fn run(&mut self, lines: Lines, mut stop: Stop) -> Result<bool, Failure> {
        let mut lines = lines.read_ahead()?;
        loop {
            let next = tokio::select! {
                biased;
                () = stop.requested() => {
                    self.flush();
                    return Ok(false);
                }
                next = lines.recv() => next.transpose()?,
                // Input from a pipe can be slow; results are printed in the meantime.
                Some((number, outcome)) = self.results.recv() => {
                    self.record_outcome(number, outcome)?;
                    self.save_checkpoint_if_due()?;
                    continue;
                }
                () = tokio::time::sleep(CHECKPOINT_PERIOD), if !self.batch.is_empty() => {
                    self.flush();
                    continue;
                }
            };
            let Some(RawLine { number, text, position }) = next else {
                self.flush();
                while self.wait_for_next().await? {}
                return Ok(true);
            };
            self.number = number;
            self.unfinished.insert(number);
            let types = self.components.services.credentials.types();
            match text.and_then(|text| line::parse(&text, types)) {
                Ok(user) => self.start(number, user).await?,
                Err(problem) => self.record_failure(number, &problem)?,
            }
            self.update_progress(position)?;
        }
    }

    /// Starts a line when a slot is free and no other line of the same user is in progress.
    async fn start(&mut self, number: u64, user: ImportedUser) -> Result<(), Failure> {
        if self.unfinished.conflicts_with(&user) {
            self.flush();
        }
        let limit = self.components.hashing.capacity().threads * LINES_PER_THREAD;
        while self.in_progress.len() >= limit || self.unfinished.conflicts_with(&user) {
            if !self.wait_for_next().await? {
                break;
            }
        }
        self.unfinished.start(number, &user);
        let needs_hash = self.components.administration.bulk_import.needs_hash(&user);
        if !self.is_dry_run && !needs_hash {
            self.batch.push((number, user));
            if self.batch.len() >= BATCH {
                self.flush();
            }
            return Ok(());
        }
        let (components, is_dry_run) = (Arc::clone(&self.components), self.is_dry_run);
        let results = self.result_sender.clone();
        self.in_progress.spawn(async move {
            let import = &components.administration.user_import;
            // Sending fails only after the import has ended.
            let _ = results.send((number, import_one(import, is_dry_run, user).await));
            Ok(())
        });
        Ok(())
    }

    /// Starts writing the batch.
    fn flush(&mut self) {
        self.flushed_at = Instant::now();
        let batch = std::mem::take(&mut self.batch);
        if !batch.is_empty() {
            let (components, results) = (Arc::clone(&self.components), self.result_sender.clone());
            self.in_progress.spawn(async move {
                import_batch(&components.administration.bulk_import, batch, &results).await
            });
        }
    }

    /// Waits for the next result or the end of a task, then saves the checkpoint if it is due.
    /// Returns false if nothing is in progress.
    async fn wait_for_next(&mut self) -> Result<bool, Failure> {
        tokio::select! {
            biased;
            Some((number, outcome)) = self.results.recv() => self.record_outcome(number, outcome)?,
            ended = self.in_progress.join_next() => match ended {
                None => return Ok(false),
                Some(ended) => ended.map_err(task_failed)??,
            },
        }
        self.save_checkpoint_if_due()?;
        Ok(true)
    }

    /// Finishes the lines in progress after a signal or a failure, so that every completed line has
    /// a printed result.
    async fn finish_in_progress(&mut self) {
        while !matches!(self.wait_for_next().await, Ok(false)) {}
    }

    /// Prints the result of a line. A failure that affects more than this line ends the import.
    fn record_outcome(&mut self, number: u64, outcome: Outcome) -> Result<(), Failure> {
        let (imported, user_id) = match outcome {
            Ok(imported) => imported,
            Err(error) => {
                let problem = problem_of_line(error)?;
                return self.record_failure(number, &problem);
            }
        };
        let (result, count) = match (imported, self.is_dry_run) {
            (Imported::Added, false) => ("added", &mut self.counts.added),
            (Imported::Added, true) => ("would_be_added", &mut self.counts.added),
            (Imported::Changed, false) => ("changed", &mut self.counts.changed),
            (Imported::Changed, true) => ("would_be_changed", &mut self.counts.changed),
        };
        *count += 1;
        let user_id = user_id.map(UserId::as_i32);
        self.print_result(number, &json!({ "line": number, "result": result, "user_id": user_id }))
    }

    fn record_failure(&mut self, number: u64, problem: &InvalidField) -> Result<(), Failure> {
        self.counts.failed += 1;
        let (field, reason) = (&problem.field, problem.reason.to_string());
        let result =
            json!({ "line": number, "result": "failed", "field": field, "reason": reason });
        self.print_result(number, &result)
    }

    /// Prints the result of a line, which completes the line.
    fn print_result(&mut self, number: u64, result: &Value) -> Result<(), Failure> {
        self.progress.suspend(|| output::print_or_fail(result))?;
        self.unfinished.finish(number);
        Ok(())
    }

    /// Updates the progress bar, flushes the batch and saves the checkpoint when they are due.
    fn update_progress(&mut self, position: u64) -> Result<(), Failure> {
        self.progress.set_position(position);
        if self.flushed_at.elapsed() >= CHECKPOINT_PERIOD {
            // Lines that wait in the batch would keep the checkpoint from advancing.
            self.flush();
            let number = self.number;
            let rate = self.progress.per_sec() * lines_per_byte(number, position);
            self.progress.set_message(format!("{number} lines, {rate:.0}/s"));
        }
        self.save_checkpoint_if_due()
    }

    fn save_checkpoint_if_due(&mut self) -> Result<(), Failure> {
        if self.saved_at.elapsed() < CHECKPOINT_PERIOD {
            return Ok(());
        }
        self.saved_at = Instant::now();
        self.save_checkpoint()
    }

    /// Saves the number of lines before the first unfinished one, which are all complete.
    fn save_checkpoint(&mut self) -> Result<(), Failure> {
        let done = self.unfinished.completed_up_to(self.number);
        self.checkpoint.as_mut().map_or(Ok(()), |checkpoint| checkpoint.save(done))
    }

    async fn finish(mut self, ended: Result<bool, Failure>) -> Result<ExitCode, Failure> {
        self.finish_in_progress().await;
        self.progress.finish_and_clear();
        let Counts { added, changed, failed } = self.counts;
        let suffix = if self.is_dry_run { " (dry run)" } else { "" };
        output::print_status(format_args!(
            "{added} added, {changed} changed, {failed} failed{suffix}"
        ));
        if matches!(ended, Ok(true)) {
            self.checkpoint.map_or(Ok(()), Checkpoint::remove)?;
            return Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        let saved = self.save_checkpoint();
        match &self.checkpoint {
            Some(checkpoint) => output::print_status(format_args!(
                "stopped; run the same command to resume after line {}",
                checkpoint.lines()
            )),
            None if self.is_dry_run => {}
            None => output::print_status(format_args!(
                "stopped after line {}; {NEEDS_REGULAR_FILE}",
                self.unfinished.completed_up_to(self.number)
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

async fn import_one(import: &UserImport, is_dry_run: bool, user: ImportedUser) -> Outcome {
    let client_info = command_context::client_info();
    let context = command_context::change_context(&client_info);
    if is_dry_run {
        return import.preview(context, &user).await;
    }
    let (imported, user_id) = import.import(context, user).await?;
    Ok((imported, Some(user_id)))
}

async fn import_batch(
    import: &BulkImport,
    batch: Vec<(u64, ImportedUser)>,
    results: &ResultSender,
) -> Result<(), ChangeUserError> {
    let client_info = command_context::client_info();
    let (numbers, users): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
    let send = |index: usize, outcome: bulk::Outcome| {
        let outcome = outcome.map(|(imported, user_id)| (imported, Some(user_id)));
        if let Some(number) = numbers.get(index) {
            // Sending fails only after the import has ended.
            let _ = results.send((*number, outcome));
        }
    };
    import.import(command_context::change_context(&client_info), users, send).await
}
