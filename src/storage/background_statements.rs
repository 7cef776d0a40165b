//! Chooses the form of the statements of background work and of commands.

use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};

use super::{
    attempts,
    credential_uses::{self, CredentialUse},
    credentials,
    error::StorageError,
    keys::{self, Resealed},
    password_mails::{self, WaitingMail},
    per_shard::{background, hashes},
    statements::Statements,
    tickets,
};
use crate::domain::stored_credential::{HashParameters, HashScheme};

impl Statements {
    /// The maximum number of uses that one call of [`Self::record_uses`] takes: on a distributed
    /// database, those of one shard.
    pub(crate) fn maximum_uses(self) -> usize {
        match self {
            Self::Combined => usize::MAX,
            Self::PerShard => 1,
        }
    }

    /// Records uses, except for credentials whose last recorded use is less than `interval` earlier.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn record_uses(
        self,
        connection: &mut PgConnection,
        uses: &[CredentialUse],
        interval: Duration,
    ) -> Result<(), StorageError> {
        match self {
            Self::Combined => credential_uses::record(connection, uses, interval).await,
            Self::PerShard => background::record_uses(connection, uses, interval).await,
        }
    }

    /// Deletes up to `limit` expired tickets; returns their number.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn delete_expired_tickets(
        self,
        connection: &mut PgConnection,
        now: OffsetDateTime,
        limit: i64,
    ) -> Result<u64, StorageError> {
        match self {
            Self::Combined => tickets::delete_expired(connection, now, limit).await,
            Self::PerShard => background::delete_expired_tickets(connection, now, limit).await,
        }
    }

    /// Deletes up to `limit` failures of addresses that are not later than `before`; returns how many.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn delete_stale_addresses(
        self,
        connection: &mut PgConnection,
        before: OffsetDateTime,
        limit: i64,
    ) -> Result<u64, StorageError> {
        match self {
            Self::Combined => attempts::delete_stale_addresses(connection, before, limit).await,
            Self::PerShard => background::delete_stale_addresses(connection, before, limit).await,
        }
    }

    /// Takes the next mail whose delivery is due, and postpones its next delivery.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn claim_mail(
        self,
        connection: &mut PgConnection,
        now: OffsetDateTime,
        until: OffsetDateTime,
    ) -> Result<Option<WaitingMail>, StorageError> {
        match self {
            Self::Combined => password_mails::claim(connection, now, until).await,
            Self::PerShard => background::claim_mail(connection, now, until).await,
        }
    }

    /// Ends up to `limit` waiting mails that were requested before a moment; returns how many.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn end_overdue_mails(
        self,
        connection: &mut PgConnection,
        before: OffsetDateTime,
        now: OffsetDateTime,
        limit: i64,
    ) -> Result<u64, StorageError> {
        match self {
            Self::Combined => password_mails::end_overdue(connection, before, now, limit).await,
            Self::PerShard => background::end_overdue_mails(connection, before, now, limit).await,
        }
    }

    /// Deletes up to `limit` mails whose delivery ended before a moment; returns how many.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn delete_finished_mails(
        self,
        connection: &mut PgConnection,
        before: OffsetDateTime,
        limit: i64,
    ) -> Result<u64, StorageError> {
        match self {
            Self::Combined => password_mails::delete_finished(connection, before, limit).await,
            Self::PerShard => background::delete_finished_mails(connection, before, limit).await,
        }
    }

    /// Lists the distinct schemes and costs of all hashes.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn list_hash_kinds(
        self,
        connection: &mut PgConnection,
    ) -> Result<Vec<(HashScheme, HashParameters)>, StorageError> {
        let rows = match self {
            Self::Combined => credentials::list_kinds(connection).await?,
            Self::PerShard => hashes::list_kinds(connection).await?,
        };
        rows.into_iter().map(TryFrom::try_from).collect()
    }

    /// Replaces the credentials that are unchanged since they were read, with their identifiers;
    /// returns their number.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn reseal(
        self,
        connection: &mut PgConnection,
        key_id: &str,
        resealed: &[Resealed],
    ) -> Result<u64, StorageError> {
        match self {
            Self::Combined => keys::reseal(connection, key_id, resealed).await,
            Self::PerShard => hashes::reseal(connection, key_id, resealed).await,
        }
    }
}
