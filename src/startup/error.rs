//! Errors that prevent the application from starting, as messages for the operator.

use std::{io, net::SocketAddr, time::Duration};

use tokio::task::JoinError;

use crate::{
    key_wrapping::MasterKeyError,
    security::{
        hashing::HashingError, issuer_keys::IssuerError, keyring::KeyringError, random::RandomError,
    },
    service::{errors::AddUserError, keys::keyring_check::KeyringMismatch},
    storage::StorageError,
    telemetry::task_failed,
};

/// Why the application did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Listening on the address failed.
    #[error("cannot listen on {address}: {}", reason(.source))]
    Listen {
        /// The configured address.
        address: SocketAddr,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The socket unit passed a socket that no setting names.
    #[error(
        "the socket unit passed a socket for {0}, but no setting names this address; write the same \
         address to http.listen or operations.listen and to ListenStream= of the unit"
    )]
    UnknownSocket(SocketAddr),
    /// The socket unit passed a file descriptor that is not a listening TCP socket.
    #[error(
        "the socket unit passed an unusable socket; use ListenStream= with an address and a port"
    )]
    UnusableSocket(#[source] io::Error),
    /// A setting is missing or invalid.
    #[error("{0}")]
    Setting(String),
    /// The keyring is invalid or does not match the database.
    #[error(transparent)]
    Keyring(Box<dyn std::error::Error + Send + Sync>),
    /// The master key of a wrapped keyring could not be used.
    #[error(transparent)]
    MasterKey(MasterKeyFailure),
    /// The master key was not available within the configured wait.
    #[error(
        "timed out after {} s waiting for the master key of the keyring \
         (keyring.startup_wait_seconds)", .wait.as_secs()
    )]
    MasterKeyNotReady {
        /// The configured wait.
        wait: Duration,
        /// The error of the last attempt.
        source: MasterKeyFailure,
    },
    /// A keyring that was just wrapped has other keys than before.
    #[error("the wrapped keyring cannot be read back; nothing was changed")]
    WrappedDiffers,
    /// The key set of an issuer is invalid.
    #[error(transparent)]
    Issuer(Box<dyn std::error::Error + Send + Sync>),
    /// The hashing engine did not start.
    #[error(transparent)]
    Hashing(Box<dyn std::error::Error + Send + Sync>),
    /// Connecting to the database failed.
    #[error(transparent)]
    Database(DatabaseError),
    /// The database was not ready within the configured wait.
    #[error(
        "timed out after {} s waiting for the database (database.startup_wait_seconds); check that \
         PostgreSQL is running and that database.url is correct", .wait.as_secs()
    )]
    DatabaseNotReady {
        /// The configured wait.
        wait: Duration,
        /// The error of the last attempt.
        source: DatabaseError,
    },
    /// Migrations are pending.
    #[error("{0} database migrations are pending; run `credential-keeper migrate`")]
    PendingMigrations(usize),
    /// The database role lacks privileges that the command needs.
    #[error("permission denied: the role of database.url lacks {missing}; {next_step}")]
    MissingPrivileges {
        /// The first missing privileges.
        missing: String,
        /// Which role the command needs.
        next_step: &'static str,
    },
    /// The database already belongs to an installation.
    #[error(
        "the database belongs to an installation that has a keyring; use its configuration and its \
         keyring, or an empty database"
    )]
    InUse,
    /// The database belongs to the other kind of installation.
    #[error("this is a {0} database; use separate databases for dev and serve")]
    WrongKind(&'static str),
    /// Adding an initial user failed.
    #[error(transparent)]
    User(Box<dyn std::error::Error + Send + Sync>),
    /// Creating the HTTP client for key sets failed.
    #[error("cannot initialize TLS for the key sets of issuers")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A background task, such as the delivery of mails, ended.
    #[error("a background task failed")]
    BackgroundTask(#[source] io::Error),
    /// The web server did not start or failed.
    #[error("the web server failed")]
    Server(#[source] io::Error),
}

impl StartError {
    /// True when a supervisor must not start the process again before an operator acts.
    pub(crate) fn must_not_repeat(&self) -> bool {
        matches!(self, Self::MasterKey(failure) if failure.must_not_repeat())
    }

    pub(super) fn interrupted(error: JoinError) -> Self {
        Self::Server(task_failed(error))
    }

    pub(super) fn client(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Client(Box::new(error))
    }
}

fn reason(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::AddrInUse {
        return "address already in use; stop the other program or choose another port".to_owned();
    }
    error.to_string()
}

impl From<KeyringError> for StartError {
    fn from(error: KeyringError) -> Self {
        Self::Keyring(Box::new(error))
    }
}

impl From<MasterKeyError> for StartError {
    fn from(error: MasterKeyError) -> Self {
        Self::MasterKey(MasterKeyFailure(error))
    }
}

impl From<MasterKeyFailure> for StartError {
    fn from(error: MasterKeyFailure) -> Self {
        Self::MasterKey(error)
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

impl From<AddUserError> for StartError {
    fn from(error: AddUserError) -> Self {
        Self::User(Box::new(error))
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

/// Why the database is not usable.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct DatabaseError(StorageError);

impl DatabaseError {
    /// True when a later attempt can succeed without a change of the configuration.
    pub(super) fn is_transient(&self) -> bool {
        self.0.is_transient()
    }
}

/// Why a master key could not be used.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct MasterKeyFailure(MasterKeyError);

impl MasterKeyFailure {
    /// True for an outage: a later attempt can succeed without a change of the configuration.
    pub(super) fn is_outage(&self) -> bool {
        self.0.is_outage()
    }

    /// True when nobody may repeat the call before an operator acts.
    fn must_not_repeat(&self) -> bool {
        self.0.must_not_repeat()
    }
}

impl From<RandomError> for MasterKeyFailure {
    fn from(error: RandomError) -> Self {
        Self(error.into())
    }
}
