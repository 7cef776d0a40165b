//! Chooses the form of the statements that have two.
//!
//! On one server, a step of a request is one statement where that saves round trips. On a distributed
//! database, each statement must run on one shard, so the step is several plain statements
//! ([ADR 76](../../docs/adr/0076-two-forms-of-statements.md)). This is the only place that chooses.

use sqlx::PgConnection;

use super::{
    credential_writes::{self, CredentialWrite, HashReplacement, WriteOutcome},
    credentials::{self, Candidate},
    error::StorageError,
    logins::{self, Login, LoginQuery},
    per_shard,
    tickets::{self, NewTicketRow, Ticket, TicketRenewal},
    users,
};
use crate::domain::user::{User, UserId};

/// The form of the statements of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Statements {
    /// One statement for each step, for one server.
    Combined,
    /// Plain statements, each on one shard.
    PerShard,
}

impl Statements {
    /// The form for a database. `is_distributed`: what the operator said; `None` asks the database.
    ///
    /// # Errors
    /// When a query fails.
    pub(super) async fn find(
        connection: &mut PgConnection,
        is_distributed: Option<bool>,
    ) -> Result<Self, StorageError> {
        let is_distributed = match is_distributed {
            Some(is_distributed) => is_distributed,
            None => has_distributed_users(connection).await?,
        };
        if is_distributed {
            tracing::debug!("each statement runs on one shard of a distributed database");
        }
        Ok(if is_distributed { Self::PerShard } else { Self::Combined })
    }

    /// True if a step is several statements, which need a transaction to be atomic.
    pub(crate) fn need_transaction(self) -> bool {
        self == Self::PerShard
    }

    /// Adds or replaces a credential with its audit events. Without a transaction that has locked the
    /// user and the actor, only the combined form may be used.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn save_credential(
        self,
        connection: &mut PgConnection,
        write: &CredentialWrite,
    ) -> Result<WriteOutcome, StorageError> {
        match self {
            Self::Combined => credential_writes::upsert(connection, write).await,
            Self::PerShard => per_shard::credentials::upsert(connection, write).await,
        }
    }

    /// Finds the owner of an identifier by any of its digests, with the credential of that identifier.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn find_by_identifier(
        self,
        connection: &mut PgConnection,
        credential_type: &str,
        digests: &[Vec<u8>],
    ) -> Result<Option<Candidate>, StorageError> {
        match self {
            Self::Combined => {
                credentials::find_by_identifier(connection, credential_type, digests).await
            }
            Self::PerShard => {
                per_shard::credentials::find_by_identifier(connection, credential_type, digests)
                    .await
            }
        }
    }

    /// Finds the user of a canonical login name, with everything that a login needs.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn find_login(
        self,
        connection: &mut PgConnection,
        query: &LoginQuery<'_>,
    ) -> Result<Login, StorageError> {
        match self {
            Self::Combined => logins::find(connection, query).await,
            Self::PerShard => per_shard::logins::find(connection, query).await,
        }
    }

    /// Finds the user with that canonical login name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn find_by_login_name(
        self,
        connection: &mut PgConnection,
        canonical_name: &str,
    ) -> Result<Option<User>, StorageError> {
        match self {
            Self::Combined => users::find_by_login_name(connection, canonical_name).await,
            Self::PerShard => {
                per_shard::logins::find_by_login_name(connection, canonical_name).await
            }
        }
    }

    /// Inserts a ticket and deletes the user's oldest tickets of its kind beyond `maximum`; returns
    /// how many valid ones were deleted.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn insert_ticket(
        self,
        connection: &mut PgConnection,
        row: &NewTicketRow<'_>,
        maximum: i64,
    ) -> Result<i64, StorageError> {
        match self {
            Self::Combined => tickets::insert(connection, row, maximum).await,
            Self::PerShard => per_shard::tickets::insert(connection, row, maximum).await,
        }
    }

    /// Records the use of a ticket that is unchanged since it was read.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn renew_ticket(
        self,
        connection: &mut PgConnection,
        user_id: UserId,
        before: &Ticket,
        renewal: &TicketRenewal<'_>,
    ) -> Result<(), StorageError> {
        match self {
            Self::Combined => tickets::renew(connection, user_id, before, renewal).await,
            Self::PerShard => per_shard::tickets::renew(connection, user_id, before, renewal).await,
        }
    }

    /// Replaces the hash if the row is unchanged since it was read; returns whether it was.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn replace_hash(
        self,
        connection: &mut PgConnection,
        new: &HashReplacement,
    ) -> Result<bool, StorageError> {
        match self {
            Self::Combined => credential_writes::replace_hash(connection, new).await,
            Self::PerShard => per_shard::hashes::replace_hash(connection, new).await,
        }
    }
}

/// True when Citus distributes the table of users. Its catalog exists on Citus only.
#[expect(clippy::disallowed_methods, reason = "a macro cannot check a query of Citus's catalog")]
async fn has_distributed_users(connection: &mut PgConnection) -> Result<bool, StorageError> {
    let has_catalog = sqlx::query_scalar!(
        r#"SELECT to_regclass('pg_dist_partition') IS NOT NULL AS "has_catalog!""#
    )
    .fetch_one(&mut *connection)
    .await?;
    if !has_catalog {
        return Ok(false);
    }
    let tables: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_dist_partition WHERE logicalrelid = to_regclass('users')",
    )
    .fetch_one(connection)
    .await?;
    Ok(tables > 0)
}
