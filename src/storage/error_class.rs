//! Classifies the errors of the database by their SQLSTATE, and counts them for the metrics of this
//! process.

use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::error::DatabaseError;

/// SQLSTATEs of conflicts and timeouts: lock not available, deadlock, serialization failure,
/// statement timeout, idle-in-transaction timeout and transaction timeout. The transaction is
/// rolled back.
pub(super) const BUSY: [&str; 6] = ["55P03", "40P01", "40001", "57014", "25P03", "25P04"];

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

/// SQLSTATEs of a stale connection: it leads to a standby, or a connection pooler has mixed up its
/// prepared statements.
const STALE_CONNECTION: [&str; 3] = ["25006", "26000", "42P05"];

/// The SQLSTATE and the message of a prepared statement whose tables were changed since.
const STALE_PLAN: (&str, &str) = ("0A000", "cached plan");

/// A class of errors. It says what an operator looks at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum ErrorClass {
    /// No connection, or none within the time limit.
    NoConnection,
    /// The server is a standby or read-only.
    ReadOnly,
    /// The connection was lost during a statement.
    ConnectionLost,
    /// The connection was lost during a commit, so that the outcome is unknown.
    OutcomeUnknown,
    /// The server could not execute a statement because of its state or that of the connection.
    NotExecuted,
    /// A statement timed out or conflicted with another transaction, or other requests of the
    /// caller used as many connections as one caller may.
    Busy,
    /// A row violates a constraint; also how the service finds that a name is taken.
    Constraint,
    /// A row that this service did not write failed a request.
    Inconsistent,
    /// Any other error.
    Refused,
}

impl ErrorClass {
    /// All classes.
    pub(crate) const ALL: [Self; 9] = [
        Self::NoConnection,
        Self::ReadOnly,
        Self::ConnectionLost,
        Self::OutcomeUnknown,
        Self::NotExecuted,
        Self::Busy,
        Self::Constraint,
        Self::Inconsistent,
        Self::Refused,
    ];

    /// The spelling of the metric.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::NoConnection => "no_connection",
            Self::ReadOnly => "read_only",
            Self::ConnectionLost => "connection_lost",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::NotExecuted => "not_executed",
            Self::Busy => "busy",
            Self::Constraint => "constraint",
            Self::Inconsistent => "inconsistent",
            Self::Refused => "refused",
        }
    }

    /// The errors of this class since the start of the process.
    pub(crate) fn count(self) -> u64 {
        self.counter().load(Ordering::Relaxed)
    }

    /// Counts an error.
    pub(super) fn record(self) {
        self.counter().fetch_add(1, Ordering::Relaxed);
    }

    #[expect(clippy::indexing_slicing, reason = "there is a counter for each class")]
    fn counter(self) -> &'static AtomicU64 {
        &COUNTERS[self as usize]
    }
}

/// Of the process, as the generation of its connections is: an error becomes a class where it is
/// converted, far from any pool.
static COUNTERS: [AtomicU64; ErrorClass::ALL.len()] =
    [const { AtomicU64::new(0) }; ErrorClass::ALL.len()];

/// The class of the error of a statement.
pub(super) fn class_of(error: &sqlx::Error) -> ErrorClass {
    if is_connection_failure(error) {
        return ErrorClass::ConnectionLost;
    }
    if is_stale(error) {
        return ErrorClass::NotExecuted;
    }
    let Some(database) = error.as_database_error() else { return ErrorClass::Refused };
    if database.constraint().is_some() {
        ErrorClass::Constraint
    } else if has_code(error, &BUSY) {
        ErrorClass::Busy
    } else if has_code(error, &SERVER_STATE) {
        ErrorClass::NotExecuted
    } else {
        ErrorClass::Refused
    }
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
pub(super) fn is_stale(error: &sqlx::Error) -> bool {
    let (code, text) = STALE_PLAN;
    has_code(error, &STALE_CONNECTION)
        || has_code(error, &[code])
            && error.as_database_error().is_some_and(|error| error.message().starts_with(text))
}

/// True for an error of the database with one of these SQLSTATEs, or of one of these classes.
pub(super) fn has_code(error: &sqlx::Error, codes: &[&str]) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.is_some_and(|code| codes.iter().any(|prefix| code.starts_with(prefix)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_has_a_counter_of_its_own() {
        for (index, class) in ErrorClass::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, index);
        }
    }
}
