//! The reasons why `database.url` is refused.

/// Why a URL is refused. No variant contains a value of the URL.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadDatabaseUrl {
    #[error("must be postgres://user@host/database")]
    NotPostgresql,
    #[error("contains a #; write %23 in a user name or password")]
    Fragment,
    #[error("has an empty host in its list; write one host between two commas")]
    EmptyHost,
    #[error("has an unknown parameter; write %3F for ? and %26 for & in a password")]
    UnknownParameter,
    #[error("has the parameter {0}, which this service ignores; remove it")]
    Ignored(&'static str),
    #[error("has duplicate values for {0}; remove one")]
    Repeated(&'static str),
    #[error("has an invalid value for the parameter {name}; {requirement}")]
    InvalidValue { name: &'static str, requirement: &'static str },
    #[error("has sslrootcert without sslmode=verify-full; add sslmode=verify-full")]
    UnusedRootCertificate,
    #[error("has only one of sslcert and sslkey; set both")]
    IncompleteClientCertificate,
}
