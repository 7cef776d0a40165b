//! Remembers when each key was first used, so that the metrics have its age without a statement.

use std::sync::{Mutex, PoisonError};

use time::OffsetDateTime;

use crate::storage::{
    Database, StorageError,
    keys::{self, KnownKey},
};

/// A key that the database was written with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyAge {
    pub(crate) id: String,
    pub(crate) first_used_at: OffsetDateTime,
}

impl KeyAge {
    pub(super) fn of(key: &KnownKey) -> Self {
        Self { id: key.key_id.clone(), first_used_at: key.first_used_at }
    }
}

/// Surveys the keys of the installation.
pub(crate) struct KeySurvey {
    database: Database,
    latest: Mutex<Vec<KeyAge>>,
}

impl KeySurvey {
    /// Starts without a result.
    pub(crate) fn new(database: Database) -> Self {
        Self { database, latest: Mutex::default() }
    }

    /// The keys that the database was written with; empty before the first survey.
    pub(super) fn latest(&self) -> Vec<KeyAge> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Surveys the keys.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(in crate::service) async fn refresh(&self) -> Result<(), StorageError> {
        let mut connection = self.database.connection().await?;
        let known = keys::list(&mut connection).await?;
        connection.release();
        let ages = known.iter().map(KeyAge::of).collect();
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = ages;
        Ok(())
    }
}
