//! Records the activity of each minute: in memory, and in the database for the other instances.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::instance_activity::{InstanceActivity, RecordedMinute};
use crate::{
    clock,
    storage::{Database, StorageError, activity_minutes},
};

/// The time between two looks at the hashing queue.
const LOOK: Duration = Duration::from_secs(5);

/// The time between two readings.
const MINUTE: Duration = Duration::from_secs(60);

/// The time limit for storing a minute: the next looks at the queue wait for it.
const STORE_TIMEOUT: Duration = Duration::from_secs(4);

/// Why a minute was not stored.
#[derive(Debug, thiserror::Error)]
enum NotStored {
    #[error("the database did not answer in time")]
    Late,
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Records the activity of this instance.
pub(crate) struct ActivityRecorder {
    database: Database,
    instance: Arc<InstanceActivity>,
    /// True when the last minute was not stored.
    is_failing: AtomicBool,
}

impl ActivityRecorder {
    /// Records the activity of an instance.
    pub(crate) fn new(database: Database, instance: Arc<InstanceActivity>) -> Self {
        Self { database, instance, is_failing: AtomicBool::new(false) }
    }

    /// Records every minute; never returns.
    pub(crate) async fn run(&self) {
        let mut looks = clock::ticks(LOOK);
        loop {
            looks.tick().await;
            self.instance.note_queue();
            // A look is never exactly on time.
            if self.instance.age() + LOOK / 2 >= MINUTE {
                self.record().await;
            }
        }
    }

    /// Records the time since the last minute, at shutdown.
    pub(crate) async fn record_rest(&self) {
        self.record().await;
    }

    /// Records the time since the last reading. A database that does not answer loses this minute;
    /// memory keeps it.
    async fn record(&self) {
        let recorded = self.instance.record(clock::now());
        let stored = tokio::time::timeout(STORE_TIMEOUT, self.store(recorded)).await;
        match stored.map_or(Err(NotStored::Late), |stored| stored.map_err(NotStored::from)) {
            Ok(()) => self.is_failing.store(false, Ordering::Relaxed),
            // One warning for each outage: other parts of the service report it, too.
            Err(error) if !self.is_failing.swap(true, Ordering::Relaxed) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "failed to store the activity of a minute; the report of all instances lacks it"
            ),
            Err(_) => {}
        }
    }

    async fn store(&self, recorded: RecordedMinute) -> Result<(), StorageError> {
        let RecordedMinute { minute, figures } = recorded;
        let id = self.instance.id();
        let mut connection = self.database.connection().await?;
        activity_minutes::add(&mut connection, id, minute, &figures).await?;
        connection.release();
        Ok(())
    }
}
