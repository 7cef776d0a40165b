//! The errors of the database, classified by what the caller can do about them.

use sqlx::error::DatabaseError;

use super::{bad_database_url::BadDatabaseUrl, connection_generation};

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
    #[error("timed out waiting for another transaction, or conflicted with it")]
    Busy(#[source] sqlx::Error),
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

/// SQLSTATEs of conflicts and timeouts: lock not available, deadlock, serialization failure,
/// statement timeout, idle-in-transaction timeout and transaction timeout. The transaction is
/// rolled back.
const BUSY: [&str; 6] = ["55P03", "40P01", "40001", "57014", "25P03", "25P04"];

/// SQLSTATE classes and codes of a lost connection: connection exceptions, and shutdown or crash of
/// the server or of this session.
const LOST: [&str; 3] = ["08", "57P", "40003"];

/// SQLSTATE classes and codes of a server that cannot execute any statement, in the order of
/// PostgreSQL's appendix A: read-only transaction; invalid authorization; unknown database; unknown
/// schema; insufficient privilege; unknown table, column or function (pending migrations: the
/// statements are checked at build time); insufficient resources; object not in prerequisite state;
/// cannot connect now; system error; configuration file error; internal error.
const SERVER_STATE: [&str; 14] = [
    "25006", "28", "3D", "3F", "42501", "42P01", "42703", "42883", "53", "55000", "57P03", "58",
    "F0", "XX",
];

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

/// SQLSTATEs of a stale connection: it leads to a standby, or a connection pooler has mixed up its
/// prepared statements.
const STALE_CONNECTION: [&str; 3] = ["25006", "26000", "42P05"];

/// SQLSTATEs of prepared statements that a connection pooler has mixed up.
const MIXED_UP_STATEMENTS: [&str; 2] = ["26000", "42P05"];

/// The SQLSTATE and the message of a prepared statement whose tables were changed since.
const STALE_PLAN: (&str, &str) = ("0A000", "cached plan");

impl StorageError {
    /// The error of a connection attempt.
    pub(super) fn connecting(error: sqlx::Error) -> Self {
        Self::NoConnection(error)
    }

    /// The same error for a statement that is its own transaction: if the connection was lost, the
    /// statement may have been committed.
    pub(crate) fn in_doubt(self) -> Self {
        match self {
            Self::ConnectionLost(error) => Self::OutcomeUnknown(error),
            Self::NoConnection(_)
            | Self::ReadOnly
            | Self::SharedSession
            | Self::NoCredentials(_)
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
        if is_connection_failure(&error) {
            connection_generation::invalidate_all();
            return Self::ConnectionLost(error);
        }
        if is_stale(&error) {
            connection_generation::invalidate_all();
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

/// Why there is no connection, without a part of the URL.
fn no_connection(error: &sqlx::Error) -> &'static str {
    if matches!(error, sqlx::Error::PoolTimedOut) {
        return "timed out waiting for a database connection";
    }
    let refused = REFUSED.iter().find(|(code, _)| has_code(error, &[code]));
    refused.map_or("the database cannot be reached", |(_, reason)| *reason)
}

/// True when the connection was lost.
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

/// True when the statement was not executed because its connection is stale.
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
