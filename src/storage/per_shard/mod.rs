//! The forms of statements for a distributed database: each statement runs on one shard.
//!
//! The tables of a user are on the shard of the user's id. The directories of names and identifiers, and
//! the failures of addresses, are on the shards of their own keys. `script/lint` checks each statement
//! against the declaration in `crates/xtask/src/distribution/tables.rs`.
//!
//! Functions that write must run in a transaction: only all of their statements together are correct.

use sqlx::PgConnection;

use super::error::StorageError;

pub(super) mod attempts;
pub(super) mod background;
pub(super) mod credentials;
pub(super) mod hashes;
pub(super) mod logins;
pub(super) mod pending_attempts;
pub(super) mod tickets;

/// Lets the caller's transaction commit without waiting for a standby
/// ([ADR 72](../../../docs/adr/0072-poolers-and-standbys.md)). Citus refuses the part of a statement by
/// which the combined forms do this, and passes on `SET LOCAL` to the workers of the transaction.
async fn commit_without_standby(connection: &mut PgConnection) -> Result<(), StorageError> {
    sqlx::query!("SET LOCAL synchronous_commit TO local").execute(connection).await?;
    Ok(())
}
