//! The errors of the database, classified by what the caller can do about them.

use sqlx::error::DatabaseError;

use super::{
    bad_database_url::BadDatabaseUrl,
    connection_generation,
    error_class::{ErrorClass, class_of, has_code, is_stale},
};

/// A statement failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StorageError {
    /// No connection, or none within the time limit; nothing was done.
    #[error("{}", no_connection(.0))]
    NoConnection(#[source] sqlx::Error),
    /// The server is a standby or read-only; nothing was done.
    #[error("the database server is read-only")]
    ReadOnly,
    /// Sessions are shared by a connection pooler; nothing was done.
    #[error(
        "a connection pooler in transaction mode shares the sessions of the database; use its session \
         mode, or PgBouncer 1.21 or newer with max_prepared_statements and \
         database.transaction_pooling = true"
    )]
    SharedSession,
    /// A file with the password or a certificate cannot be read; nothing was done.
    #[error("failed to read the database credentials")]
    NoCredentials(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The server did not execute the statement because of its own state or that of the connection;
    /// nothing was done.
    #[error("the database server could not execute a statement")]
    NotExecuted(#[source] sqlx::Error),
    /// The connection was lost during a statement; an open transaction is rolled back.
    #[error("the connection to the database was lost")]
    ConnectionLost(#[source] sqlx::Error),
    /// The statement timed out or conflicted with another transaction; nothing was done.
    #[error("{}", busy(.0))]
    Busy(#[source] sqlx::Error),
    /// Other requests of the caller use as many connections as one caller may, for the whole time limit;
    /// nothing was done.
    #[error("timed out waiting for other requests of the same caller")]
    CallerBusy,
    /// The connection was lost during a commit: the transaction may or may not be committed.
    #[error("the connection was lost during a commit")]
    OutcomeUnknown(#[source] sqlx::Error),
    /// A row violates a constraint of its table.
    #[error("the row violates the constraint {0}")]
    Constraint(String),
    /// A row has values that this service never writes.
    #[error("the table {table} contains an invalid row that this service did not write")]
    Inconsistent { table: &'static str },
    /// The migrations of this binary and of the database differ.
    #[error("failed to apply the migrations")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// The connection settings cannot be used.
    #[error("database.url {0}")]
    BadUrl(BadDatabaseUrl),
    /// The server rejected the statement for any other reason.
    #[error("the database rejected a statement")]
    Refused(#[source] sqlx::Error),
}

/// SQLSTATE classes of a server that refuses connections for now: starting up, or too many
/// connections.
const TRANSIENT: [&str; 2] = ["57P", "53"];

/// SQLSTATEs and classes of a refused connection, with the reason that readiness and the log give:
/// invalid authorization, unknown database, no privilege to connect, too many connections, other
/// insufficient resources, cannot connect now, and other shutdowns.
const REFUSED: [(&str, &str); 7] = [
    ("28", "the database server refused the role or its password"),
    ("3D", "the database does not exist"),
    ("42501", "the role may not connect to the database"),
    ("53300", "the database server has too many connections"),
    ("53", "the database server has not enough memory or disk space"),
    ("57P03", "the database server is starting, stopping or in recovery"),
    ("57P", "the database server is stopping"),
];

/// The SQLSTATE of a statement that was canceled, mostly after `statement_timeout`.
const CANCELED: &str = "57014";

/// SQLSTATEs of prepared statements that a connection pooler has mixed up.
const MIXED_UP_STATEMENTS: [&str; 2] = ["26000", "42P05"];

impl StorageError {
    /// The error of a connection attempt.
    pub(super) fn connecting(error: sqlx::Error) -> Self {
        Self::NoConnection(error)
    }

    /// The same error for a statement that is its own transaction: if the connection was lost, the
    /// statement may have been committed.
    pub(crate) fn in_doubt(self) -> Self {
        match self {
            Self::ConnectionLost(error) => {
                ErrorClass::OutcomeUnknown.record();
                Self::OutcomeUnknown(error)
            }
            Self::NoConnection(_)
            | Self::ReadOnly
            | Self::SharedSession
            | Self::NoCredentials(_)
            | Self::NotExecuted(_)
            | Self::Busy(_)
            | Self::CallerBusy
            | Self::OutcomeUnknown(_)
            | Self::Constraint(_)
            | Self::Inconsistent { .. }
            | Self::Migration(_)
            | Self::BadUrl(_)
            | Self::Refused(_) => self,
        }
    }

    /// Counts the error of a connection that was not available. Those of statements are counted where
    /// they become a [`StorageError`], and invalid rows by [`Self::count_invalid_row`].
    pub(super) fn count(&self) {
        match self {
            Self::ReadOnly => ErrorClass::ReadOnly,
            Self::NoConnection(_)
            | Self::SharedSession
            | Self::NoCredentials(_)
            | Self::BadUrl(_)
            | Self::Migration(_) => ErrorClass::NoConnection,
            // Counted already, or no error of the database.
            Self::NotExecuted(_)
            | Self::ConnectionLost(_)
            | Self::Busy(_)
            | Self::CallerBusy
            | Self::OutcomeUnknown(_)
            | Self::Constraint(_)
            | Self::Inconsistent { .. }
            | Self::Refused(_) => return,
        }
        .record();
    }

    /// Counts the invalid row that failed a request; other errors are counted where they occur.
    pub(crate) fn count_invalid_row(&self) {
        if matches!(self, Self::Inconsistent { .. }) {
            ErrorClass::Inconsistent.record();
        }
    }

    /// True when the statement was not executed and may succeed on a new connection.
    pub(crate) fn is_retryable(&self) -> bool {
        matches!(self, Self::NotExecuted(error) if is_stale(error))
    }

    /// True when a read-only statement may succeed on a new connection.
    pub(crate) fn is_retryable_read(&self) -> bool {
        self.is_retryable() || matches!(self, Self::ConnectionLost(_))
    }

    /// True for transient errors: the server is not reachable yet, is starting, is a standby that
    /// may be promoted, or has too many connections.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            // An invalid certificate (invalid data) is not transient.
            Self::NoConnection(sqlx::Error::Io(error)) => {
                error.kind() != std::io::ErrorKind::InvalidData
            }
            Self::NoConnection(error) => {
                matches!(error, sqlx::Error::PoolTimedOut) || has_code(error, &TRANSIENT)
            }
            Self::ReadOnly | Self::ConnectionLost(_) => true,
            Self::SharedSession
            | Self::NoCredentials(_)
            | Self::NotExecuted(_)
            | Self::Busy(_)
            | Self::CallerBusy
            | Self::OutcomeUnknown(_)
            | Self::Constraint(_)
            | Self::Inconsistent { .. }
            | Self::Migration(_)
            | Self::BadUrl(_)
            | Self::Refused(_) => false,
        }
    }

    /// True when the server may accept writes within the time of a request: it is a standby that may
    /// be promoted, or it starts.
    pub(super) fn may_pass_soon(&self) -> bool {
        let is_starting = matches!(self, Self::NoConnection(error) if has_code(error, &["57P03"]));
        is_starting || matches!(self, Self::ReadOnly)
    }

    /// True when a connection may succeed with another password or certificate.
    pub(super) fn concerns_credentials(&self) -> bool {
        match self {
            Self::NoCredentials(_)
            | Self::NoConnection(sqlx::Error::Tls(_) | sqlx::Error::Configuration(_)) => true,
            Self::NoConnection(sqlx::Error::Io(error)) => {
                error.kind() == std::io::ErrorKind::InvalidData
            }
            Self::NoConnection(error) => has_code(error, &["28"]),
            Self::ReadOnly
            | Self::SharedSession
            | Self::NotExecuted(_)
            | Self::ConnectionLost(_)
            | Self::Busy(_)
            | Self::CallerBusy
            | Self::OutcomeUnknown(_)
            | Self::Constraint(_)
            | Self::Inconsistent { .. }
            | Self::Migration(_)
            | Self::BadUrl(_)
            | Self::Refused(_) => false,
        }
    }

    /// The error of the first statement of a connection. A prepared statement of another connection
    /// shows that both share a session of the server.
    pub(super) fn of_first_statement(error: sqlx::Error) -> Self {
        if has_code(&error, &MIXED_UP_STATEMENTS) { Self::SharedSession } else { error.into() }
    }

    /// True when the server has reached its connection limit.
    pub(super) fn is_too_many_connections(&self) -> bool {
        matches!(self, Self::NoConnection(error) if has_code(error, &["53300"]))
    }
}

impl From<sqlx::Error> for StorageError {
    fn from(error: sqlx::Error) -> Self {
        let class = class_of(&error);
        class.record();
        match class {
            ErrorClass::ConnectionLost => {
                connection_generation::invalidate_all();
                Self::ConnectionLost(error)
            }
            ErrorClass::NotExecuted => {
                if is_stale(&error) {
                    connection_generation::invalidate_all();
                }
                Self::NotExecuted(error)
            }
            ErrorClass::Busy => Self::Busy(error),
            ErrorClass::Constraint => {
                let name = error.as_database_error().and_then(DatabaseError::constraint);
                Self::Constraint(name.unwrap_or_default().to_owned())
            }
            ErrorClass::NoConnection
            | ErrorClass::ReadOnly
            | ErrorClass::OutcomeUnknown
            | ErrorClass::Inconsistent
            | ErrorClass::Refused => Self::Refused(error),
        }
    }
}

/// Why there is no connection, without a part of the URL.
fn no_connection(error: &sqlx::Error) -> &'static str {
    if matches!(error, sqlx::Error::PoolTimedOut) {
        return "timed out waiting for a database connection";
    }
    let refused = REFUSED.iter().find(|(code, _)| has_code(error, &[code]));
    refused.map_or("the database cannot be reached", |(_, reason)| *reason)
}

/// Why a statement was not executed to its end.
fn busy(error: &sqlx::Error) -> &'static str {
    if has_code(error, &[CANCELED]) {
        "a statement took longer than statement_timeout (database.statement_timeout_seconds), or was \
         canceled"
    } else {
        "timed out waiting for another transaction, or conflicted with it"
    }
}

#[cfg(test)]
mod tests {
    use std::{borrow::Cow, error::Error, fmt};

    use sqlx::error::ErrorKind;

    use super::*;
    use crate::storage::error_class::BUSY;

    /// An error of the server: SQLSTATE and message.
    #[derive(Debug)]
    struct ServerError(&'static str, &'static str);

    impl fmt::Display for ServerError {
        fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str(self.1)
        }
    }

    impl Error for ServerError {}

    impl DatabaseError for ServerError {
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

    fn server_error(code: &'static str, text: &'static str) -> StorageError {
        sqlx::Error::Database(Box::new(ServerError(code, text))).into()
    }

    #[test]
    fn server_states_are_not_rejected_statements() {
        for code in [
            "08006", "08P01", "25006", "26000", "28000", "28P01", "3D000", "3F000", "42501",
            "42703", "42883", "42P01", "42P05", "53000", "53100", "53200", "53300", "53400",
            "55000", "57P01", "57P02", "57P03", "57P04", "57P05", "58000", "58030", "58P01",
            "F0000", "XX000", "XX001", "XX002", "40003",
        ] {
            let error = server_error(code, "");
            let is_of_server =
                matches!(error, StorageError::NotExecuted(_) | StorageError::ConnectionLost(_));
            assert!(is_of_server, "{code}: {error:?}");
        }
        for code in BUSY {
            assert!(matches!(server_error(code, ""), StorageError::Busy(_)), "{code}");
        }
        for code in ["42601", "22001", "0A000"] {
            assert!(matches!(server_error(code, ""), StorageError::Refused(_)), "{code}");
        }
    }

    #[test]
    fn only_a_lock_or_a_conflict_is_said_to_wait_for_another_transaction() {
        for code in BUSY {
            let text = server_error(code, "").to_string();
            let waits = text.contains("waiting for another transaction");
            assert_eq!((waits, text.contains("statement_timeout")), (code != "57014", !waits));
        }
    }

    #[test]
    fn a_refused_connection_has_a_reason_without_the_text_of_the_server() {
        for (code, reason) in [
            ("28P01", "refused the role or its password"),
            ("28000", "refused the role or its password"),
            ("3D000", "does not exist"),
            ("42501", "may not connect"),
            ("53300", "too many connections"),
            ("53200", "not enough memory or disk space"),
            ("57P03", "starting, stopping or in recovery"),
            ("57P01", "stopping"),
            ("08001", "cannot be reached"),
        ] {
            let error = sqlx::Error::Database(Box::new(ServerError(code, "secret")));
            let text = StorageError::connecting(error).to_string();
            assert!(text.contains(reason) && !text.contains("secret"), "{code}: {text}");
        }
        let late = StorageError::NoConnection(sqlx::Error::PoolTimedOut).to_string();
        assert_eq!(late, "timed out waiting for a database connection");
    }

    #[test]
    fn errors_of_stale_connections_invalidate_all_open_connections() {
        for (code, text) in [
            ("25006", "cannot execute UPDATE in a read-only transaction"),
            ("0A000", "cached plan must not change result type"),
            ("26000", "prepared statement does not exist"),
        ] {
            let before = connection_generation::generation();
            let error = server_error(code, text);
            assert!(error.is_retryable() && connection_generation::generation() > before, "{code}");
            assert!(!matches!(error.in_doubt(), StorageError::OutcomeUnknown(_)), "{code}");
        }
        let lost = server_error("57P01", "terminating connection due to administrator command");
        assert!(!lost.is_retryable() && lost.is_retryable_read());
        assert!(matches!(lost.in_doubt(), StorageError::OutcomeUnknown(_)));
        assert!(!server_error("53100", "disk full").is_retryable_read());
    }
}
