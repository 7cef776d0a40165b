//! The connections to PostgreSQL: opened when they are needed, kept, and lent.
//!
//! `deadpool` keeps them. The pool of sqlx would ask each connection whether it still lives
//! whenever it comes back, which is a round trip more for each statement
//! ([ADR 20](../../../docs/adr/0020-connections-come-back-unasked.md)).

use std::{
    ops::{Deref, DerefMut},
    time::Duration,
};

use deadpool::managed::{
    Manager, Metrics, Object, Pool, PoolError, QueueMode, RecycleError, RecycleResult,
};
use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection, Postgres, Transaction,
    postgres::PgConnectOptions,
};
use tokio::runtime::Handle;

use super::StorageError;

/// How long a connection may have rested without being asked whether it still lives.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);

/// Older ones are replaced: what PostgreSQL keeps for each only grows.
const MAXIMUM_AGE: Duration = Duration::from_mins(30);

/// What nobody needed for so long is closed.
const MAXIMUM_IDLE: Duration = Duration::from_mins(10);

/// How long a connection may take to say that it is well. A statement whose caller went away can
/// wait for a row meanwhile, but a server that says nothing at all must not keep places for ever.
const PATIENCE: Duration = Duration::from_secs(5);

/// The database: as many connections as may be, and no more than are needed.
#[derive(Clone)]
pub struct Database {
    pool: Pool<Connector>,
    acquire_timeout: Duration,
}

/// How many connections there are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConnectionCounts {
    pub(crate) open: usize,
    pub(crate) idle: usize,
    pub(crate) maximum: usize,
}

impl Database {
    /// A database that is not connected yet. An acquisition takes no longer than `acquire_timeout`,
    /// connecting included.
    ///
    /// # Errors
    /// Never, as the pool is built here; its builder only says it could.
    pub(super) fn new(
        options: PgConnectOptions,
        maximum_connections: u32,
        acquire_timeout: Duration,
    ) -> Result<Self, StorageError> {
        let pool = Pool::builder(Connector { options })
            .max_size(usize::try_from(maximum_connections).unwrap_or(usize::MAX))
            // The one that rested least is the likeliest to live; the others may go.
            .queue_mode(QueueMode::Lifo)
            .build()
            .map_err(|error| StorageError::Unavailable(sqlx::Error::Configuration(error.into())))?;
        Ok(Self { pool, acquire_timeout })
    }

    /// Lends a connection.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when there is none in time.
    pub(crate) async fn connection(&self) -> Result<Connection, StorageError> {
        let lent = tokio::time::timeout(self.acquire_timeout, self.pool.get()).await;
        match lent.unwrap_or(Err(PoolError::Backend(sqlx::Error::PoolTimedOut))) {
            Ok(object) => Ok(Connection { lent: Some(object), is_beginning: false }),
            Err(PoolError::Backend(error)) => Err(error.into()),
            Err(
                PoolError::Closed
                | PoolError::Timeout(_)
                | PoolError::NoRuntimeSpecified
                | PoolError::PostCreateHook(_),
            ) => Err(sqlx::Error::PoolClosed.into()),
        }
    }

    /// Closes connections that nobody needed lately.
    pub(crate) async fn close_idle(&self) {
        self.close_those(|metrics| metrics.last_used() >= MAXIMUM_IDLE).await;
    }

    /// Lends no more, and closes what comes back.
    pub(crate) async fn close(&self) {
        self.close_those(|_| true).await;
        self.pool.close();
    }

    /// How many connections there are now.
    pub(crate) fn counts(&self) -> ConnectionCounts {
        let status = self.pool.status();
        ConnectionCounts { open: status.size, idle: status.available, maximum: status.max_size }
    }

    async fn close_those(&self, is_to_go: impl Fn(Metrics) -> bool) {
        for connection in self.pool.retain(|_, metrics| !is_to_go(metrics)).removed {
            // One that is gone already is closed, too.
            let _ = connection.close().await;
        }
    }
}

/// A connection that is lent. Dropped, it is first asked whether it is well, which also ends a
/// transaction that was left open and a statement whose caller went away.
pub(crate) struct Connection {
    /// `None` only when it has been given back.
    lent: Option<Object<Connector>>,
    /// True while a transaction begins, when sqlx does not know of it yet: dropped then, the
    /// connection would be lent again with the transaction open, and lose what is written next.
    is_beginning: bool,
}

impl Connection {
    /// Closes it for good.
    pub(super) async fn close(mut self) -> Result<(), StorageError> {
        match self.lent.take() {
            None => Ok(()),
            Some(lent) => Ok(Object::take(lent).close().await?),
        }
    }

    /// Begins a transaction; dropped without a commit, it is rolled back.
    #[expect(clippy::expect_used, reason = "who gives it back has it no longer")]
    pub(crate) async fn begin(&mut self) -> Result<Transaction<'_, Postgres>, StorageError> {
        let Self { lent, is_beginning } = self;
        *is_beginning = true;
        let lent = lent.as_mut().expect("a connection that is lent");
        let transaction = (**lent).begin().await?;
        *is_beginning = false;
        Ok(transaction)
    }

    /// Gives it back as it is: its last statement came to its end.
    pub(crate) fn release(mut self) {
        drop(self.lent.take());
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let Some(mut lent) = self.lent.take() else { return };
        let Some(runtime) = Handle::try_current().ok().filter(|_| !self.is_beginning) else {
            drop(Object::take(lent));
            return;
        };
        runtime.spawn(async move {
            let pinged = tokio::time::timeout(PATIENCE, lent.ping()).await;
            if let Err(error) = pinged.unwrap_or(Err(sqlx::Error::PoolTimedOut)) {
                tracing::warn!(%error, "a database connection broke");
                drop(Object::take(lent));
            }
        });
    }
}

impl Deref for Connection {
    type Target = PgConnection;

    #[expect(clippy::expect_used, reason = "who gives it back has it no longer")]
    fn deref(&self) -> &PgConnection {
        self.lent.as_ref().expect("a connection that is lent")
    }
}

impl DerefMut for Connection {
    #[expect(clippy::expect_used, reason = "who gives it back has it no longer")]
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.lent.as_mut().expect("a connection that is lent")
    }
}

/// Opens connections, and looks after those that were used before.
struct Connector {
    options: PgConnectOptions,
}

impl Manager for Connector {
    type Type = PgConnection;
    type Error = sqlx::Error;

    async fn create(&self) -> Result<PgConnection, sqlx::Error> {
        // Connecting takes seven times the memory of everything else that an acquisition waits for.
        Box::pin(self.options.connect()).await
    }

    async fn recycle(
        &self,
        connection: &mut PgConnection,
        metrics: &Metrics,
    ) -> RecycleResult<sqlx::Error> {
        if metrics.age() > MAXIMUM_AGE {
            return Err(RecycleError::message("it is old"));
        }
        if metrics.last_used() > TRUSTED_IDLE {
            Box::pin(connection.ping()).await?;
        }
        Ok(())
    }
}
