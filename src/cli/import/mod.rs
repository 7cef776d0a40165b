//! `import`: users with their credentials from a file of JSON lines. Clear-text values are hashed at
//! the engine's full rate; every line has its result, and none is in another's way.

mod checkpoint;
mod line;
mod problem;
mod reader;
mod unfinished;

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

use self::{
    checkpoint::{Checkpoint, NEEDS_A_FILE},
    problem::problem_of_line,
    reader::{Lines, RawLine, Source},
    unfinished::Unfinished,
};
use super::{
    command_context,
    output::{self, Failure},
    progress,
    stop::Stop,
};
use crate::{
    domain::{
        InvalidField,
        save_credential::{NewCredential, NewSecret},
        user::UserId,
    },
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
const CHECKPOINT: Duration = Duration::from_secs(1);

/// Lines under way, for each hashing thread: one is hashed while another is read or written.
const LINES_PER_THREAD: usize = 4;

/// Lines that are written together.
const BATCH: usize = 500;

/// The arguments of `import`.
#[derive(Args)]
pub(super) struct Arguments {
    /// The file: one user as JSON on each line; `-` is standard input.
    file: PathBuf,
    /// Only look at what would be done.
    #[arg(long)]
    dry_run: bool,
}

/// What became of a line.
type Outcome = Result<(Imported, Option<UserId>), ChangeUserError>;

/// Where the results of lines come in, as soon as each is known.
type Results = mpsc::UnboundedSender<(u64, Outcome)>;

/// An import on its way.
struct Import {
    components: Arc<Components>,
    is_dry_run: bool,
    /// `None`: standard input, which nobody can read twice.
    checkpoint: Option<Checkpoint>,
    /// Each ends with what is wrong with more than its lines.
    under_way: JoinSet<Result<(), ChangeUserError>>,
    results: (Results, mpsc::UnboundedReceiver<(u64, Outcome)>),
    /// Lines with nothing to hash, which are written together.
    batch: Vec<(u64, ImportedUser)>,
    unfinished: Unfinished,
    /// The line that was taken last.
    number: u64,
    progress: ProgressBar,
    counts: Counts,
    flushed: Instant,
    saved: Instant,
}

#[derive(Default)]
struct Counts {
    added: u64,
    changed: u64,
    failed: u64,
}

/// Runs the command.
pub(super) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let components = Arc::new(command_context::open_for_import().await?);
    let source = Source::from(arguments.file.as_path());
    let stop = Stop::listen()?;
    let checkpoint = Checkpoint::open(&source)?.filter(|_| !arguments.dry_run);
    let done = checkpoint.as_ref().map_or(0, Checkpoint::lines);
    let lines = Lines::open(&source, done)?;
    checkpoint.as_ref().map_or(Ok(()), Checkpoint::begin)?;
    if done > 0 {
        output::print_status(format_args!("goes on after line {done}"));
    }
    let progress = match lines.length() {
        Some(length) => progress::bar(length, "{msg}").with_position(lines.position()),
        None => progress::open_ended("{msg}"),
    };
    let mut import = Import {
        components,
        is_dry_run: arguments.dry_run,
        checkpoint,
        under_way: JoinSet::new(),
        results: mpsc::unbounded_channel(),
        batch: Vec::new(),
        unfinished: Unfinished::default(),
        number: lines.number(),
        progress,
        counts: Counts::default(),
        flushed: Instant::now(),
        saved: Instant::now(),
    };
    let ended = import.run(lines, stop).await;
    import.finish(ended).await
}

impl Import {
    /// Takes one line after the other until the end, a signal, or a failure of more than a line.
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
                // A pipe may wait for long; what is done is told meanwhile.
                Some((number, outcome)) = self.results.1.recv() => {
                    self.done(number, outcome)?;
                    self.save_if_due()?;
                    continue;
                }
                () = tokio::time::sleep(CHECKPOINT), if !self.batch.is_empty() => {
                    self.flush();
                    continue;
                }
            };
            let Some(RawLine { number, text, position }) = next else {
                self.flush();
                while self.wait_for_one().await? {}
                return Ok(true);
            };
            self.number = number;
            self.unfinished.read(number);
            match text
                .and_then(|text| line::read(&text, self.components.services.credentials.types()))
            {
                Ok(user) => self.start(number, user).await?,
                Err(problem) => self.failed(number, &problem)?,
            }
            self.look(position)?;
        }
    }

    /// Starts a line as soon as there is room, and no other line of that user is under way.
    async fn start(&mut self, number: u64, user: ImportedUser) -> Result<(), Failure> {
        if self.unfinished.is_near(&user) {
            self.flush();
        }
        let most = self.components.hashing.capacity().threads * LINES_PER_THREAD;
        while self.under_way.len() >= most || self.unfinished.is_near(&user) {
            if !self.wait_for_one().await? {
                break;
            }
        }
        self.unfinished.start(number, &user);
        if !self.is_dry_run && has_nothing_to_hash(&user) {
            self.batch.push((number, user));
            if self.batch.len() >= BATCH {
                self.flush();
            }
            return Ok(());
        }
        let (components, is_dry_run) = (Arc::clone(&self.components), self.is_dry_run);
        let results = self.results.0.clone();
        self.under_way.spawn(async move {
            // The receiver is gone only when the import has ended.
            let _ = results.send((
                number,
                import_one(&components.administration.user_import, is_dry_run, user).await,
            ));
            Ok(())
        });
        Ok(())
    }

    /// Starts the lines that wait for others like them.
    fn flush(&mut self) {
        self.flushed = Instant::now();
        let batch = std::mem::take(&mut self.batch);
        if !batch.is_empty() {
            let (components, results) = (Arc::clone(&self.components), self.results.0.clone());
            self.under_way.spawn(async move {
                import_batch(&components.administration.bulk_import, batch, &results).await
            });
        }
    }

    /// Waits until a line is done, or a task; false when nothing is under way. The checkpoint follows,
    /// whatever the lines are about and however long the last of them take.
    async fn wait_for_one(&mut self) -> Result<bool, Failure> {
        tokio::select! {
            biased;
            Some((number, outcome)) = self.results.1.recv() => self.done(number, outcome)?,
            ended = self.under_way.join_next() => match ended {
                None => return Ok(false),
                Some(ended) => ended.map_err(task_failed)??,
            },
        }
        self.save_if_due()?;
        Ok(true)
    }

    /// Finishes what is under way after a signal or a failure: what is done is told, whatever else is
    /// wrong.
    async fn finish_under_way(&mut self) {
        while !matches!(self.wait_for_one().await, Ok(false)) {}
    }

    /// A line is done; what is wrong with more than this line ends the import.
    fn done(&mut self, number: u64, outcome: Outcome) -> Result<(), Failure> {
        let (imported, user_id) = match outcome {
            Ok(done) => done,
            Err(error) => {
                let problem = problem_of_line(error)?;
                return self.failed(number, &problem);
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

    fn failed(&mut self, number: u64, problem: &InvalidField) -> Result<(), Failure> {
        self.counts.failed += 1;
        let (field, reason) = (&problem.field, problem.reason.to_string());
        let told = json!({ "line": number, "result": "failed", "field": field, "reason": reason });
        self.print_result(number, &told)
    }

    /// Tells the result of a line, which is finished with that and not before.
    fn print_result(&mut self, number: u64, result: &Value) -> Result<(), Failure> {
        self.progress.suspend(|| output::report(result))?;
        self.unfinished.finish(number);
        Ok(())
    }

    /// Moves the bar, and now and then the checkpoint.
    fn look(&mut self, position: u64) -> Result<(), Failure> {
        self.progress.set_position(position);
        if self.flushed.elapsed() >= CHECKPOINT {
            // Lines that wait for others like them would hold the checkpoint back.
            self.flush();
            let number = self.number;
            let rate = self.progress.per_sec() * lines_per_byte(number, position);
            self.progress.set_message(format!("{number} lines, {rate:.0}/s"));
        }
        self.save_if_due()
    }

    fn save_if_due(&mut self) -> Result<(), Failure> {
        if self.saved.elapsed() < CHECKPOINT {
            return Ok(());
        }
        self.saved = Instant::now();
        self.save()
    }

    /// All lines before the first that is unfinished are done.
    fn save(&mut self) -> Result<(), Failure> {
        let done = self.unfinished.done_of(self.number);
        self.checkpoint.as_mut().map_or(Ok(()), |checkpoint| checkpoint.save(done))
    }

    async fn finish(mut self, ended: Result<bool, Failure>) -> Result<ExitCode, Failure> {
        self.finish_under_way().await;
        self.progress.finish_and_clear();
        let Counts { added, changed, failed } = self.counts;
        let would = if self.is_dry_run { " (dry run)" } else { "" };
        output::print_status(format_args!(
            "{added} added, {changed} changed, {failed} failed{would}"
        ));
        if matches!(ended, Ok(true)) {
            self.checkpoint.map_or(Ok(()), Checkpoint::remove)?;
            return Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        let saved = self.save();
        match &self.checkpoint {
            Some(checkpoint) => output::print_status(format_args!(
                "stopped; the same command resumes after line {}",
                checkpoint.lines()
            )),
            None if self.is_dry_run => {}
            None => output::print_status(format_args!(
                "stopped after line {}; {NEEDS_A_FILE}",
                self.unfinished.done_of(self.number)
            )),
        }
        ended.and(saved).map(|()| ExitCode::FAILURE)
    }
}

/// How many lines a byte is, so far.
#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
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
    results: &Results,
) -> Result<(), ChangeUserError> {
    let client_info = command_context::client_info();
    let (numbers, users): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
    let tell = |place: usize, outcome: bulk::Outcome| {
        let outcome = outcome.map(|(imported, user_id)| (imported, Some(user_id)));
        if let Some(number) = numbers.get(place) {
            // As above: the import has ended.
            let _ = results.send((*number, outcome));
        }
    };
    import.import(command_context::change_context(&client_info), users, tell).await
}

/// True for a line whose hashes, if any, are ready.
fn has_nothing_to_hash(user: &ImportedUser) -> bool {
    let is_ready = |of: &NewCredential| matches!(of.secret, NewSecret::Hash(_));
    user.members.credentials.iter().all(is_ready)
}
