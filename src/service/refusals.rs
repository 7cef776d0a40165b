//! How long a refused login takes (protocol.md 10.2): as long as the dearest kind of stored hash, so
//! that nobody tells from its time what a name is held against, or that there is such a user.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::Mutex;

use super::Service;
use crate::{
    domain::stored_credential::{HashParameters, HashScheme},
    storage::{StorageError, credentials},
};

type Kinds = Vec<(HashScheme, HashParameters)>;

/// What refusals take at least.
#[derive(Default)]
pub(crate) struct RefusalTime {
    micros: AtomicU64,
    /// The kinds that it was measured for.
    kinds: Mutex<Kinds>,
}

impl RefusalTime {
    fn set(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.micros.store(micros, Ordering::Relaxed);
    }

    /// Waits until a refusal that began then may be told.
    pub(super) async fn wait(&self, began: Instant) {
        let time = Duration::from_micros(self.micros.load(Ordering::Relaxed));
        tokio::time::sleep_until((began + time).into()).await;
    }
}

impl Service {
    /// Looks which kinds of hashes there are, and measures what they take.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn measure_refusals(self: &Arc<Self>) -> Result<(), StorageError> {
        let mut connection = self.connection().await?;
        let kinds = credentials::list_kinds(&mut connection).await?;
        connection.release();
        let mut measured_for = self.refusal_time.kinds.lock().await;
        if *measured_for == kinds {
            return Ok(());
        }
        measured_for.clone_from(&kinds);
        let service = Arc::clone(self);
        let measured = tokio::task::spawn_blocking(move || service.hashing.refusal_time(&kinds));
        if let Ok(time) = measured.await {
            self.refusal_time.set(time);
        }
        Ok(())
    }
}
