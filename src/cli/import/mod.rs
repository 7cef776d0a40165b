//! `import`: users with their credentials from a file of JSON lines. Clear-text values are hashed at
//! the engine's full rate; every line has its result, and none is in another's way.

mod checkpoint;
mod line;
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
use tokio::task::JoinSet;

use self::{
    checkpoint::Checkpoint, line::in_names_of_lines, reader::Lines, unfinished::Unfinished,
};
use super::{
    output::{self, Failure},
    progress, session,
};
use crate::{
    domain::{
        InvalidField, Reason,
        save_credential::{NewCredential, NewSecret},
        user::UserId,
    },
    service::{
        Service, StorageError,
        changes::ChangeUserError,
        credentials::SaveCredentialError,
        importing::{Imported, ImportedUser},
    },
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
    /// The file: one user as JSON on each line.
    file: PathBuf,
    /// Only look at what would be done.
    #[arg(long)]
    dry_run: bool,
}

/// What became of a line.
type Outcome = Result<(Imported, Option<UserId>), ChangeUserError>;

/// What became of lines that were written together, or what is wrong with more than one.
type Ended = Result<Vec<(u64, Outcome)>, ChangeUserError>;

/// An import on its way.
struct Import {
    service: Arc<Service>,
    is_dry_run: bool,
    checkpoint: Checkpoint,
    under_way: JoinSet<Ended>,
    /// Lines with nothing to hash, which are written together.
    batch: Vec<(u64, ImportedUser)>,
    unfinished: Unfinished,
    progress: ProgressBar,
    counts: Counts,
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
    let service = Arc::new(session::open_for_import().await?);
    let checkpoint = Checkpoint::open(&arguments.file)?;
    let done = if arguments.dry_run { 0 } else { checkpoint.lines() };
    let mut lines = Lines::open(&arguments.file, done)?;
    if done > 0 {
        output::complain(format_args!("goes on after line {done}"));
    }
    let mut import = Import {
        service,
        is_dry_run: arguments.dry_run,
        progress: progress::bar(lines.length(), "{msg}").with_position(lines.position()),
        checkpoint,
        under_way: JoinSet::new(),
        batch: Vec::new(),
        unfinished: Unfinished::default(),
        counts: Counts::default(),
        saved: Instant::now(),
    };
    let ended = import.run(&mut lines).await;
    import.finish(&lines, ended)
}

impl Import {
    /// Takes one line after the other until the end, a signal, or a failure of more than a line.
    async fn run(&mut self, lines: &mut Lines) -> Result<bool, Failure> {
        let mut signal = Box::pin(tokio::signal::ctrl_c());
        loop {
            let interrupted = futures_util::poll!(&mut signal).is_ready();
            let next = if interrupted { None } else { lines.next()? };
            let Some((number, text)) = next else {
                self.flush();
                while self.wait_for_one().await? {}
                return Ok(!interrupted);
            };
            self.unfinished.read(number);
            match text.and_then(|text| line::read(&text, &self.service.types)) {
                Ok(user) => self.start(number, user).await?,
                Err(problem) => self.failed(number, &problem)?,
            }
            self.look(lines, number)?;
        }
    }

    /// Starts a line as soon as there is room, and no other line of that user is under way.
    async fn start(&mut self, number: u64, user: ImportedUser) -> Result<(), Failure> {
        if self.unfinished.is_near(&user) {
            self.flush();
        }
        let most = self.service.hashing.capacity().threads * LINES_PER_THREAD;
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
        let (service, is_dry_run) = (Arc::clone(&self.service), self.is_dry_run);
        self.under_way
            .spawn(async move { Ok(vec![(number, import_one(&service, is_dry_run, user).await)]) });
        Ok(())
    }

    /// Starts the lines that wait for others like them.
    fn flush(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        if !batch.is_empty() {
            let service = Arc::clone(&self.service);
            self.under_way.spawn(async move { import_batch(&service, batch).await });
        }
    }

    /// Waits until something is done; false when nothing is under way.
    async fn wait_for_one(&mut self) -> Result<bool, Failure> {
        let Some(ended) = self.under_way.join_next().await else { return Ok(false) };
        // What is done is told, whatever else is wrong.
        let mut told = Ok(true);
        for (number, outcome) in ended.map_err(task_failed)?? {
            if let Err(failure) = self.done(number, outcome) {
                told = told.and(Err(failure));
            }
        }
        told
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
        self.say(number, &json!({ "line": number, "result": result, "user_id": user_id }))
    }

    fn failed(&mut self, number: u64, problem: &InvalidField) -> Result<(), Failure> {
        self.counts.failed += 1;
        let (field, reason) = (&problem.field, problem.reason.to_string());
        let told = json!({ "line": number, "result": "failed", "field": field, "reason": reason });
        self.say(number, &told)
    }

    /// Tells the result of a line, which is finished with that and not before.
    fn say(&mut self, number: u64, result: &Value) -> Result<(), Failure> {
        self.progress.suspend(|| output::report(result))?;
        self.unfinished.finish(number);
        Ok(())
    }

    /// Moves the bar, and now and then the checkpoint.
    fn look(&mut self, lines: &Lines, number: u64) -> Result<(), Failure> {
        self.progress.set_position(lines.position());
        if self.saved.elapsed() >= CHECKPOINT {
            self.saved = Instant::now();
            // Lines that wait for others like them would hold the checkpoint back.
            self.flush();
            let rate = self.progress.per_sec() * lines.lines_per_byte(number);
            self.progress.set_message(format!("{number} lines, {rate:.0}/s"));
            self.save(number)?;
        }
        Ok(())
    }

    /// All lines before the first that is unfinished are done.
    fn save(&mut self, number: u64) -> Result<(), Failure> {
        if self.is_dry_run {
            return Ok(());
        }
        self.checkpoint.save(self.unfinished.done_of(number))
    }

    fn finish(mut self, lines: &Lines, ended: Result<bool, Failure>) -> Result<ExitCode, Failure> {
        self.progress.finish_and_clear();
        let Counts { added, changed, failed } = self.counts;
        let would = if self.is_dry_run { " (dry run)" } else { "" };
        output::complain(format_args!("{added} added, {changed} changed, {failed} failed{would}"));
        if matches!(ended, Ok(true)) {
            if !self.is_dry_run {
                self.checkpoint.remove()?;
            }
            return Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        self.save(lines.number())?;
        if !self.is_dry_run {
            output::complain(format_args!(
                "stopped after line {}; the same command goes on there",
                self.checkpoint.lines()
            ));
        }
        ended.map(|_| ExitCode::FAILURE)
    }
}

async fn import_one(service: &Service, is_dry_run: bool, user: ImportedUser) -> Outcome {
    let origin = session::origin();
    let author = session::author(&origin);
    if is_dry_run {
        return service.try_import(author, &user).await;
    }
    let (imported, user_id) = service.import_user(author, user).await?;
    Ok((imported, Some(user_id)))
}

async fn import_batch(service: &Service, batch: Vec<(u64, ImportedUser)>) -> Ended {
    let origin = session::origin();
    let (numbers, users): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
    let outcomes = service.import_users(session::author(&origin), users).await?;
    let told = |done: (Imported, UserId)| (done.0, Some(done.1));
    let outcomes = outcomes.into_iter().map(|outcome| outcome.map(told));
    Ok(numbers.into_iter().zip(outcomes).collect())
}

/// True for a line whose hashes, if any, are ready.
fn has_nothing_to_hash(user: &ImportedUser) -> bool {
    let is_ready = |of: &NewCredential| matches!(of.secret, NewSecret::Hash(_));
    user.members.credentials.iter().all(is_ready)
}

/// What is wrong with one line, or what is wrong with all of them.
fn problem_of_line(error: ChangeUserError) -> Result<InvalidField, ChangeUserError> {
    match error {
        ChangeUserError::Invalid(problem) => Ok(in_names_of_lines(problem)),
        ChangeUserError::LoginNameTaken => Ok(InvalidField::new("login_name", Reason::Taken)),
        ChangeUserError::Credential(SaveCredentialError::IdentifierTaken) => {
            Ok(InvalidField::new("credentials", Reason::Taken))
        }
        // Of several reasons the first: a line's result has one.
        ChangeUserError::Credential(SaveCredentialError::PasswordRefused(reasons)) => {
            let first = reasons.into_iter().next().unwrap_or(Reason::Guessable);
            Ok(InvalidField::new("credentials.value", first))
        }
        ChangeUserError::Credential(SaveCredentialError::UnacceptableHash(reason)) => {
            Ok(InvalidField::new("credentials.hash", reason))
        }
        ChangeUserError::Credential(SaveCredentialError::TypeNotForUser) => {
            Ok(InvalidField::new("credentials", Reason::TypeNotForUser))
        }
        // Somebody held the user's row for long, or took the user away.
        ChangeUserError::UnknownUser
        | ChangeUserError::Outdated
        | ChangeUserError::Storage(StorageError::Busy(_))
        | ChangeUserError::Credential(
            SaveCredentialError::UnknownUser | SaveCredentialError::Storage(StorageError::Busy(_)),
        ) => Ok(InvalidField::new("login_name", Reason::Busy)),
        ChangeUserError::Storage(
            StorageError::Inconsistent { .. }
            | StorageError::Constraint(_)
            | StorageError::Refused(_),
        )
        | ChangeUserError::Credential(SaveCredentialError::Storage(
            StorageError::Inconsistent { .. }
            | StorageError::Constraint(_)
            | StorageError::Refused(_),
        )) => {
            tracing::error!(error = &error as &dyn std::error::Error, "a line was not imported");
            Ok(InvalidField::new("line", Reason::Damaged))
        }
        ChangeUserError::Forbidden
        | ChangeUserError::ProofOutdated
        | ChangeUserError::Credential(_)
        | ChangeUserError::Storage(_) => Err(error),
    }
}
