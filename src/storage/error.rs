//! What the database said, as far as anybody can act on it.

use sqlx::error::DatabaseError;

use super::{database_url::BadDatabaseUrl, trust};

/// A statement did not do what it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StorageError {
    /// No connection, or none in time; nothing was done.
    #[error("the database cannot be reached")]
    NoConnection(#[source] sqlx::Error),
    /// The server is a standby, or was set to read-only; nothing was done.
    #[error("the database server is read-only")]
    ReadOnly,
    /// The password that connections are opened with cannot be read; nothing was done.
    #[error("the password of the database cannot be read")]
    NoPassword(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The server did not execute the statement, because of the state that it or this connection is
    /// in; nothing was done.
    #[error("the database server did not execute a statement")]
    NotExecuted(#[source] sqlx::Error),
    /// The connection died under a statement; a transaction that was open is rolled back.
    #[error("the connection to the database was lost")]
    ConnectionLost(#[source] sqlx::Error),
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
    /// The connection settings cannot be used.
    #[error("database.url {0}")]
    BadUrl(BadDatabaseUrl),
    #[error("the database refused a statement")]
    Refused(#[source] sqlx::Error),
}

/// SQLSTATEs of a statement that gave way to others: lock not available, deadlock, serialization
/// failure, statement timeout, idle-in-transaction and transaction timeouts. Its transaction did nothing.
const BUSY: [&str; 6] = ["55P03", "40P01", "40001", "57014", "25P03", "25P04"];

/// SQLSTATE classes and codes of a connection that ended: connection exceptions, and shutdown or crash
/// of the server or of this session.
const LOST: [&str; 3] = ["08", "57P", "40003"];

/// SQLSTATE classes and codes of a server that cannot execute, whatever the statement is. In the order
/// of PostgreSQL's appendix A: read-only transaction; role or password not accepted; no such database;
/// schema not there; insufficient privilege; table, column or function not there (a database that
/// was not migrated, since the statements are checked when this program is built); insufficient
/// resources; not ready for connections; error of the system; configuration file; internal error.
const SERVER_STATE: [&str; 14] = [
    "25006", "28", "3D", "3F", "42501", "42P01", "42703", "42883", "53", "55000", "57P03", "58",
    "F0", "XX",
];

/// SQLSTATE classes of a server that refuses connections for now: not ready, or full.
const PASSING: [&str; 2] = ["57P", "53"];

/// SQLSTATEs of a connection that another one may be better than: it leads to a standby, or a pooler
/// in between has mixed up its prepared statements.
const STALE_CONNECTION: [&str; 3] = ["25006", "26000", "42P05"];

/// The SQLSTATE, and the text, of a prepared statement whose tables were changed since.
const STALE_PLAN: (&str, &str) = ("0A000", "cached plan");

impl StorageError {
    /// Of a connection that could not be opened.
    pub(super) fn connecting(error: sqlx::Error) -> Self {
        Self::NoConnection(error)
    }

    /// The same failure, of a statement that is its own transaction: what died under it may have
    /// been committed.
    pub(crate) fn in_doubt(self) -> Self {
        match self {
            Self::ConnectionLost(error) => Self::OutcomeUnknown(error),
            Self::NoConnection(_)
            | Self::ReadOnly
            | Self::NoPassword(_)
            | Self::NotExecuted(_)
            | Self::Busy(_)
            | Self::OutcomeUnknown(_)
            | Self::Constraint(_)
            | Self::Inconsistent { .. }
            | Self::Migration(_)
            | Self::BadUrl(_)
            | Self::Refused(_) => self,
        }
    }

    /// True when the statement was not executed, and another connection may be able to.
    pub(crate) fn is_of_stale_connection(&self) -> bool {
        matches!(self, Self::NotExecuted(error) if is_stale(error))
    }

    /// True when a statement that only reads may succeed on another connection.
    pub(crate) fn is_of_lost_connection(&self) -> bool {
        self.is_of_stale_connection() || matches!(self, Self::ConnectionLost(_))
    }

    /// True when waiting may help, and nothing has to be changed: the server is not there yet, starts,
    /// is a standby that is about to be promoted, or is full.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            // A certificate that does not count (invalid data) stays what it is.
            Self::NoConnection(sqlx::Error::Io(error)) => {
                error.kind() != std::io::ErrorKind::InvalidData
            }
            Self::NoConnection(error) => {
                matches!(error, sqlx::Error::PoolTimedOut) || has_code(error, &PASSING)
            }
            Self::ReadOnly | Self::ConnectionLost(_) => true,
            Self::NoPassword(_)
            | Self::NotExecuted(_)
            | Self::Busy(_)
            | Self::OutcomeUnknown(_)
            | Self::Constraint(_)
            | Self::Inconsistent { .. }
            | Self::Migration(_)
            | Self::BadUrl(_)
            | Self::Refused(_) => false,
        }
    }

    /// True when the server has no room for another connection: it lets some in, but no more.
    pub(super) fn is_too_many_connections(&self) -> bool {
        matches!(self, Self::NoConnection(error) if has_code(error, &["53300"]))
    }
}

impl From<sqlx::Error> for StorageError {
    fn from(error: sqlx::Error) -> Self {
        if is_connection_failure(&error) {
            trust::end_trust();
            return Self::ConnectionLost(error);
        }
        if is_stale(&error) {
            trust::end_trust();
            return Self::NotExecuted(error);
        }
        let Some(database) = error.as_database_error() else {
            return Self::Refused(error);
        };
        if let Some(constraint) = database.constraint() {
            return Self::Constraint(constraint.to_owned());
        }
        if has_code(&error, &BUSY) {
            return Self::Busy(error);
        }
        if has_code(&error, &SERVER_STATE) {
            return Self::NotExecuted(error);
        }
        Self::Refused(error)
    }
}

/// True when the connection has ended.
pub(super) fn is_connection_failure(error: &sqlx::Error) -> bool {
    if error.as_database_error().is_some() {
        return has_code(error, &LOST);
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

/// True when the statement was not executed because of its connection.
fn is_stale(error: &sqlx::Error) -> bool {
    let (code, text) = STALE_PLAN;
    has_code(error, &STALE_CONNECTION)
        || has_code(error, &[code])
            && error.as_database_error().is_some_and(|error| error.message().starts_with(text))
}

/// True for an error of the database with one of these SQLSTATEs, or of one of these classes.
fn has_code(error: &sqlx::Error, codes: &[&str]) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.is_some_and(|code| codes.iter().any(|prefix| code.starts_with(prefix)))
}

#[cfg(test)]
mod tests {
    use std::{borrow::Cow, error::Error, fmt};

    use sqlx::error::ErrorKind;

    use super::*;

    /// What a server says, with that SQLSTATE.
    #[derive(Debug)]
    struct Said(&'static str, &'static str);

    impl fmt::Display for Said {
        fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str(self.1)
        }
    }

    impl Error for Said {}

    impl DatabaseError for Said {
        fn message(&self) -> &str {
            self.1
        }

        fn code(&self) -> Option<Cow<'_, str>> {
            Some(self.0.into())
        }

        fn as_error(&self) -> &(dyn Error + Send + Sync + 'static) {
            self
        }

        fn as_error_mut(&mut self) -> &mut (dyn Error + Send + Sync + 'static) {
            self
        }

        fn into_error(self: Box<Self>) -> Box<dyn Error + Send + Sync + 'static> {
            self
        }

        fn kind(&self) -> ErrorKind {
            ErrorKind::Other
        }
    }

    fn said(code: &'static str, text: &'static str) -> StorageError {
        sqlx::Error::Database(Box::new(Said(code, text))).into()
    }

    #[test]
    fn no_state_of_the_server_is_an_error_of_this_program() {
        for code in [
            "08006", "08P01", "25006", "26000", "28000", "28P01", "3D000", "3F000", "42501",
            "42703", "42883", "42P01", "42P05", "53000", "53100", "53200", "53300", "53400",
            "55000", "57P01", "57P02", "57P03", "57P04", "57P05", "58000", "58030", "58P01",
            "F0000", "XX000", "XX001", "XX002", "40003",
        ] {
            let error = said(code, "");
            let is_of_server =
                matches!(error, StorageError::NotExecuted(_) | StorageError::ConnectionLost(_));
            assert!(is_of_server, "{code}: {error:?}");
        }
        for code in BUSY {
            assert!(matches!(said(code, ""), StorageError::Busy(_)), "{code}");
        }
        for code in ["42601", "22001", "0A000"] {
            assert!(matches!(said(code, ""), StorageError::Refused(_)), "{code}");
        }
    }

    #[test]
    fn what_another_connection_may_do_better_ends_the_trust_in_all_that_are_open() {
        for (code, text) in [
            ("25006", "cannot execute UPDATE in a read-only transaction"),
            ("0A000", "cached plan must not change result type"),
            ("26000", "prepared statement does not exist"),
        ] {
            let before = trust::generation();
            let error = said(code, text);
            assert!(error.is_of_stale_connection() && trust::generation() > before, "{code}");
            assert!(!matches!(error.in_doubt(), StorageError::OutcomeUnknown(_)), "{code}");
        }
        let lost = said("57P01", "terminating connection due to administrator command");
        assert!(!lost.is_of_stale_connection() && lost.is_of_lost_connection());
        assert!(matches!(lost.in_doubt(), StorageError::OutcomeUnknown(_)));
        assert!(!said("53100", "disk full").is_of_lost_connection());
    }
}
