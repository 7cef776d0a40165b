//! The SQL of the service: one file for each aggregate, with domain types as arguments and results.
//!
//! The caller owns the transaction. Errors of PostgreSQL become [`StorageError`] here.

pub(crate) mod activity_minutes;
mod address_failures;
pub(crate) mod administrators;
pub(crate) mod attempt_changes;
mod attempt_statements;
pub(crate) mod attempts;
pub(crate) mod audit_events;
pub(crate) mod audit_list;
pub(crate) mod audit_sinks;
pub(crate) mod audit_stream;
mod background_statements;
mod bad_database_url;
pub(crate) mod bulk;
mod callers;
pub(crate) mod chain_heads;
pub(crate) mod change_marks;
mod commit_guard;
mod connection_generation;
mod connection_security;
mod connections;
mod connections_in_use;
mod connector;
pub(crate) mod credential_saves;
pub(crate) mod credential_uses;
pub(crate) mod credential_writes;
pub(crate) mod credentials;
mod database;
pub(crate) mod database_history;
mod database_url;
mod database_url_parameters;
mod database_url_password;
pub(crate) mod diagnostics;
mod error;
mod error_class;
mod former_primary;
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz_support;
mod grants;
pub(crate) mod hash_counts;
mod hosts;
pub(crate) mod import_runs;
pub(crate) mod installation;
pub(crate) mod keys;
pub(crate) mod known_addresses;
pub(crate) mod logins;
mod metrics;
pub(crate) mod nick_names;
mod opener;
pub(crate) mod password_links;
pub(crate) mod password_mails;
mod per_shard;
mod permits;
pub(crate) mod privileges;
pub(crate) mod restore_checks;
pub(crate) mod role_powers;
pub(crate) mod role_privileges;
mod roles;
mod session;
mod socket_options;
mod stalled_statements;
mod statements;
pub(crate) mod stored_credentials;
pub(crate) mod tickets;
mod unanswered;
pub(crate) mod untrusted_credentials;
mod user_heads;
pub(crate) mod user_list;
pub(crate) mod user_writes;
pub(crate) mod users;

pub use self::connections::Database;
pub(crate) use self::{
    callers::working_for,
    commit_guard::{guarding, keep_until_answered},
    connection_security::ConnectionSecurity,
    connections::Connection,
    connector::{ConnectionFiles, ConnectionFilesSource, Timeouts},
    database::{
        ConnectOptions, MigrationState, begin_snapshot, commit, compare_migrations, connect,
        describe_migrations, migrate, pending_migrations, require_usable_sessions,
    },
    database_url::DatabaseUrl,
    database_url_password::{join_password, split_password},
    error::StorageError,
    grants::{GrantError, check_grantee, grant},
    metrics::{ConnectionCounts, DatabaseMetrics},
    statements::Statements,
};
