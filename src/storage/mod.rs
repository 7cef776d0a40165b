//! SQL and nothing else: one file for each aggregate, domain types in and out.
//!
//! The caller owns the transaction. What PostgreSQL says is turned into [`StorageError`] here.

pub(crate) mod audit_events;
pub(crate) mod credential_writes;
pub(crate) mod credentials;
mod database;
mod error;
pub(crate) mod installation;
pub(crate) mod tickets;
pub(crate) mod users;

/// The connection pool.
pub(crate) type Database = sqlx::PgPool;

pub(crate) use self::{
    database::{ConnectOptions, commit, connect, is_database_url, migrate, pending_migrations},
    error::StorageError,
};
