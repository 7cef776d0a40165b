//! Estimates the share of hashes that cost less than a new one, at most once an hour.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
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

/// The counted credentials with hashes of one scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SchemeShare {
    pub(crate) scheme: HashScheme,
    pub(crate) below_target: u64,
    pub(crate) counted: u64,
}

/// A survey, and when it began.
struct Survey {
    begin: Instant,
    share: HashShare,
    schemes: Vec<SchemeShare>,
}

/// Surveys the hashes of the installation.
pub(crate) struct HashSurvey {
    database: Database,
    hashing: Arc<HashingEngine>,
    latest: Mutex<Option<Survey>>,
}

impl HashSurvey {
    /// Starts without a result.
    pub(crate) fn new(database: Database, hashing: Arc<HashingEngine>) -> Self {
        Self { database, hashing, latest: Mutex::default() }
    }

    /// The latest result; `None` before the first survey.
    pub(super) fn latest(&self) -> Option<HashShare> {
        self.read().as_ref().map(|survey| survey.share)
    }

    /// The latest result by scheme; empty before the first survey.
    pub(super) fn schemes(&self) -> Vec<SchemeShare> {
        self.read().as_ref().map(|survey| survey.schemes.clone()).unwrap_or_default()
    }

    /// Surveys the hashes if the latest survey is outdated.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(in crate::service) async fn refresh(&self) -> Result<(), StorageError> {
        if self.read().as_ref().is_some_and(|survey| survey.begin.elapsed() < PERIOD) {
            return Ok(());
        }
        let begin = Instant::now();
        let mut connection = self.database.connection().await?;
        let counts = hash_counts::count(&mut connection).await?;
        connection.release();
        let schemes = self.schemes_of(&counts);
        let share = HashShare {
            below_target: schemes.iter().map(|scheme| scheme.below_target).sum(),
            counted: schemes.iter().map(|scheme| scheme.counted).sum(),
            is_sample: counts.iter().any(|count| count.is_sample),
            at: clock::now(),
        };
        *self.read() = Some(Survey { begin, share, schemes });
        Ok(())
    }

    fn schemes_of(&self, counts: &[HashCount]) -> Vec<SchemeShare> {
        let share = |scheme: HashScheme| {
            let mut share = SchemeShare { scheme, below_target: 0, counted: 0 };
            for count in counts.iter().filter(|count| count.scheme == scheme) {
                share.counted += count.credentials;
                if self.is_below_target(count) {
                    share.below_target += count.credentials;
                }
            }
            share
        };
        HashScheme::ALL.iter().copied().map(share).collect()
    }

    fn is_below_target(&self, count: &HashCount) -> bool {
        count.scheme != HashScheme::Argon2id || self.hashing.is_cheaper_than_new(count.parameters)
    }

    fn read(&self) -> MutexGuard<'_, Option<Survey>> {
        // The value is consistent after a panic of another holder.
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
