//! Imports that administrators start in a browser: in the background, and one at a time in the
//! installation (docs/adr/0067-import-in-the-browser.md).
//!
//! The file is in memory only, and is freed when the import ends. So are the results, until the
//! instance stops or has run more imports.

mod job;
pub(crate) mod metrics;
mod place;
pub(crate) mod registry;
mod report;
mod requester;
pub(crate) mod results_text;
mod running;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;
use zeroize::Zeroizing;

pub(crate) use self::{job::ImportJob, place::PlaceError, requester::JobRequester};
use self::{metrics::ImportMetrics, registry::ImportRegistry};
use super::{file::input::Source, run::Importers};
use crate::{
    clock,
    detached::detached,
    domain::change_context::ChangeContext,
    service::{
        errors::ChangeUserError, operations::maintenance::in_change_of_task,
        user_transaction::UserTransactions,
    },
    storage::StorageError,
};

/// The number of imports that an instance remembers.
const REMEMBERED: usize = 10;

/// The most files that an instance receives at a time, which bounds the memory. One slow client does
/// not delay others.
const MAXIMUM_UPLOADS: usize = 4;

/// How many times longer than the largest file a file may be after decompression.
const DECOMPRESSION: u64 = 8;

/// The longest time that a form that was sent twice waits for its first copy.
const DUPLICATE_TIMEOUT: Duration = Duration::from_secs(5);

/// A file whose import has not begun.
pub(crate) type ImportFile = Zeroizing<Vec<u8>>;

/// Runs imports.
pub(crate) struct ImportJobs {
    pub(crate) importers: Importers,
    pub(crate) transactions: Arc<UserTransactions>,
    /// The largest file, in bytes.
    pub(crate) maximum_bytes: usize,
    /// The longest time in which a file is received.
    pub(crate) upload_timeout: Duration,
    pub(crate) metrics: Arc<ImportMetrics>,
    pub(crate) registry: ImportRegistry,
    pub(crate) shared: Arc<SharedImports>,
}

/// What the imports of an instance share, also when its settings are reloaded.
#[derive(Default)]
pub(crate) struct SharedImports {
    state: Mutex<State>,
    /// Wakes second copies of a form.
    received: Notify,
}

/// The files that are received, the import in progress, and the last ones.
#[derive(Default)]
struct State {
    /// The ids of the forms whose files are received.
    uploads: Vec<String>,
    /// True while an import is in progress.
    is_busy: bool,
    /// Newest first.
    jobs: VecDeque<Arc<ImportJob>>,
}

/// A file that is received. Its place is free again when this is dropped.
pub(crate) struct UploadPlace {
    jobs: Arc<ImportJobs>,
    id: String,
}

impl Drop for UploadPlace {
    fn drop(&mut self) {
        self.jobs.state().uploads.retain(|id| *id != self.id);
        self.jobs.shared.received.notify_waiters();
    }
}

/// The place of the import in progress, which is free again when this is dropped.
struct JobPlace(Arc<ImportJobs>);

impl Drop for JobPlace {
    fn drop(&mut self) {
        self.0.state().is_busy = false;
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

    /// Takes a place to receive the file of a form with that id. A second copy of the form waits until
    /// the file of the first is received or was cut off.
    ///
    /// # Errors
    /// When the database does not answer. Inside: when the form was sent before, another import is in
    /// progress, or too many files are received.
    pub(crate) async fn begin_upload(
        self: Arc<Self>,
        id: String,
    ) -> Result<Result<UploadPlace, PlaceError>, StorageError> {
        let waiting = async {
            loop {
                let received = self.shared.received.notified();
                match self.try_begin(&id) {
                    Some(begun) => return begun,
                    None => received.await,
                }
            }
        };
        let begun = tokio::time::timeout(DUPLICATE_TIMEOUT, waiting).await;
        // There is no import to show while the file of the first copy is received.
        if let Err(refused) = begun.unwrap_or(Err(PlaceError::Busy)) {
            return Ok(Err(refused));
        }
        let upload = UploadPlace { jobs: self, id };
        Ok(upload.jobs.registry.check(&upload.id).await?.map(|()| upload))
    }

    /// Takes a place; `None` while the file of the same form is received.
    fn try_begin(&self, id: &str) -> Option<Result<(), PlaceError>> {
        let mut state = self.state();
        if state.jobs.iter().any(|job| job.id == id) {
            return Some(Err(PlaceError::Known));
        }
        if state.uploads.iter().any(|upload| upload == id) {
            return None;
        }
        if state.is_busy {
            return Some(Err(PlaceError::Busy));
        }
        if state.uploads.len() >= MAXIMUM_UPLOADS {
            return Some(Err(PlaceError::Full));
        }
        state.uploads.push(id.to_owned());
        Some(Ok(()))
    }

    /// Starts the import of a file that was received, and returns at once. The caller runs on the
    /// runtime of use cases. Only now the place of the import is taken: a slow upload takes none.
    ///
    /// # Errors
    /// When the database does not answer. Inside: when the form was sent to another instance before, or
    /// another import has started meanwhile.
    pub(crate) async fn start(
        self: Arc<Self>,
        upload: UploadPlace,
        requester: JobRequester,
        is_dry_run: bool,
        file: ImportFile,
    ) -> Result<Result<(), PlaceError>, StorageError> {
        let user = &requester.principal.user;
        let (user_id, name) = (user.user_id, user.login_name.clone());
        let job = Arc::new(ImportJob::new(upload.id.clone(), name, is_dry_run, clock::now()));
        let Some(place) = self.take_place() else { return Ok(Err(PlaceError::Busy)) };
        // One task registers and runs the import, so that a client that leaves cannot part them. Until
        // it is registered, a second copy of the form waits.
        let registered = in_change_of_task(async move {
            let registered = self.registry.begin(&job.snapshot(), user_id).await;
            if let Ok(Ok(())) = registered {
                self.remember(&job);
                tokio::spawn(Arc::clone(&self).run(place, job, requester, file));
            }
            drop(upload);
            registered
        });
        detached(registered).await
    }

    fn remember(&self, job: &Arc<ImportJob>) {
        let mut state = self.state();
        state.jobs.push_front(Arc::clone(job));
        state.jobs.truncate(REMEMBERED);
    }

    /// Runs an import to its end.
    async fn run(
        self: Arc<Self>,
        place: JobPlace,
        job: Arc<ImportJob>,
        requester: JobRequester,
        file: ImportFile,
    ) {
        let maximum = u64::try_from(self.maximum_bytes).unwrap_or(u64::MAX);
        let source = Source::Memory(Arc::new(file), maximum.saturating_mul(DECOMPRESSION));
        let (importers, metrics) = (self.importers.clone(), Arc::clone(&self.metrics));
        metrics.begin(&job);
        let end = tokio::select! {
            end = running::run(importers, requester, &job, metrics, source) => end,
            never = self.registry.follow(&job) => match never {},
        };
        // The end is shown when another import may start.
        drop(place);
        self.registry.end(&job.ended_snapshot(&end)).await;
        job.end(end);
    }

    /// Takes the place of an import on this instance, if it is free.
    fn take_place(self: &Arc<Self>) -> Option<JobPlace> {
        let mut state = self.state();
        let is_free = !std::mem::replace(&mut state.is_busy, true);
        is_free.then(|| JobPlace(Arc::clone(self)))
    }

    /// The import with that id, if this instance remembers it.
    pub(crate) fn find(&self, id: &str) -> Option<Arc<ImportJob>> {
        self.state().jobs.iter().find(|job| job.id == id).cloned()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
