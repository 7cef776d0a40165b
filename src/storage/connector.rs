//! Opens connections, with the password and the certificates of the moment, and checks them.

use std::{
    error::Error,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret, SecretBox, SecretString};
use sqlx::{ConnectOptions as _, PgConnection, postgres::PgConnectOptions};
use time::OffsetDateTime;

use super::{
    connection_generation, connection_security::ConnectionSecurity, error::StorageError,
    hosts::Hosts, session::Session, socket_options,
};

/// The contents of the files that a connection needs.
#[derive(Default)]
pub(crate) struct ConnectionFiles {
    /// Replaces the password of the URL.
    pub(crate) password: Option<SecretString>,
    /// The certificates of `sslrootcert`, in PEM.
    pub(crate) root_certificate: Option<Vec<u8>>,
    /// The certificate of `sslcert`, in PEM.
    pub(crate) client_certificate: Option<Vec<u8>>,
    /// The private key of `sslkey`, in PEM.
    pub(crate) client_key: Option<SecretBox<Vec<u8>>>,
}

/// Reads the files within a time limit; called for each new connection. It must not block its thread.
pub(crate) type ConnectionFilesSource = Box<dyn Fn(Duration) -> ReadingFiles + Send + Sync>;

/// The contents of the files, or why they were not read.
type ReadingFiles = BoxFuture<'static, Result<ConnectionFiles, Box<dyn Error + Send + Sync>>>;

/// A connection in the pool.
pub(super) struct Pooled {
    pub(super) inner: PgConnection,
    /// The generation at the time when it was opened.
    pub(super) generation: u64,
    /// How it was opened.
    pub(super) security: ConnectionSecurity,
    /// `None` without TCP, or when the session is unknown.
    pub(super) session: Option<Session>,
}

impl Pooled {
    /// A new connection. If it leads to another server, those to the former one are invalidated: it is
    /// down, cut off, or no longer the primary server.
    fn of_server((mut opened, is_another): (Self, bool)) -> Self {
        if is_another {
            let before = connection_generation::generation();
            connection_generation::invalidate_all();
            // Unless another one has invalidated it meanwhile.
            if opened.generation == before {
                opened.generation = before + 1;
            }
        }
        opened
    }

    /// Like [`Self::check`], within a time limit. A server that does not answer in time has lost this
    /// connection, and probably every other one: all are replaced, so that no request waits for the
    /// next one. Where the guess is wrong, it costs new connections.
    pub(super) async fn check_within(&mut self, limit: Duration) -> Result<(), StorageError> {
        let Ok(checked) = tokio::time::timeout(limit, self.check()).await else {
            connection_generation::invalidate_all();
            return Err(StorageError::NoConnection(sqlx::Error::PoolTimedOut));
        };
        checked
    }

    /// Fails unless the connection works and the server accepts writes.
    pub(super) async fn check(&mut self) -> Result<(), StorageError> {
        let is_read_only =
            sqlx::query_scalar!("SHOW transaction_read_only").fetch_one(&mut self.inner).await?;
        if is_read_only.as_deref() == Some("on") {
            connection_generation::invalidate_all();
            return Err(StorageError::ReadOnly);
        }
        Ok(())
    }
}

/// Opens connections.
pub(super) struct Connector {
    /// The servers of the URL, with its options.
    pub(super) hosts: Hosts,
    /// How the URL protects a connection to any of them.
    pub(super) security: ConnectionSecurity,
    /// `None` when the URL names no files.
    pub(super) files: Option<ConnectionFilesSource>,
    /// The contents of the files with which the last connection was opened.
    pub(super) last_good: RwLock<Option<Arc<ConnectionFiles>>>,
    /// The time limit for checking an idle connection before use, and for reading the files while there
    /// are former contents.
    pub(super) check_timeout: Duration,
    pub(super) timeouts: Timeouts,
    /// True when a session belongs to a transaction only, so that its settings cannot be changed.
    pub(super) transaction_pooling: bool,
}

/// The time limits that the server enforces.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timeouts {
    /// For waiting for a lock.
    pub(crate) lock: Duration,
    /// For a statement; zero for none.
    pub(crate) statement: Duration,
    /// For a transaction that is idle.
    pub(crate) idle: Duration,
}

impl Connector {
    /// Opens a connection to the primary server.
    pub(super) async fn open(&self) -> Result<Pooled, StorageError> {
        let opened = self.hosts.open_any(|options| self.open_host(options)).await?;
        Ok(Pooled::of_server(opened))
    }

    /// Opens a connection with the present contents of the files.
    pub(super) async fn open_with_files(&self) -> Result<Pooled, StorageError> {
        let opened = self.hosts.open_any(|options| self.open_host_with_files(options)).await?;
        Ok(Pooled::of_server(opened))
    }

    /// Opens a connection. When the files are not usable, opens it with their last good contents:
    /// a wrong file must not end a service whose former password is still valid. When those are
    /// refused as well, the server may have changed the password between the two attempts.
    async fn open_host(&self, options: &PgConnectOptions) -> Result<Pooled, StorageError> {
        let error = match self.open_host_with_files(options).await {
            Err(error) if error.concerns_credentials() => error,
            opened => return opened,
        };
        let Some(former) = self.last_good() else { return Err(error) };
        match self.open_with(&with_files(options.clone(), &former)).await {
            Ok(opened) => Ok(opened),
            Err(refused) if refused.concerns_credentials() => {
                self.open_host_with_files(options).await
            }
            Err(_) => Err(error),
        }
    }

    async fn open_host_with_files(
        &self,
        options: &PgConnectOptions,
    ) -> Result<Pooled, StorageError> {
        let Some(read) = &self.files else { return self.open_with(options).await };
        // Without former contents, the time limit is that of the request.
        let limit = self.last_good().map_or(Duration::MAX, |_| self.check_timeout);
        let files = read(limit).await.map_err(StorageError::NoCredentials)?;
        let opened = self.open_with(&with_files(options.clone(), &files)).await?;
        *self.last_good.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(files));
        Ok(opened)
    }

    fn last_good(&self) -> Option<Arc<ConnectionFiles>> {
        self.last_good.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn open_with(&self, options: &PgConnectOptions) -> Result<Pooled, StorageError> {
        let generation = connection_generation::generation();
        let is_tcp = options.get_socket().is_none() && !options.get_host().starts_with('/');
        let port = is_tcp.then(|| options.get_port());
        let connecting = socket_options::connect_with_options(options.connect(), port);
        let (connected, socket) = connecting.await;
        let mut inner = connected.map_err(StorageError::connecting)?;
        let begun = self.begin_session(&mut inner).await;
        let begun = begun.map_err(StorageError::of_first_statement)?;
        if begun.is_read_only {
            return Err(StorageError::ReadOnly);
        }
        let session = begun.process.zip(socket).map(|((process, started_at), socket)| Session {
            process,
            started_at,
            socket,
        });
        Ok(Pooled { inner, generation, security: self.security, session })
    }

    /// Sets the timeouts of the session. Connection poolers refuse timeouts as startup parameters.
    async fn begin_session(&self, connection: &mut PgConnection) -> Result<Begun, sqlx::Error> {
        if self.transaction_pooling {
            let is_read_only = sqlx::query_scalar!("SHOW transaction_read_only");
            let is_read_only = is_read_only.fetch_one(connection).await?.as_deref() == Some("on");
            return Ok(Begun { is_read_only, process: None });
        }
        let milliseconds = |duration: Duration| duration.as_millis().to_string();
        let session = sqlx::query!(
            r#"SELECT current_setting('transaction_read_only')::boolean AS "is_read_only!",
                      pid AS "process!", backend_start AS started_at,
                      set_config('lock_timeout', $1, false) AS lock,
                      set_config('statement_timeout', $2, false) AS statement,
                      set_config('idle_in_transaction_session_timeout', $3, false) AS idle
               FROM pg_stat_get_activity(pg_backend_pid())"#,
            milliseconds(self.timeouts.lock),
            milliseconds(self.timeouts.statement),
            milliseconds(self.timeouts.idle),
        )
        .fetch_one(connection)
        .await?;
        let process = session.started_at.map(|started_at| (session.process, started_at));
        Ok(Begun { is_read_only: session.is_read_only, process })
    }
}

/// What a new session says about itself.
struct Begun {
    is_read_only: bool,
    /// The id of its process, and when that started; `None` when the session belongs to a transaction
    /// only, or when its role may not see it, after a `SET ROLE`.
    process: Option<(i32, OffsetDateTime)>,
}

fn with_files(mut options: PgConnectOptions, files: &ConnectionFiles) -> PgConnectOptions {
    let ConnectionFiles { password, root_certificate, client_certificate, client_key } = files;
    if let Some(password) = password {
        options = options.password(password.expose_secret());
    }
    if let Some(pem) = root_certificate {
        options = options.ssl_root_cert_from_pem(pem.clone());
    }
    if let Some(pem) = client_certificate {
        options = options.ssl_client_cert_from_pem(pem);
    }
    if let Some(pem) = client_key {
        options = options.ssl_client_key_from_pem(pem.expose_secret());
    }
    options
}
