//! Runs an import: reads, hashes and writes the users, and prints the result of each entry.

use std::{
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Args;
use tokio::{sync::mpsc, task::JoinSet};

use super::{
    checkpoint::{Checkpoint, NEEDS_REGULAR_FILE},
    entry::{Content, Entry, Problem},
    format::InputArguments,
    input::Input,
    line,
    problem::problem_of_line,
    reading::{Entries, Reading, check_whole},
    repeated::Repeated,
    results::Results,
    unfinished::Unfinished,
    writing::{Effect, Outcome, ResultSender, import_batch, run_one},
};
use crate::{
    cli::{
        command_context::{self, Operator, ReasonArgument},
        output::{self, Failure},
        progress,
        stop::Stop,
    },
    service::{
        errors::ChangeUserError,
        import::users::{Imported, ImportedUser},
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
    #[command(flatten)]
    input: InputArguments,
    /// Report the changes of every entry without making them.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    reason: ReasonArgument,
}

/// A running import.
struct Import {
    components: Arc<Components>,
    is_dry_run: bool,
    /// Each line and each batch is a request of its own.
    operator: Operator,
    /// `None` for standard input and dry runs.
    checkpoint: Option<Checkpoint>,
    /// Lines and batches in progress. A task fails if the failure affects more than its lines.
    in_progress: JoinSet<Result<(), ChangeUserError>>,
    result_sender: ResultSender,
    results: mpsc::UnboundedReceiver<(u64, Outcome)>,
    /// Lines with nothing to hash, which are written in batches.
    batch: Vec<(u64, ImportedUser)>,
    unfinished: Unfinished,
    /// Number of the last entry that was read.
    number: u64,
    printed: Results,
    flushed_at: Instant,
    saved_at: Instant,
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
    let input = Input::open(&source)?;
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
        output::print_status(format_args!("resuming after {} {done}", format.unit()));
    }
    let (result_sender, results) = mpsc::unbounded_channel();
    let mut import = Import {
        components,
        is_dry_run: arguments.dry_run,
        operator,
        checkpoint,
        in_progress: JoinSet::new(),
        result_sender,
        results,
        batch: Vec::new(),
        unfinished: Unfinished::default(),
        number: done,
        printed: Results::new(format.unit(), arguments.dry_run, progress),
        flushed_at: Instant::now(),
        saved_at: Instant::now(),
    };
    let ended = match Entries::read_ahead(format, input, done, repeated) {
        Ok(entries) => import.run(entries, stop).await,
        Err(failure) => Err(failure),
    };
    import.finish(ended).await
}

impl Import {
    /// Processes entries until the end of input, a signal, or a failure that affects more than one
    /// entry. Returns true at the end of input.
    async fn run(&mut self, mut entries: Entries, mut stop: Stop) -> Result<bool, Failure> {
        loop {
            let next = tokio::select! {
                biased;
                () = stop.requested() => {
                    self.flush();
                    return Ok(false);
                }
                next = entries.next() => next,
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
            match next {
                Ok(Reading::Entry(entry, position)) => self.process(entry, position).await?,
                Ok(Reading::End) => {
                    self.flush();
                    while self.wait_for_next().await? {}
                    return Ok(true);
                }
                Err(failure) => {
                    // What was read is imported, so that all entries up to here have a result.
                    self.flush();
                    return Err(failure);
                }
            }
        }
    }

    /// Starts an entry, or prints why there is nothing to import.
    async fn process(&mut self, entry: Entry, position: u64) -> Result<(), Failure> {
        let Entry { number, name, content, dropped } = entry;
        self.number = number;
        self.printed.count_dropped(dropped);
        self.unfinished.insert(number, name);
        let entry = self.unfinished.id(number);
        let types = self.components.services.credentials.types();
        match content {
            Content::Line(text) => match line::parse(&text, types) {
                Ok(user) => self.start(number, user).await?,
                Err(problem) => {
                    self.printed.print_failed(&entry, &problem.into())?;
                    self.unfinished.finish(number);
                }
            },
            Content::Invalid(problem) => {
                self.printed.print_failed(&entry, &problem)?;
                self.unfinished.finish(number);
            }
            Content::Repeated { other } => {
                let problem = Problem::repeated(self.printed.unit(), other);
                self.printed.print_failed(&entry, &problem)?;
                self.unfinished.finish(number);
            }
            Content::Skipped(reason) => {
                self.printed.print_skipped(&entry, reason)?;
                self.unfinished.finish(number);
            }
            Content::None => self.unfinished.finish(number),
        }
        self.update_progress(position)
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
        let effect = match (self.is_dry_run, self.unfinished.is_added(&user)) {
            (false, _) => Effect::Import,
            (true, is_added_before) => Effect::Preview { is_added_before },
        };
        let (components, results) = (Arc::clone(&self.components), self.result_sender.clone());
        let operator = self.operator.with_new_request_id();
        self.in_progress.spawn(async move {
            let import = &components.administration.user_import;
            // Sending fails only after the import has ended.
            let _ = results.send((number, run_one(import, &operator, effect, user).await));
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
            let operator = self.operator.with_new_request_id();
            self.in_progress.spawn(async move {
                let import = &components.administration.bulk_import;
                import_batch(import, &operator, batch, &results).await
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

    /// Prints the result of a line, which completes it. A failure that affects more than this line
    /// ends the import.
    fn record_outcome(&mut self, number: u64, outcome: Outcome) -> Result<(), Failure> {
        let entry = self.unfinished.id(number);
        match outcome {
            Ok((imported, user_id)) => {
                if self.is_dry_run && imported == Imported::Added {
                    self.unfinished.note_added(number);
                }
                self.printed.print_imported(&entry, imported, user_id)?;
            }
            Err(error) => {
                let problem = problem_of_line(error)?;
                self.printed.print_failed(&entry, &problem.into())?;
            }
        }
        self.unfinished.finish(number);
        Ok(())
    }

    /// Updates the progress bar, flushes the batch and saves the checkpoint when they are due.
    fn update_progress(&mut self, position: u64) -> Result<(), Failure> {
        let progress = &self.printed.progress;
        progress.set_position(position);
        if self.flushed_at.elapsed() >= CHECKPOINT_PERIOD {
            let (number, unit) = (self.number, self.printed.units());
            let rate = progress.per_sec() * lines_per_byte(number, position);
            progress.set_message(format!("{number} {unit}, {rate:.0}/s"));
            // Lines that wait in the batch would keep the checkpoint from advancing.
            self.flush();
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
        self.printed.progress.finish_and_clear();
        self.printed.print_summary();
        if matches!(ended, Ok(true)) {
            self.checkpoint.map_or(Ok(()), Checkpoint::remove)?;
            let has_failures = self.printed.has_failures();
            return Ok(if has_failures { ExitCode::FAILURE } else { ExitCode::SUCCESS });
        }
        let saved = self.save_checkpoint();
        let unit = self.printed.unit();
        match &self.checkpoint {
            Some(checkpoint) => output::print_status(format_args!(
                "stopped; run the same command to resume after {unit} {}",
                checkpoint.lines()
            )),
            None if self.is_dry_run => {}
            None => output::print_status(format_args!(
                "stopped after {unit} {}; {NEEDS_REGULAR_FILE}",
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
