//! Registers imports in the database: one runs at a time in the installation, and every instance can
//! show and cancel it.

use std::{convert::Infallible, time::Duration};

use time::OffsetDateTime;

use super::{job::ImportJob, place::PlaceError};
use crate::{
    clock,
    domain::{
        import_run::{ImportRecord, StoredImport},
        user::UserId,
    },
    storage::{self, Database, StorageError, import_runs},
};

/// The time between two writes of the progress.
const PERIOD: Duration = Duration::from_secs(2);

/// How many times to look for an import whose registration was not confirmed.
const LOOKS: usize = 5;

/// The time after which an import in progress that was not seen has stopped with its instance.
pub(crate) const STALE: Duration = Duration::from_secs(30);

/// The number of imports that a page lists.
const LISTED: i64 = 10;

/// The imports of all instances.
pub(crate) struct ImportRegistry {
    pub(crate) database: Database,
    /// The id of this instance.
    pub(crate) instance_id: String,
}

impl ImportRegistry {
    /// Fails if a form with that id was sent before, or an import is in progress.
    pub(super) async fn check(&self, id: &str) -> Result<Result<(), PlaceError>, StorageError> {
        let found = read_on_connection!(self.database, |connection| {
            import_runs::look(&mut connection, id, seen_since())
        })?;
        Ok(place(&found))
    }

    /// Registers an import that begins, unless it was sent before, or another one is in progress. If
    /// the connection is lost during the commit, looks whether it has taken effect.
    pub(super) async fn begin(
        &self,
        record: &ImportRecord,
        user_id: UserId,
    ) -> Result<Result<(), PlaceError>, StorageError> {
        let doubt = match self.register(record, user_id, false).await {
            Err(doubt @ StorageError::OutcomeUnknown(_)) => doubt,
            registered => return registered,
        };
        // The first transaction may hold the lock until the server notices that its client is gone.
        for look in 0..LOOKS {
            if look > 0 {
                tokio::time::sleep(PERIOD).await;
            }
            let registered = self.register(record, user_id, true).await;
            if registered.is_ok() {
                return registered;
            }
        }
        Err(doubt)
    }

    /// Registers an import. If `may_be_registered`, an import with that id of this instance is this one.
    async fn register(
        &self,
        record: &ImportRecord,
        user_id: UserId,
        may_be_registered: bool,
    ) -> Result<Result<(), PlaceError>, StorageError> {
        let mut connection = self.database.connection().await?;
        let mut transaction = connection.begin().await?;
        import_runs::lock(&mut transaction).await?;
        let found = import_runs::look(&mut transaction, &record.id, seen_since()).await?;
        let is_registered =
            may_be_registered && found.started_by.as_ref() == Some(&self.instance_id);
        let place = if is_registered { Ok(()) } else { place(&found) };
        if place.is_ok() && !is_registered {
            import_runs::insert(&mut transaction, record, &self.instance_id, user_id).await?;
        }
        storage::commit(transaction).await?;
        connection.release();
        Ok(place)
    }

    /// Writes the progress of an import again and again, and cancels it when an administrator asks
    /// another instance to; never returns.
    pub(super) async fn follow(&self, job: &ImportJob) -> Infallible {
        let mut is_failing = false;
        loop {
            tokio::time::sleep(PERIOD).await;
            let written = self.write(&job.snapshot()).await;
            if let Ok(true) = written {
                job.cancel();
            }
            // The import goes on: only its progress is not known elsewhere.
            if let Err(error) = &written
                && !is_failing
            {
                log(error);
            }
            is_failing = written.is_err();
        }
    }

    /// Writes the end of an import, as often as it takes: without it, other instances would show an
    /// import that has stopped.
    pub(super) async fn end(&self, record: &ImportRecord) {
        let mut is_failing = false;
        while let Err(error) = self.write(record).await {
            if !is_failing {
                log(&error);
            }
            is_failing = true;
            tokio::time::sleep(PERIOD).await;
        }
    }

    async fn write(&self, record: &ImportRecord) -> Result<bool, StorageError> {
        on_connection!(self.database, |connection| {
            import_runs::update(&mut connection, record, clock::now())
        })
    }

    /// The import with that id, of any instance.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn find(&self, id: &str) -> Result<Option<StoredImport>, StorageError> {
        read_on_connection!(self.database, |connection| import_runs::find(&mut connection, id))
    }

    /// The last imports of all instances, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn list(&self) -> Result<Vec<StoredImport>, StorageError> {
        read_on_connection!(self.database, |connection| import_runs::list(&mut connection, LISTED))
    }

    /// Asks the instance that runs an import to cancel it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn cancel(&self, id: &str) -> Result<(), StorageError> {
        match self.try_to_cancel(id).await {
            // Repeated without harm. What the first statement did stays unknown if this one fails.
            Err(lost @ StorageError::ConnectionLost(_)) => {
                self.try_to_cancel(id).await.map_err(|_| lost.in_doubt())
            }
            canceled => canceled,
        }
    }

    async fn try_to_cancel(&self, id: &str) -> Result<(), StorageError> {
        on_connection!(self.database, |connection| import_runs::cancel(&mut connection, id))
    }
}

fn seen_since() -> OffsetDateTime {
    clock::now() - STALE
}

fn place(found: &import_runs::Registered) -> Result<(), PlaceError> {
    if found.started_by.is_some() {
        Err(PlaceError::Known)
    } else if found.is_busy {
        Err(PlaceError::Busy)
    } else {
        Ok(())
    }
}

fn log(error: &StorageError) {
    let error = error as &dyn std::error::Error;
    tracing::warn!(
        error,
        "failed to store the progress of an import; other instances do not show it"
    );
}
