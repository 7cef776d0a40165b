//! The connection pool: opens connections to PostgreSQL on demand, keeps them open and hands them
//! out.
//!
//! It is built on `deadpool`. The pool of sqlx would check each connection whenever it is returned,
//! which is one more round trip for each statement ([ADR
//! 20](../../docs/adr/0020-connection-pool.md)).

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
    time::{Duration, Instant},
};

use deadpool::managed::{Metrics, Object, Pool, PoolError, QueueMode};
use sqlx::{Connection as _, PgConnection, Postgres, Transaction};
use tokio::{runtime::Handle, sync::OwnedSemaphorePermit};

use super::{
    callers::{self, Held, working_for},
    commit_guard, connection_generation,
    connection_security::ConnectionSecurity,
    connections_in_use::{ConnectionsInUse, InUse},
    connector::{Connector, Timeouts},
    error::StorageError,
    metrics::{ConnectionCounts, DatabaseMetrics},
    opener::Opener,
    permits::{Permit, Permits},
    stalled_statements,
    statements::Statements,
    unanswered::{self, CHECK_TIMEOUT},
};
use crate::domain::client_info::FairnessKey;

/// A connection that was idle for longer is closed.
const MAXIMUM_IDLE: Duration = Duration::from_mins(10);

/// The time between two connections that are renewed.
const RENEWAL_INTERVAL: Duration = Duration::from_millis(100);

/// The time limit for renewing connections. Those that were in use all the time keep their former
/// credentials until they reach their maximum age.
const RENEWAL_TIMEOUT: Duration = Duration::from_secs(30);

/// The delay before another connection attempt when the server has too many connections.
const RETRY_DELAY: Duration = Duration::from_millis(20);

/// The connection pool of the database.
#[derive(Clone)]
pub struct Database {
    pool: Pool<Opener>,
    permits: Permits,
    acquire_timeout: Duration,
    in_use: Arc<ConnectionsInUse>,
    metrics: Arc<DatabaseMetrics>,
    /// The form of the statements.
    pub(super) statements: Statements,
}

impl Database {
    /// Creates the pool without connecting. Getting a connection takes at most `acquire_timeout`,
    /// connecting included.
    ///
    /// # Errors
    /// When the pool cannot be built.
    pub(super) fn new(
        connector: Connector,
        maximum_connections: u32,
        acquire_timeout: Duration,
    ) -> Result<Self, StorageError> {
        let maximum = usize::try_from(maximum_connections).unwrap_or(usize::MAX);
        let pool = Pool::builder(Opener::new(connector, maximum))
            .max_size(maximum)
            // The most recently used connection is the likeliest to be alive; idle ones may close.
            .queue_mode(QueueMode::Lifo)
            .build()
            .map_err(|error| {
                StorageError::NoConnection(sqlx::Error::Configuration(error.into()))
            })?;
        Ok(Self {
            pool,
            permits: Permits::new(maximum),
            acquire_timeout,
            in_use: Arc::default(),
            metrics: Arc::default(),
            statements: Statements::Combined,
        })
    }

    /// The form of the statements on this database.
    pub(crate) fn statements(&self) -> Statements {
        self.statements
    }

    /// The same pool for logins. A part of its connections is reserved for them: a change can wait
    /// for a standby that is gone.
    pub(crate) fn for_logins(&self) -> Self {
        Self { permits: self.permits.for_logins(), ..self.clone() }
    }

    /// As [`Self::connection`], for a caller whom this task has authenticated. It may be that of another
    /// one, such as the address of a sign-in.
    ///
    /// # Errors
    /// When no connection is available within the time limit.
    pub(crate) async fn connection_of(
        &self,
        caller: FairnessKey,
    ) -> Result<Connection, StorageError> {
        working_for(caller, self.connection()).await
    }

    /// Acquires a connection. When the server has too many connections, waits for an open one.
    ///
    /// # Errors
    /// When no connection is available within the time limit.
    pub(crate) async fn connection(&self) -> Result<Connection, StorageError> {
        callers::assert_holds_none();
        let (begin, mut refusal) = (Instant::now(), None);
        let acquiring = self.acquire(&mut refusal);
        let acquired = tokio::time::timeout(self.acquire_timeout, acquiring).await;
        self.metrics.record_wait(begin.elapsed());
        let timed_out = || refusal.unwrap_or(StorageError::NoConnection(sqlx::Error::PoolTimedOut));
        acquired.unwrap_or_else(|_| Err(timed_out())).inspect_err(StorageError::count)
    }

    /// Acquires a connection. `refusal` is the reason for the present wait, if it is not that all
    /// connections are in use.
    async fn acquire(
        &self,
        refusal: &mut Option<StorageError>,
    ) -> Result<Connection, StorageError> {
        *refusal = Some(StorageError::CallerBusy);
        let place = self.permits.place().await;
        *refusal = None;
        let turn = self.permits.turn(place).await?;
        loop {
            let permit = self.permits.connection().await?;
            match self.pool.get().await {
                Ok(object) => {
                    let in_use = self.in_use.begin(object.session);
                    let held = Some((object, Permit::new(permit, turn)));
                    return Ok(Connection {
                        held,
                        is_beginning: false,
                        _in_use: in_use,
                        _by_task: callers::hold(),
                    });
                }
                Err(PoolError::Backend(error)) if error.is_too_many_connections() => {
                    *refusal = Some(error);
                    self.reduce_limit(permit).await;
                }
                Err(PoolError::Backend(error)) => return Err(error),
                Err(
                    PoolError::Closed
                    | PoolError::Timeout(_)
                    | PoolError::NoRuntimeSpecified
                    | PoolError::PostCreateHook(_),
                ) => return Err(StorageError::NoConnection(sqlx::Error::PoolClosed)),
            }
        }
    }

    /// Reduces the number of connections by one until [`Self::close_idle`]: the server has too
    /// many.
    async fn reduce_limit(&self, permit: OwnedSemaphorePermit) {
        let open = self.pool.status().size.max(1);
        if let Some(withheld) = self.permits.withhold(permit, open) {
            tracing::warn!(
                withheld,
                "the database server has too many connections; waiting for open ones"
            );
            return;
        }
        // There is no open connection to wait for, or others are connecting right now.
        tokio::time::sleep(RETRY_DELAY).await;
    }

    /// Finds lost connections and promotions also while all connections wait for answers.
    pub(super) fn examine_stalled_statements(&self) {
        let (pool, in_use) = (self.pool.weak(), Arc::downgrade(&self.in_use));
        tokio::spawn(stalled_statements::run(pool, in_use, self.acquire_timeout));
    }

    /// The time limits that the server should enforce.
    pub(crate) fn timeouts(&self) -> Timeouts {
        self.pool.manager().connector.timeouts
    }

    /// Checks that the server accepts writes.
    ///
    /// # Errors
    /// When it does not, or no connection is available.
    pub(crate) async fn require_writable(&self) -> Result<(), StorageError> {
        match self.check_writable().await {
            // As for every read: a connection can be stale, and a new one shows the state.
            Err(error) if error.is_retryable_read() => self.check_writable().await,
            checked => checked,
        }
    }

    async fn check_writable(&self) -> Result<(), StorageError> {
        let mut connection = self.connection().await?;
        if let Some((held, _)) = connection.held.as_mut() {
            held.check().await?;
        }
        connection.release();
        Ok(())
    }

    /// Closes idle connections, and restores the maximum number of connections.
    pub(crate) async fn close_idle(&self) {
        self.permits.restore();
        self.pool.manager().drop_spares();
        self.close_matching(|metrics| metrics.last_used() >= MAXIMUM_IDLE).await;
    }

    /// Opens a connection with the present contents of the files of the URL and closes it again.
    ///
    /// # Errors
    /// When the files or the credentials in them are not usable, or the server does not respond.
    pub(crate) async fn check_files(&self) -> Result<(), StorageError> {
        let opening =
            tokio::time::timeout(CHECK_TIMEOUT, self.pool.manager().connector.open_with_files());
        let timed_out = |_| StorageError::NoConnection(sqlx::Error::PoolTimedOut);
        let opened = opening.await.map_err(timed_out)??;
        // It may already be closed.
        let _ = opened.inner.close().await;
        Ok(())
    }

    /// Closes the connections that are open now, one after the other, so that those that replace
    /// them have the present credentials. No request waits for more than one of them.
    pub(crate) async fn renew(&self) {
        let begin = Instant::now();
        while begin.elapsed() < RENEWAL_TIMEOUT {
            let mut is_found = false;
            let mut is_next = |metrics: Metrics| {
                let is_next = !is_found && metrics.created < begin;
                is_found |= is_next;
                is_next
            };
            for connection in self.pool.retain(|_, metrics| !is_next(metrics)).removed {
                let _ = connection.inner.close().await;
            }
            let status = self.pool.status();
            if !is_found && status.available == status.size {
                return;
            }
            tokio::time::sleep(RENEWAL_INTERVAL).await;
        }
    }

    /// Closes the pool: hands out no more connections, and closes those that are returned.
    pub(crate) async fn close(&self) {
        self.pool.manager().drop_spares();
        self.close_matching(|_| true).await;
        self.pool.close();
    }

    /// The metrics of the pool.
    pub(crate) fn metrics(&self) -> &DatabaseMetrics {
        &self.metrics
    }

    /// The current numbers of connections.
    pub(crate) fn counts(&self) -> ConnectionCounts {
        let status = self.pool.status();
        ConnectionCounts {
            open: status.size,
            idle: status.available,
            maximum: self.permits.maximum(),
        }
    }

    async fn close_matching(&self, should_close: impl Fn(Metrics) -> bool) {
        for connection in self.pool.retain(|_, metrics| !should_close(metrics)).removed {
            // It may already be closed.
            let _ = connection.inner.close().await;
        }
    }
}

/// A connection in use. When it is dropped, it is checked in the background, which also rolls back
/// an open transaction and waits for the statement of a canceled request.
pub(crate) struct Connection {
    /// `None` only after it was returned.
    held: Option<(Object<Opener>, Permit)>,
    /// True while a transaction begins and sqlx does not know about it yet. If the connection were
    /// reused after a drop at that point, its next writes would be lost in the open transaction.
    is_beginning: bool,
    _in_use: InUse,
    _by_task: Held,
}

impl Connection {
    /// Closes the connection, because its settings are changed. A failure is not reported: it would
    /// hide that the statements succeeded.
    pub(super) async fn discard(mut self) {
        if let Some((held, _permit)) = self.held.take() {
            // It may already be closed.
            let _ = Object::take(held).inner.close().await;
        }
    }

    /// Begins a transaction; it is rolled back when it is dropped without a commit.
    #[expect(clippy::expect_used, reason = "returning it consumes self")]
    pub(crate) async fn begin(&mut self) -> Result<Transaction<'_, Postgres>, StorageError> {
        let Self { held, is_beginning, .. } = self;
        *is_beginning = true;
        let (held, _) = held.as_mut().expect("a connection in use");
        let transaction = held.inner.begin().await?;
        *is_beginning = false;
        Ok(transaction)
    }

    /// Begins a transaction whose statements may take any time, for commands that read whole tables.
    /// Unlike a setting of the session, this also works behind a connection pooler in transaction mode.
    pub(crate) async fn begin_unlimited(
        &mut self,
    ) -> Result<Transaction<'_, Postgres>, StorageError> {
        let mut transaction = self.begin().await?;
        sqlx::query!("SET LOCAL statement_timeout TO 0").execute(&mut *transaction).await?;
        Ok(transaction)
    }

    /// How this connection is protected.
    #[expect(clippy::expect_used, reason = "returning it consumes self")]
    pub(crate) fn security(&self) -> ConnectionSecurity {
        self.held.as_ref().expect("a connection in use").0.security
    }

    /// Returns the connection without a check: its last statement is complete.
    pub(crate) fn release(mut self) {
        drop(self.held.take());
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let Some((held, permit)) = self.held.take() else { return };
        let Some(runtime) = Handle::try_current().ok().filter(|_| !self.is_beginning) else {
            drop(Object::take(held));
            return;
        };
        let guard = commit_guard::current();
        if held.generation < connection_generation::generation() {
            let given_up = Object::take(held);
            // Without a guard, it is closed before its permit is returned.
            if guard.is_some() {
                runtime.spawn(unanswered::outlast(given_up, guard));
            }
            return;
        }
        runtime.spawn(unanswered::finish(held, permit, guard));
    }
}

impl Deref for Connection {
    type Target = PgConnection;

    #[expect(clippy::expect_used, reason = "returning it consumes self")]
    fn deref(&self) -> &PgConnection {
        &self.held.as_ref().expect("a connection in use").0.inner
    }
}

impl DerefMut for Connection {
    #[expect(clippy::expect_used, reason = "returning it consumes self")]
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.held.as_mut().expect("a connection in use").0.inner
    }
}
