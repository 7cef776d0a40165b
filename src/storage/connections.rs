//! The connections to PostgreSQL: opened when they are needed, kept, and lent.
//!
//! `deadpool` keeps them. The pool of sqlx would ask each connection whether it still lives
//! whenever it comes back, which is a round trip more for each statement
//! ([ADR 20](../../../docs/adr/0020-connections-come-back-unasked.md)).

use std::{
    error::Error,
    net::IpAddr,
    ops::{Deref, DerefMut},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use deadpool::managed::{
    Manager, Metrics, Object, Pool, PoolError, QueueMode, RecycleError, RecycleResult,
};
use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection, Postgres, Transaction,
    postgres::{PgConnectOptions, PgSslMode},
};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
};

use super::{error::StorageError, nodelay, trust};

/// How long a connection may have rested without being asked whether it still lives.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);

/// Older ones are replaced: what PostgreSQL keeps for each only grows.
const MAXIMUM_AGE: Duration = Duration::from_mins(30);

/// What nobody needed for so long is closed.
const MAXIMUM_IDLE: Duration = Duration::from_mins(10);

/// How long a connection may take to say that it is well. A statement whose caller went away can
/// wait for a row meanwhile, but a server that says nothing at all must not keep places for ever.
const PATIENCE: Duration = Duration::from_secs(5);

/// When a server that had no room for another connection is asked again.
const TRY_AGAIN: Duration = Duration::from_millis(20);

/// The database: as many connections as may be, and no more than are needed.
#[derive(Clone)]
pub struct Database {
    pool: Pool<Connector>,
    /// One permit for each connection that may be lent now; who waits for one waits in turn.
    lending: Arc<Semaphore>,
    /// Permits that were taken out, because the server has no room for as many connections.
    withheld: Arc<AtomicUsize>,
    maximum: usize,
    acquire_timeout: Duration,
}

/// How many connections there are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConnectionCounts {
    pub(crate) open: usize,
    pub(crate) idle: usize,
    pub(crate) maximum: usize,
}

/// How this process goes to the database.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Route {
    /// True for a socket or an address of this machine.
    pub(crate) is_local: bool,
    /// True when the server has to prove its name with a certificate.
    pub(crate) verifies_server: bool,
}

impl Database {
    /// A database that is not connected yet. An acquisition takes no longer than `acquire_timeout`,
    /// connecting included.
    ///
    /// # Errors
    /// Never, as the pool is built here; its builder only says it could.
    pub(super) fn new(
        connector: Connector,
        maximum_connections: u32,
        acquire_timeout: Duration,
    ) -> Result<Self, StorageError> {
        let maximum = usize::try_from(maximum_connections).unwrap_or(usize::MAX);
        let pool = Pool::builder(connector)
            .max_size(maximum)
            // The one that rested least is the likeliest to live; the others may go.
            .queue_mode(QueueMode::Lifo)
            .build()
            .map_err(|error| {
                StorageError::NoConnection(sqlx::Error::Configuration(error.into()))
            })?;
        let (lending, withheld) = (Arc::new(Semaphore::new(maximum)), Arc::default());
        Ok(Self { pool, lending, withheld, maximum, acquire_timeout })
    }

    /// Lends a connection. Where the server has no room for another one, waits in turn for one of
    /// those that are open.
    ///
    /// # Errors
    /// Why there is none in time.
    pub(crate) async fn connection(&self) -> Result<Connection, StorageError> {
        let lent = tokio::time::timeout(self.acquire_timeout, self.lend()).await;
        lent.unwrap_or(Err(StorageError::NoConnection(sqlx::Error::PoolTimedOut)))
    }

    async fn lend(&self) -> Result<Connection, StorageError> {
        loop {
            let closed = |_| StorageError::NoConnection(sqlx::Error::PoolClosed);
            let permit = Arc::clone(&self.lending).acquire_owned().await.map_err(closed)?;
            match self.pool.get().await {
                Ok(object) => {
                    return Ok(Connection { lent: Some((object, permit)), is_beginning: false });
                }
                Err(PoolError::Backend(error)) if error.is_too_many_connections() => {
                    self.make_do(permit).await;
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

    /// Lends one connection less at a time, until [`Self::close_idle`]: the server has no room for it.
    async fn make_do(&self, permit: OwnedSemaphorePermit) {
        let open = self.pool.status().size.max(1);
        let lendable = self.maximum.saturating_sub(self.withheld.load(Ordering::Relaxed));
        if lendable > open {
            permit.forget();
            let withheld = self.withheld.fetch_add(1, Ordering::Relaxed) + 1;
            tracing::warn!(withheld, "the database server lets in no more connections");
            return;
        }
        // None is open that could be waited for, or others are trying at the same moment.
        drop(permit);
        tokio::time::sleep(TRY_AGAIN).await;
    }

    /// Asks the server whether it takes writes.
    ///
    /// # Errors
    /// Why it does not.
    pub(crate) async fn require_writable(&self) -> Result<(), StorageError> {
        let mut connection = self.connection().await?;
        if let Some((lent, _)) = connection.lent.as_mut() {
            lent.check().await?;
        }
        connection.release();
        Ok(())
    }

    /// Closes connections that nobody needed lately, and lets there be as many as there may be.
    pub(crate) async fn close_idle(&self) {
        self.lending.add_permits(self.withheld.swap(0, Ordering::Relaxed));
        self.close_those(|metrics| metrics.last_used() >= MAXIMUM_IDLE).await;
    }

    /// Lends no more, and closes what comes back.
    pub(crate) async fn close(&self) {
        self.close_those(|_| true).await;
        self.pool.close();
    }

    /// How connections are opened.
    pub(crate) fn route(&self) -> Route {
        let options = &self.pool.manager().options;
        let host = options.get_host();
        let is_loopback = |address: IpAddr| address.to_canonical().is_loopback();
        Route {
            is_local: options.get_socket().is_some()
                || host.starts_with('/')
                || host == "localhost"
                || host.parse().is_ok_and(is_loopback),
            verifies_server: matches!(options.get_ssl_mode(), PgSslMode::VerifyFull),
        }
    }

    /// How many connections there are now.
    pub(crate) fn counts(&self) -> ConnectionCounts {
        let status = self.pool.status();
        ConnectionCounts { open: status.size, idle: status.available, maximum: self.maximum }
    }

    async fn close_those(&self, is_to_go: impl Fn(Metrics) -> bool) {
        for connection in self.pool.retain(|_, metrics| !is_to_go(metrics)).removed {
            // One that is gone already is closed, too.
            let _ = connection.inner.close().await;
        }
    }
}

/// A connection that is lent. Dropped, it is first asked whether it is well, which also ends a
/// transaction that was left open and a statement whose caller went away.
pub(crate) struct Connection {
    /// `None` only when it has been given back. The permit comes back after the connection.
    lent: Option<(Object<Connector>, OwnedSemaphorePermit)>,
    /// True while a transaction begins, when sqlx does not know of it yet: dropped then, the
    /// connection would be lent again with the transaction open, and lose what is written next.
    is_beginning: bool,
}

impl Connection {
    /// Closes it for good.
    pub(super) async fn close(mut self) -> Result<(), StorageError> {
        match self.lent.take() {
            None => Ok(()),
            Some((lent, _permit)) => Ok(Object::take(lent).inner.close().await?),
        }
    }

    /// Begins a transaction; dropped without a commit, it is rolled back.
    #[expect(clippy::expect_used, reason = "who gives it back has it no longer")]
    pub(crate) async fn begin(&mut self) -> Result<Transaction<'_, Postgres>, StorageError> {
        let Self { lent, is_beginning } = self;
        *is_beginning = true;
        let (lent, _) = lent.as_mut().expect("a connection that is lent");
        let transaction = lent.inner.begin().await?;
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
        let Some((mut lent, permit)) = self.lent.take() else { return };
        let Some(runtime) = Handle::try_current().ok().filter(|_| !self.is_beginning) else {
            drop(Object::take(lent));
            return;
        };
        if lent.generation < trust::generation() {
            drop(Object::take(lent));
            return;
        }
        runtime.spawn(async move {
            let checked = tokio::time::timeout(PATIENCE, lent.check()).await;
            let timed_out = || Err(StorageError::NoConnection(sqlx::Error::PoolTimedOut));
            if let Err(error) = checked.unwrap_or_else(|_| timed_out()) {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "a database connection broke");
                drop(Object::take(lent));
            } else {
                drop(lent);
            }
            drop(permit);
        });
    }
}

impl Deref for Connection {
    type Target = PgConnection;

    #[expect(clippy::expect_used, reason = "who gives it back has it no longer")]
    fn deref(&self) -> &PgConnection {
        &self.lent.as_ref().expect("a connection that is lent").0.inner
    }
}

impl DerefMut for Connection {
    #[expect(clippy::expect_used, reason = "who gives it back has it no longer")]
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.lent.as_mut().expect("a connection that is lent").0.inner
    }
}

/// A connection in the pool.
pub(super) struct Pooled {
    inner: PgConnection,
    /// Of the time before it was opened.
    generation: u64,
}

impl Pooled {
    /// Fails unless the connection lives and leads to a server that takes writes.
    async fn check(&mut self) -> Result<(), StorageError> {
        let is_read_only =
            sqlx::query_scalar!("SHOW transaction_read_only").fetch_one(&mut self.inner).await?;
        if is_read_only.as_deref() == Some("on") {
            trust::end_trust();
            return Err(StorageError::ReadOnly);
        }
        Ok(())
    }
}

/// Where the password of the database comes from, each time that a connection is opened.
pub(crate) type PasswordSource =
    Box<dyn Fn() -> Result<SecretString, Box<dyn Error + Send + Sync>> + Send + Sync>;

/// Opens connections, and looks after those that were used before.
pub(super) struct Connector {
    pub(super) options: PgConnectOptions,
    pub(super) password: Option<PasswordSource>,
    /// How long a statement waits for a row that another transaction holds.
    pub(super) lock_timeout: Duration,
    /// How long a statement may take, and a transaction may idle.
    pub(super) statement_timeout: Duration,
}

impl Connector {
    async fn open(&self) -> Result<Pooled, StorageError> {
        let generation = trust::generation();
        let mut options = self.options.clone();
        if let Some(read) = &self.password {
            options = options.password(read().map_err(StorageError::NoPassword)?.expose_secret());
        }
        let is_tcp = options.get_socket().is_none() && !options.get_host().starts_with('/');
        let port = is_tcp.then(|| options.get_port());
        let connecting = nodelay::without_delay(options.connect(), port);
        let mut pooled =
            Pooled { inner: connecting.await.map_err(StorageError::connecting)?, generation };
        self.begin_session(&mut pooled.inner).await?;
        pooled.check().await?;
        Ok(pooled)
    }

    /// Sets the timeouts of the session. As parameters of the start they would be refused by poolers.
    async fn begin_session(&self, connection: &mut PgConnection) -> Result<(), StorageError> {
        let milliseconds = |duration: Duration| duration.as_millis().to_string();
        sqlx::query!(
            "SELECT set_config('lock_timeout', $1, false) AS lock,
                    set_config('statement_timeout', $2, false) AS statement,
                    set_config('idle_in_transaction_session_timeout', $2, false) AS idle",
            milliseconds(self.lock_timeout),
            milliseconds(self.statement_timeout),
        )
        .fetch_one(connection)
        .await?;
        Ok(())
    }
}

impl Manager for Connector {
    type Type = Pooled;
    type Error = StorageError;

    async fn create(&self) -> Result<Pooled, StorageError> {
        // Connecting takes seven times the memory of everything else that an acquisition waits for.
        Box::pin(self.open()).await
    }

    async fn recycle(
        &self,
        connection: &mut Pooled,
        metrics: &Metrics,
    ) -> RecycleResult<StorageError> {
        if metrics.age() > MAXIMUM_AGE {
            return Err(RecycleError::message("it is old"));
        }
        if connection.generation < trust::generation() {
            return Err(RecycleError::message("it is no longer trusted"));
        }
        if metrics.last_used() > TRUSTED_IDLE {
            Box::pin(connection.check()).await?;
        }
        Ok(())
    }
}
