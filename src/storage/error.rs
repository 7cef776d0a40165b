//! What the database said, as far as anybody can act on it.

/// A statement did not do what it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StorageError {
    /// No connection, or none in time; nothing was done.
    #[error("the database cannot be reached")]
    Unavailable(#[source] sqlx::Error),
    /// Another transaction was in the way for too long; nothing was done.
    #[error("another transaction was in the way for too long")]
    Busy(#[source] sqlx::Error),
    /// The connection died while a commit was under way: it may or may not have happened.
    #[error("the connection died during commit")]
    OutcomeUnknown(#[source] sqlx::Error),
    /// A named rule of a table refused the row.
    #[error("the constraint {0} refused the row")]
    Constraint(String),
    /// A row holds what this program never writes.
    #[error("a row of {table} holds what was never written")]
    Inconsistent { table: &'static str },
    /// The migrations of this binary and of the database differ.
    #[error("the migrations could not be applied")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// The connection settings cannot be read.
    #[error("database.url is not a PostgreSQL URL")]
    BadUrl,
    #[error("the database refused a statement")]
    Refused(#[source] sqlx::Error),
}

/// SQLSTATEs of a statement that gave way to others: lock not available, deadlock, serialization
/// failure, statement timeout, idle-in-transaction timeout. Its transaction did nothing.
const BUSY: [&str; 5] = ["55P03", "40P01", "40001", "57014", "25P03"];

/// SQLSTATE classes and codes of a server that is not there for us: connection exceptions,
/// insufficient resources, and shutdown or crash of the server.
const UNAVAILABLE: [&str; 3] = ["08", "53", "57P"];

impl StorageError {
    /// The same failure, of a statement that is its own transaction: what died under it may have
    /// been committed.
    pub(crate) fn in_doubt(self) -> Self {
        match self {
            Self::Unavailable(error) => Self::OutcomeUnknown(error),
            Self::Busy(_)
            | Self::OutcomeUnknown(_)
            | Self::Constraint(_)
            | Self::Inconsistent { .. }
            | Self::Migration(_)
            | Self::BadUrl
            | Self::Refused(_) => self,
        }
    }
}

impl From<sqlx::Error> for StorageError {
    fn from(error: sqlx::Error) -> Self {
        if is_connection_failure(&error) {
            return Self::Unavailable(error);
        }
        let Some(database) = error.as_database_error() else {
            return Self::Refused(error);
        };
        if let Some(constraint) = database.constraint() {
            return Self::Constraint(constraint.to_owned());
        }
        if database.code().is_some_and(|code| BUSY.contains(&code.as_ref())) {
            return Self::Busy(error);
        }
        Self::Refused(error)
    }
}

/// True when the server, not the statement, is what failed.
pub(super) fn is_connection_failure(error: &sqlx::Error) -> bool {
    if let Some(database) = error.as_database_error() {
        let code = database.code().unwrap_or_default();
        return UNAVAILABLE.iter().any(|class| code.starts_with(class));
    }
    matches!(
        error,
        sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
    )
}
