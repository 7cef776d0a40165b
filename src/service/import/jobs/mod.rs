//! Imports that administrators start in a browser: in the background, and one at a time on each
//! instance (docs/adr/0067-import-in-the-browser.md).
//!
//! The file is in memory only, and is freed when the import ends. So are the results, until the
//! instance stops or has run more imports.

mod job;
mod report;
pub(crate) mod results_text;

use std::{
    collections::VecDeque,
    ops::ControlFlow,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;
use zeroize::Zeroizing;

pub(crate) use self::job::{
    ImportJob, JobEnd, JobFailure, JobResult, JobState, Progress, ResultKind,
};
use self::report::{JobError, JobReport};
use super::{
    file::{
        csv::CsvOptions,
        entry::Entry,
        error::InputError,
        format::{Format, detect},
        input::{Input, Source},
        reading::{Entries, check},
        repeated::Repeated,
    },
    run::{ImportRun, Importers, Requester, RunOptions},
};
use crate::{
    clock,
    domain::{
        action_reason::ActionReason,
        change_context::ChangeContext,
        client_info::ClientInfo,
        principal::{Actor, Principal},
    },
    service::{errors::ChangeUserError, user_transaction::UserTransactions},
};

/// The number of imports that an instance remembers.
const REMEMBERED: usize = 10;

/// The most entries of a file, which bounds the memory of the results.
const MAXIMUM_ENTRIES: u64 = 100_000;

/// How many times longer than the largest file a file may be after decompression.
const DECOMPRESSION: u64 = 8;

/// The longest time that a form that was sent twice waits for its first copy.
const DUPLICATE_TIMEOUT: Duration = Duration::from_secs(5);

/// A file whose import has not begun.
pub(crate) type ImportFile = Zeroizing<Vec<u8>>;

/// There is no place for an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PlaceError {
    /// The form was sent before.
    Known,
    /// Another import is in progress on this instance.
    Busy,
}

/// The administrator who starts an import.
#[derive(Clone)]
pub(crate) struct JobRequester {
    pub(crate) principal: Principal,
    pub(crate) client_info: ClientInfo,
    pub(crate) reason: Option<ActionReason>,
}

impl Requester for JobRequester {
    /// All lines are changes of the request that brought the file.
    fn for_next(&self) -> Self {
        self.clone()
    }

    fn change_context(&self) -> ChangeContext<'_> {
        let actor = Actor::Principal(&self.principal);
        let reason = self.reason.as_ref();
        ChangeContext { actor, client_info: &self.client_info, reason, now: clock::now() }
    }
}

/// Runs imports.
pub(crate) struct ImportJobs {
    pub(crate) importers: Importers,
    pub(crate) transactions: Arc<UserTransactions>,
    /// The largest file, in bytes.
    pub(crate) maximum_bytes: usize,
    pub(crate) state: Mutex<State>,
    /// Wakes those who wait for the place.
    pub(crate) freed: Notify,
}

/// The import in progress, and the last ones.
#[derive(Default)]
pub(crate) struct State {
    /// The id of the form whose file is received or imported.
    taken: Option<String>,
    /// Newest first.
    jobs: VecDeque<Arc<ImportJob>>,
}

/// The place of an import on this instance, which is free again when this is dropped.
pub(crate) struct Place {
    jobs: Arc<ImportJobs>,
    id: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.jobs.state().taken = None;
        self.jobs.freed.notify_waiters();
    }
}

impl ImportJobs {
    /// Fails unless the actor may import now, also in a dry run: its results say who exists.
    ///
    /// # Errors
    /// See [`ChangeUserError`].
    pub(crate) fn authorize(&self, context: ChangeContext<'_>) -> Result<(), ChangeUserError> {
        if !context.actor.may_administer_users() {
            return Err(ChangeUserError::Forbidden);
        }
        Ok(self.transactions.require_sensitive(context)?)
    }

    /// Takes the place for the import of a form with that id. A second copy of the form waits until
    /// the file of the first is received or was cut off.
    ///
    /// # Errors
    /// When the form was sent before, or another import is in progress.
    pub(crate) async fn take_place(self: Arc<Self>, id: String) -> Result<Place, PlaceError> {
        let waiting = async {
            loop {
                let freed = self.freed.notified();
                match self.try_take(&id) {
                    Some(taken) => return taken,
                    None => freed.await,
                }
            }
        };
        let taken = tokio::time::timeout(DUPLICATE_TIMEOUT, waiting).await;
        // There is no import to show while the file of the first copy is received.
        taken.unwrap_or(Err(PlaceError::Busy))?;
        Ok(Place { jobs: self, id })
    }

    /// Takes the place; `None` while the file of the same form is received.
    fn try_take(&self, id: &str) -> Option<Result<(), PlaceError>> {
        let mut state = self.state();
        if state.jobs.iter().any(|job| job.id == id) {
            return Some(Err(PlaceError::Known));
        }
        match &state.taken {
            None => state.taken = Some(id.to_owned()),
            Some(taken) if taken == id => return None,
            Some(_) => return Some(Err(PlaceError::Busy)),
        }
        Some(Ok(()))
    }

    /// Starts the import of a file, and returns at once. The caller runs on the runtime of use cases.
    pub(crate) fn start(
        &self,
        place: Place,
        requester: JobRequester,
        is_dry_run: bool,
        file: ImportFile,
    ) {
        let name = requester.principal.user.login_name.clone();
        let job = Arc::new(ImportJob::new(place.id.clone(), name, is_dry_run, clock::now()));
        let mut state = self.state();
        state.jobs.push_front(Arc::clone(&job));
        state.jobs.truncate(REMEMBERED);
        drop(state);
        self.freed.notify_waiters();
        let importers = self.importers.clone();
        let maximum = u64::try_from(self.maximum_bytes).unwrap_or(u64::MAX);
        let source = Source::Memory(Arc::new(file), maximum.saturating_mul(DECOMPRESSION));
        tokio::spawn(async move {
            let end = run(importers, requester, &job, source).await;
            job.end(end);
            drop(place);
        });
    }

    /// The import with that id, if this instance remembers it.
    pub(crate) fn find(&self, id: &str) -> Option<Arc<ImportJob>> {
        self.state().jobs.iter().find(|job| job.id == id).cloned()
    }

    /// The last imports of this instance, newest first.
    pub(crate) fn list(&self) -> Vec<Arc<ImportJob>> {
        self.state().jobs.iter().cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Checks the whole file, then imports it.
async fn run(
    importers: Importers,
    requester: JobRequester,
    job: &Arc<ImportJob>,
    source: Source,
) -> JobEnd {
    let checking = tokio::task::spawn_blocking(move || prepare(&source));
    let checked = tokio::select! {
        () = job.canceled() => return JobEnd::Canceled,
        checked = checking => checked,
    };
    let (format, input, repeated) = match checked {
        Ok(Ok(prepared)) => prepared,
        Ok(Err(error)) => return JobEnd::Refused(error.to_string()),
        Err(_) => return JobEnd::Failed(JobFailure::Unavailable),
    };
    job.begin(input.length.unwrap_or_default());
    let unit = format.unit();
    let entries = match Entries::read_ahead(Arc::new(format), input, 0, repeated) {
        Ok(entries) => entries,
        Err(error) => return JobEnd::Refused(error.to_string()),
    };
    let options = RunOptions { is_dry_run: job.is_dry_run, unit, done: 0 };
    let mut import = ImportRun::new(importers, requester, options);
    let ended = import.run(entries, pin!(job.canceled()), &mut JobReport(Arc::clone(job))).await;
    match ended {
        Ok(true) => JobEnd::Completed,
        Ok(false) => JobEnd::Canceled,
        Err(JobError::Change(error)) => {
            tracing::error!(error = &error as &dyn std::error::Error, "an import ended early");
            JobEnd::Failed(JobFailure::of(&error))
        }
        Err(JobError::Input(error)) => {
            tracing::error!(error = &error as &dyn std::error::Error, "an import ended early");
            JobEnd::Failed(JobFailure::Unavailable)
        }
    }
}

/// Reads the whole file before anything is imported from it, so that a file that is truncated,
/// damaged, too long, or of another format or encoding changes nothing.
fn prepare(source: &Source) -> Result<(Format, Input, Repeated), InputError> {
    let format = format_of(source)?;
    let mut number = 0;
    let mut first_is_json = None;
    let counted = format.read(Input::open_text(source)?, &mut |entry: Entry| {
        number += 1;
        first_is_json.get_or_insert(entry.may_be_json());
        if number > MAXIMUM_ENTRIES { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    counted?;
    if number > MAXIMUM_ENTRIES {
        return Err(InputError::new(format!(
            "the file has more than {MAXIMUM_ENTRIES} lines; split it, or use the command `import`"
        )));
    }
    if first_is_json == Some(false) {
        return Err(InputError::new(
            "the file is neither JSON lines nor CSV with a header; see the format of imports",
        ));
    }
    let repeated = check(&format, source)?;
    let input = Input::open_text(source)?;
    Ok((format, input, repeated))
}

/// JSON lines or CSV, by the content.
fn format_of(source: &Source) -> Result<Format, InputError> {
    let mut input = Input::open_text(source)?;
    match detect(input.head()?) {
        None | Some(("JSON lines", _)) => Ok(Format::JsonLines),
        Some(("CSV", _)) => Ok(Format::Csv(CsvOptions::default())),
        Some((name, option)) => Err(InputError::new(format!(
            "the file looks like {name}; import it with the command `import --from {option}`"
        ))),
    }
}
