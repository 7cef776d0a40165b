//! Why the application does not start, each in one sentence for whoever starts it.

use std::{io, net::SocketAddr, time::Duration};

use crate::{
    http::DocumentError,
    security::{hashing::HashingError, issuer_keys::IssuerError, keyring::KeyringError},
    service::keys::keyring_check::KeyringMismatch,
    storage::StorageError,
};

/// Why the application did not start. Each is one sentence for whoever starts it.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("{address} cannot be listened on: {}", reason(.source))]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A setting is missing or wrong.
    #[error("{0}")]
    Setting(String),
    /// The keys cannot be used.
    #[error(transparent)]
    Keyring(Box<dyn std::error::Error + Send + Sync>),
    /// An issuer's key set cannot be used.
    #[error(transparent)]
    Issuer(Box<dyn std::error::Error + Send + Sync>),
    /// The hashing engine did not start.
    #[error(transparent)]
    Hashing(Box<dyn std::error::Error + Send + Sync>),
    /// The database cannot be used.
    #[error(transparent)]
    Database(DatabaseError),
    /// The database could not be used in the time that a start waits for it.
    #[error(
        "the database was not ready within {} s (database.startup_wait_seconds); check that \
         PostgreSQL is running and that database.url leads to it", .wait.as_secs()
    )]
    DatabaseNotReady {
        /// How long it was waited for.
        wait: Duration,
        /// What was wrong the last time.
        source: DatabaseError,
    },
    /// The database is older than this binary.
    #[error("{0} migrations are not applied; run `credential-keeper migrate`")]
    PendingMigrations(usize),
    /// The database belongs to the other kind of installation.
    #[error("this is a {0} database; dev and serve never share one")]
    WrongKind(&'static str),
    /// A document cannot be written.
    #[error(transparent)]
    Document(Box<dyn std::error::Error + Send + Sync>),
    /// No client for the key sets of issuers.
    #[error("there is no TLS for the key sets of issuers")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The web server did not start or failed.
    #[error("the web server failed")]
    Server(#[source] io::Error),
}

impl StartError {
    pub(super) fn client(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Client(Box::new(error))
    }
}

fn reason(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::AddrInUse {
        return "another program is listening there".to_owned();
    }
    error.to_string()
}

impl From<KeyringError> for StartError {
    fn from(error: KeyringError) -> Self {
        Self::Keyring(Box::new(error))
    }
}

impl From<KeyringMismatch> for StartError {
    fn from(error: KeyringMismatch) -> Self {
        match error {
            KeyringMismatch::Storage(error) => error.into(),
            KeyringMismatch::Missing(_)
            | KeyringMismatch::Wrong(_)
            | KeyringMismatch::NotRetired(_)
            | KeyringMismatch::Retired(_)
            | KeyringMismatch::Sealed => Self::Keyring(Box::new(error)),
        }
    }
}

impl From<DocumentError> for StartError {
    fn from(error: DocumentError) -> Self {
        Self::Document(Box::new(error))
    }
}

impl From<IssuerError> for StartError {
    fn from(error: IssuerError) -> Self {
        Self::Issuer(Box::new(error))
    }
}

impl From<HashingError> for StartError {
    fn from(error: HashingError) -> Self {
        Self::Hashing(Box::new(error))
    }
}

impl From<StorageError> for StartError {
    fn from(error: StorageError) -> Self {
        Self::Database(DatabaseError(error))
    }
}

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct DatabaseError(StorageError);

impl DatabaseError {
    /// True when nothing has to be changed for it to work later.
    pub(super) fn may_pass(&self) -> bool {
        self.0.may_pass()
    }
}
