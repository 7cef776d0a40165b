//! Imports entries: parses, hashes and writes them, several at a time, and reports the result of each.
//! Clear-text values are hashed on all threads, and lines with nothing to hash are written in batches.

mod batch;
mod problem;
mod report;
mod requester;
mod unfinished;
mod writing;

use std::{pin::Pin, sync::Arc};

use tokio::{sync::mpsc, task::JoinSet};

use self::{
    batch::Batch,
    problem::problem_of_line,
    unfinished::Unfinished,
    writing::{Effect, Outcome, ResultSender, Results, import_batch, run_one},
};
pub(crate) use self::{
    report::{EntryResult, Report},
    requester::Requester,
};
use super::{
    bulk::BulkImport,
    file::{
        entry::{Content, Entry, Problem},
        error::InputError,
        line,
        reading::{Entries, Reading},
    },
    users::{Imported, ImportedUser, UserImport},
};
use crate::service::{
    credentials::saving::Credentials,
    errors::ChangeUserError,
    operations::maintenance::{Change, Maintenance},
};

/// Lines in progress per hashing thread: one is hashed while others are read or written.
const LINES_PER_THREAD: usize = 4;

/// The most batches in progress for each hashing thread: one is sealed while another is written.
const BATCHES_PER_THREAD: usize = 2;

/// What an import needs of the service.
#[derive(Clone)]
pub(crate) struct Importers {
    pub(crate) users: Arc<UserImport>,
    pub(crate) bulk: Arc<BulkImport>,
    pub(crate) credentials: Arc<Credentials>,
    /// The number of hashing threads.
    pub(crate) threads: usize,
    /// Holds the import while changes are refused.
    pub(crate) maintenance: Arc<Maintenance>,
}

/// The options of a run.
pub(crate) struct RunOptions {
    /// Report the changes without making them.
    pub(crate) is_dry_run: bool,
    /// What the numbers count: `line` or `entry`.
    pub(crate) unit: &'static str,
    /// The number of entries that an earlier run completed.
    pub(crate) done: u64,
}

/// A running import.
pub(crate) struct ImportRun<Q> {
    importers: Importers,
    requester: Q,
    options: RunOptions,
    /// Lines and batches in progress. A task fails if the failure affects more than its lines.
    in_progress: JoinSet<Result<(), ChangeUserError>>,
    result_sender: ResultSender,
    results: mpsc::UnboundedReceiver<Results>,
    /// Lines with nothing to hash, which are written in batches.
    batch: Batch,
    unfinished: Unfinished,
    /// Number of the last entry that was read.
    number: u64,
}

/// The next entry, once changes are allowed, and the change that begins with it.
async fn next_when_writable(
    entries: &mut Entries,
    maintenance: &Arc<Maintenance>,
) -> Result<(Reading, Change), InputError> {
    let change = maintenance.writable().await;
    Ok((entries.next().await?, change))
}

impl<Q: Requester> ImportRun<Q> {
    /// A run that has not started.
    pub(crate) fn new(importers: Importers, requester: Q, options: RunOptions) -> Self {
        let (result_sender, results) = mpsc::unbounded_channel();
        Self {
            importers,
            requester,
            number: options.done,
            options,
            in_progress: JoinSet::new(),
            result_sender,
            results,
            batch: Batch::new(),
            unfinished: Unfinished::default(),
        }
    }

    /// Processes entries until the end of input, a stop, or a failure that affects more than one
    /// entry, and waits for the lines in progress. Returns true at the end of input.
    ///
    /// # Errors
    /// The failure; lines that were completed have their results.
    pub(crate) async fn run<R: Report>(
        &mut self,
        entries: Entries,
        stop: Pin<&mut (dyn Future<Output = ()> + Send)>,
        report: &mut R,
    ) -> Result<bool, R::Error> {
        let mut ended = self.process_all(entries, stop, report).await;
        loop {
            match self.wait_for_next(report).await {
                Ok(false) => return ended,
                // A stop must not hide that the outcome of some lines is unknown.
                Err(failure) if ended.is_ok() => ended = Err(failure),
                // Only the first failure counts.
                Ok(true) | Err(_) => {}
            }
        }
    }

    /// Number of entries before the first one without a result.
    pub(crate) fn completed(&self) -> u64 {
        self.unfinished.completed_up_to(self.number)
    }

    async fn process_all<R: Report>(
        &mut self,
        mut entries: Entries,
        mut stop: Pin<&mut (dyn Future<Output = ()> + Send)>,
        report: &mut R,
    ) -> Result<bool, R::Error> {
        let maintenance = Arc::clone(&self.importers.maintenance);
        loop {
            let next = tokio::select! {
                biased;
                () = stop.as_mut() => {
                    self.flush();
                    return Ok(false);
                }
                // Lines whose change has begun end; the others wait while changes are refused.
                next = next_when_writable(&mut entries, &maintenance) => next,
                // Input from a pipe can be slow; results are reported in the meantime.
                Some(results) = self.results.recv() => {
                    self.record_all(results, report)?;
                    report.completed(self.completed())?;
                    continue;
                }
                () = tokio::time::sleep(batch::PERIOD), if !self.batch.is_empty() => {
                    self.flush();
                    continue;
                }
            };
            match next {
                Ok((Reading::Entry(entry, position), change)) => {
                    self.process(entry, position, &change, report).await?;
                }
                Ok((Reading::End, _)) => {
                    self.flush();
                    while self.wait_for_next(report).await? {}
                    return Ok(true);
                }
                Err(failure) => {
                    // What was read is imported, so that all entries up to here have a result.
                    self.flush();
                    return Err(failure.into());
                }
            }
        }
    }

    /// Starts an entry, or reports why there is nothing to import.
    async fn process<R: Report>(
        &mut self,
        entry: Entry,
        position: u64,
        change: &Change,
        report: &mut R,
    ) -> Result<(), R::Error> {
        let Entry { number, name, content, dropped } = entry;
        self.number = number;
        report.dropped(dropped);
        self.unfinished.insert(number, name);
        match content {
            Content::Line(text) => match line::parse(&text, self.importers.credentials.types()) {
                Ok(user) => self.start(number, (user, text.len()), change, report).await?,
                Err(problem) => self.fail(number, &problem.into(), report)?,
            },
            Content::Invalid(problem) => self.fail(number, &problem, report)?,
            Content::Repeated { other } => {
                self.fail(number, &Problem::repeated(self.options.unit, other), report)?;
            }
            Content::Skipped(reason) => {
                self.finish(number, EntryResult::Skipped(reason), report)?;
            }
            Content::None => self.unfinished.finish(number),
        }
        report.read(number, position);
        if self.batch.is_due() {
            // Lines that wait in the batch would keep `completed` from advancing.
            self.flush();
        }
        report.completed(self.completed())
    }

    /// Starts a line of that many bytes when a slot is free and no other line of the same user is in
    /// progress.
    async fn start<R: Report>(
        &mut self,
        number: u64,
        (user, bytes): (ImportedUser, usize),
        change: &Change,
        report: &mut R,
    ) -> Result<(), R::Error> {
        if self.unfinished.conflicts_with(&user) {
            self.flush();
        }
        let limit = self.importers.threads * LINES_PER_THREAD;
        while self.in_progress.len() >= limit || self.unfinished.conflicts_with(&user) {
            if !self.wait_for_next(report).await? {
                break;
            }
        }
        self.unfinished.start(number, &user);
        let is_dry_run = self.options.is_dry_run;
        if !is_dry_run && !self.importers.bulk.needs_hash(&user) {
            self.batch.push(number, user, bytes, change);
            if self.batch.is_full() {
                let limit = self.importers.threads * BATCHES_PER_THREAD;
                while self.in_progress.len() >= limit && self.wait_for_next(report).await? {}
                self.flush();
            }
            return Ok(());
        }
        let effect = match (is_dry_run, self.unfinished.is_added(&user)) {
            (false, _) => Effect::Import,
            (true, is_added_before) => Effect::Preview { is_added_before },
        };
        let (import, results) = (Arc::clone(&self.importers.users), self.result_sender.clone());
        let requester = self.requester.for_next();
        self.in_progress.spawn(change.include(async move {
            // Sending fails only after the import has ended.
            let _ = results.send(vec![(number, run_one(&import, &requester, effect, user).await)]);
            Ok(())
        }));
        Ok(())
    }

    /// Starts writing the batch.
    fn flush(&mut self) {
        let (batch, change) = self.batch.take();
        if let Some(change) = change {
            let (import, results) = (Arc::clone(&self.importers.bulk), self.result_sender.clone());
            let requester = self.requester.for_next();
            self.in_progress.spawn(
                change.include(
                    async move { import_batch(&import, &requester, batch, &results).await },
                ),
            );
        }
    }

    /// Waits for the next result or the end of a task. Returns false if nothing is in progress.
    async fn wait_for_next<R: Report>(&mut self, report: &mut R) -> Result<bool, R::Error> {
        tokio::select! {
            biased;
            Some(results) = self.results.recv() => self.record_all(results, report)?,
            ended = self.in_progress.join_next() => match ended {
                None => return Ok(false),
                Some(ended) => ended.map_err(|_| task_failed())??,
            },
        }
        report.completed(self.completed())?;
        Ok(true)
    }

    /// Reports results, which complete their lines. Returns the first failure that ends the import, but
    /// reports the other results first.
    fn record_all<R: Report>(&mut self, results: Results, report: &mut R) -> Result<(), R::Error> {
        let mut recorded = Ok(());
        for (number, outcome) in results {
            let outcome = self.record_outcome(number, outcome, report);
            recorded = recorded.and(outcome);
        }
        recorded
    }

    /// Reports the result of a line, which completes it. A failure that affects more than this line
    /// ends the import.
    fn record_outcome<R: Report>(
        &mut self,
        number: u64,
        outcome: Outcome,
        report: &mut R,
    ) -> Result<(), R::Error> {
        match outcome {
            Ok((imported, user_id)) => {
                if self.options.is_dry_run && imported == Imported::Added {
                    self.unfinished.note_added(number);
                }
                self.finish(number, EntryResult::Imported(imported, user_id), report)
            }
            Err(error) => {
                let problem = problem_of_line(error)?;
                self.fail(number, &problem.into(), report)
            }
        }
    }

    fn fail<R: Report>(
        &mut self,
        number: u64,
        problem: &Problem,
        report: &mut R,
    ) -> Result<(), R::Error> {
        self.finish(number, EntryResult::Failed(problem), report)
    }

    fn finish<R: Report>(
        &mut self,
        number: u64,
        result: EntryResult<'_>,
        report: &mut R,
    ) -> Result<(), R::Error> {
        report.result(&self.unfinished.id(number), result)?;
        self.unfinished.finish(number);
        Ok(())
    }
}

/// The error of a task that panicked, without the panic's message.
fn task_failed() -> InputError {
    InputError::new("a task panicked or was cancelled; see the log")
}
