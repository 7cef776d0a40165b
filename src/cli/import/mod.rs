//! `import`: users with their credentials from a file of JSON lines. Clear-text values are hashed at
//! the engine's full rate; every line has its result, and none is in another's way.

mod checkpoint;
mod line;
mod reader;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    pin::Pin,
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Args;
use futures_util::{StreamExt, stream::FuturesUnordered};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use self::{checkpoint::Checkpoint, line::in_names_of_lines, reader::Lines};
use super::{
    output::{self, Failure},
    session,
};
use crate::{
    domain::{InvalidField, user::UserId},
    service::{
        Service, StorageError,
        changes::ChangeUserError,
        credentials::SaveCredentialError,
        importing::{Imported, ImportedUser},
    },
};

/// How often the checkpoint is written.
const CHECKPOINT: Duration = Duration::from_secs(1);

/// Lines under way, for each hashing thread: one is hashed while another is read or written.
const LINES_PER_THREAD: usize = 4;

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
type UnderWay<'import> = Pin<Box<dyn Future<Output = (u64, Outcome)> + 'import>>;

/// An import on its way.
struct Import<'service> {
    service: &'service Service,
    is_dry_run: bool,
    checkpoint: Checkpoint,
    /// The canonical names of users whose lines are under way: another line of theirs waits.
    names: BTreeMap<u64, String>,
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
    let service = session::open_for_import().await?;
    let checkpoint = Checkpoint::open(&arguments.file)?;
    let done = if arguments.dry_run { 0 } else { checkpoint.lines() };
    let mut lines = Lines::open(&arguments.file, done)?;
    if done > 0 {
        output::complain(format_args!("goes on after line {done}"));
    }
    let mut import = Import {
        service: &service,
        is_dry_run: arguments.dry_run,
        progress: progress(&lines),
        checkpoint,
        names: BTreeMap::new(),
        counts: Counts::default(),
        saved: Instant::now(),
    };
    let ended = import.run(&mut lines).await;
    import.finish(&lines, ended)
}

impl Import<'_> {
    /// Takes one line after the other until the end, a signal, or a failure of more than a line.
    async fn run(&mut self, lines: &mut Lines) -> Result<bool, Failure> {
        let most = self.service.hashing.capacity().threads * LINES_PER_THREAD;
        let mut under_way: FuturesUnordered<UnderWay<'_>> = FuturesUnordered::new();
        let mut signal = Box::pin(tokio::signal::ctrl_c());
        let service = self.service;
        let is_dry_run = self.is_dry_run;
        loop {
            let interrupted = futures_util::poll!(&mut signal).is_ready();
            let next = if interrupted { None } else { lines.next()? };
            let Some((number, text)) = next else {
                while let Some((number, outcome)) = under_way.next().await {
                    self.done(number, outcome)?;
                }
                return Ok(!interrupted);
            };
            let user = match text.and_then(|text| line::read(&text, &service.types)) {
                Ok(user) => user,
                Err(problem) => {
                    self.failed(number, &problem)?;
                    continue;
                }
            };
            let name = user.login_name.canonical().to_owned();
            while under_way.len() >= most || self.names.values().any(|other| *other == name) {
                if let Some((number, outcome)) = under_way.next().await {
                    self.done(number, outcome)?;
                }
            }
            self.names.insert(number, name);
            under_way.push(Box::pin(async move {
                (number, import_one(service, is_dry_run, user).await)
            }));
            self.look(lines, number)?;
        }
    }

    /// A line is done; what is wrong with more than this line ends the import.
    fn done(&mut self, number: u64, outcome: Outcome) -> Result<(), Failure> {
        self.names.remove(&number);
        let (imported, user_id) = match outcome {
            Ok(done) => done,
            Err(error) => match problem_of_line(error) {
                Ok(problem) => return self.failed(number, &problem),
                Err(error) => {
                    // Not done: the next run begins with it.
                    self.names.insert(number, String::new());
                    return Err(error.into());
                }
            },
        };
        let (result, count) = match (imported, self.is_dry_run) {
            (Imported::Added, false) => ("added", &mut self.counts.added),
            (Imported::Added, true) => ("would_be_added", &mut self.counts.added),
            (Imported::Changed, false) => ("changed", &mut self.counts.changed),
            (Imported::Changed, true) => ("would_be_changed", &mut self.counts.changed),
        };
        *count += 1;
        let user_id = user_id.map(UserId::as_i32);
        self.say(&json!({ "line": number, "result": result, "user_id": user_id }))
    }

    fn failed(&mut self, number: u64, problem: &InvalidField) -> Result<(), Failure> {
        self.counts.failed += 1;
        let (field, reason) = (&problem.field, problem.reason.to_string());
        self.say(&json!({ "line": number, "result": "failed", "field": field, "reason": reason }))
    }

    fn say(&self, result: &Value) -> Result<(), Failure> {
        self.progress.suspend(|| output::say(result))
    }

    /// Moves the bar, and now and then the checkpoint.
    fn look(&mut self, lines: &Lines, number: u64) -> Result<(), Failure> {
        self.progress.set_position(lines.position());
        if self.saved.elapsed() >= CHECKPOINT {
            self.saved = Instant::now();
            let rate = self.progress.per_sec() * lines.lines_per_byte(number);
            self.progress.set_message(format!("{number} lines, {rate:.0}/s"));
            self.save(number)?;
        }
        Ok(())
    }

    /// All lines before the first that is under way are done.
    fn save(&mut self, number: u64) -> Result<(), Failure> {
        if self.is_dry_run {
            return Ok(());
        }
        let done = self.names.keys().next().map_or(number, |first| first - 1);
        self.checkpoint.save(done)
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
        output::complain(format_args!(
            "stopped after line {}; the same command goes on there",
            self.checkpoint.lines()
        ));
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

/// What is wrong with one line, or what is wrong with all of them.
fn problem_of_line(error: ChangeUserError) -> Result<InvalidField, ChangeUserError> {
    use crate::domain::Reason;
    match error {
        ChangeUserError::Invalid(problem) => Ok(in_names_of_lines(problem)),
        ChangeUserError::LoginNameTaken => Ok(InvalidField::new("login_name", Reason::Taken)),
        ChangeUserError::Credential(SaveCredentialError::IdentifierTaken) => {
            Ok(InvalidField::new("credentials", Reason::Taken))
        }
        ChangeUserError::Credential(SaveCredentialError::TypeNotForUser) => {
            Ok(InvalidField::new("credentials", Reason::TypeNotForUser))
        }
        // Somebody held the user's row for long; the others go on.
        ChangeUserError::Storage(StorageError::Busy(_))
        | ChangeUserError::Credential(SaveCredentialError::Storage(StorageError::Busy(_))) => {
            Ok(InvalidField::new("login_name", Reason::Busy))
        }
        ChangeUserError::Forbidden
        | ChangeUserError::UnknownUser
        | ChangeUserError::ProofOutdated
        | ChangeUserError::Outdated
        | ChangeUserError::Credential(_)
        | ChangeUserError::Storage(_) => Err(error),
    }
}

/// A bar on a terminal, and nothing elsewhere.
fn progress(lines: &Lines) -> ProgressBar {
    let bar = ProgressBar::new(lines.length());
    let template = "{bar:30} {percent:>3} % {msg} {eta} left";
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| {
        // The template is a constant that its test reads.
        ProgressStyle::default_bar()
    }));
    bar.set_position(lines.position());
    bar
}
