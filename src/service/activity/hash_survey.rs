//! Estimates the share of hashes that cost less than a new one, at most once an hour.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use time::OffsetDateTime;

use crate::{
    clock,
    domain::stored_credential::HashScheme,
    security::hashing::HashingEngine,
    storage::{
        Database, StorageError,
        hash_counts::{self, HashCount},
    },
};

/// The time between two surveys.
const PERIOD: Duration = Duration::from_hours(1);

/// The result of a survey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HashShare {
    /// The counted credentials whose hash costs less than a new one, or that another system computed.
    pub(crate) below_target: u64,
    /// The counted credentials.
    pub(crate) counted: u64,
    /// True when a random sample of a large table was counted.
    pub(crate) is_sample: bool,
    pub(crate) at: OffsetDateTime,
}

/// Surveys the hashes of the installation.
pub(crate) struct HashSurvey {
    database: Database,
    hashing: Arc<HashingEngine>,
    latest: Mutex<Option<(Instant, HashShare)>>,
}

impl HashSurvey {
    /// Starts without a result.
    pub(crate) fn new(database: Database, hashing: Arc<HashingEngine>) -> Self {
        Self { database, hashing, latest: Mutex::default() }
    }

    /// The latest result; `None` before the first survey.
    pub(super) fn latest(&self) -> Option<HashShare> {
        self.read().map(|(_, share)| share)
    }

    /// Surveys the hashes if the latest survey is outdated.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(in crate::service) async fn refresh(&self) -> Result<(), StorageError> {
        if self.read().is_some_and(|(begin, _)| begin.elapsed() < PERIOD) {
            return Ok(());
        }
        let begin = Instant::now();
        let mut connection = self.database.connection().await?;
        let counts = hash_counts::count(&mut connection).await?;
        connection.release();
        let is_below = |count: &&HashCount| self.is_below_target(count);
        let share = HashShare {
            below_target: counts.iter().filter(is_below).map(|count| count.credentials).sum(),
            counted: counts.iter().map(|count| count.credentials).sum(),
            is_sample: counts.iter().any(|count| count.is_sample),
            at: clock::now(),
        };
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some((begin, share));
        Ok(())
    }

    fn is_below_target(&self, count: &HashCount) -> bool {
        count.scheme != HashScheme::Argon2id || self.hashing.is_cheaper_than_new(count.parameters)
    }

    fn read(&self) -> Option<(Instant, HashShare)> {
        // The value is consistent after a panic of another holder.
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
