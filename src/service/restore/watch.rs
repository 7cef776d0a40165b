//! Notices that the database was restored from a backup, and ends what the restore would revive:
//! tickets, sessions, access tokens and links in mails.

use std::time::Duration;

use time::OffsetDateTime;

use crate::{
    domain::database_history::{DatabaseIdentity, HistoryCause, HistoryEntry, change_since},
    service::authentication::valid_from::IssuedValidFrom,
    storage::{self, Database, StorageError, database_history},
};

/// Access tokens carry the time of the authentication in seconds.
const TOKEN_RESOLUTION: Duration = Duration::from_secs(1);

/// What a restore ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EndedSessions {
    /// The number of tickets and sessions.
    pub(crate) tickets: u64,
    /// The number of links in mails.
    pub(crate) links: u64,
}

/// Compares the database with its history.
pub(crate) struct RestoreWatch {
    pub(crate) database: Database,
    /// The limit that the authentication of this process compares with.
    pub(crate) valid_from: IssuedValidFrom,
}

impl RestoreWatch {
    /// What happened to the database since the newest entry of its history; `None` for nothing.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn find_change(
        &self,
        now: OffsetDateTime,
    ) -> Result<Option<HistoryCause>, StorageError> {
        let mut connection = self.database.connection().await?;
        let identity = database_history::find_identity(&mut connection).await?;
        let newest = database_history::find_newest(&mut connection).await?;
        connection.release();
        Ok(change_since(newest.as_ref(), &identity, now))
    }

    /// Ends what was issued before, if the database was restored, and takes over an end that another
    /// instance or a command has noted.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn examine(&self, now: OffsetDateTime) -> Result<(), StorageError> {
        if self.find_change(now).await?.is_some() {
            let decide = |newest: Option<&HistoryEntry>, identity: &DatabaseIdentity| {
                change_since(newest, identity, now)
            };
            if self.note(now, decide).await?.is_some() {
                // What is issued in the second of the entry is invalid, too.
                tokio::time::sleep(TOKEN_RESOLUTION).await;
            }
        }
        let mut connection = self.database.connection().await?;
        let ended_at = database_history::find_end_of_sessions(&mut connection).await?;
        connection.release();
        if let Some(ended_at) = ended_at {
            self.valid_from.advance_to(ended_at);
        }
        Ok(())
    }

    /// Ends what was issued before, because an operator says that the database was restored.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn declare(&self, now: OffsetDateTime) -> Result<EndedSessions, StorageError> {
        let ended = self.note(now, |_, _| Some(HistoryCause::Declared)).await?;
        Ok(ended.unwrap_or(EndedSessions { tickets: 0, links: 0 }))
    }

    /// The number of tickets and sessions that have not expired.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn count_live(&self, now: OffsetDateTime) -> Result<u64, StorageError> {
        let mut connection = self.database.connection().await?;
        let mut transaction = connection.begin_unlimited().await?;
        let count = database_history::count_live_tickets(&mut transaction, now).await?;
        storage::commit(transaction).await?;
        connection.release();
        Ok(count)
    }

    /// Adds an entry to the history, and ends what its cause ends, in one transaction. Decides under
    /// a lock, because all instances start after a restore.
    async fn note(
        &self,
        now: OffsetDateTime,
        decide: impl FnOnce(Option<&HistoryEntry>, &DatabaseIdentity) -> Option<HistoryCause>,
    ) -> Result<Option<EndedSessions>, StorageError> {
        let mut connection = self.database.connection().await?;
        let identity = database_history::find_identity(&mut connection).await?;
        let mut transaction = connection.begin().await?;
        database_history::lock(&mut transaction).await?;
        let newest = database_history::find_newest(&mut transaction).await?;
        let Some(cause) = decide(newest.as_ref(), &identity) else { return Ok(None) };
        let entry = newest.map_or(1, |newest| newest.entry.saturating_add(1));
        let noted_at = now.replace_nanosecond(0).unwrap_or(now);
        database_history::insert(&mut transaction, entry, cause, &identity, noted_at).await?;
        let mut ended = None;
        if cause.ends_sessions() {
            let tickets = database_history::delete_tickets(&mut transaction).await?;
            let links = database_history::delete_links(&mut transaction).await?;
            ended = Some(EndedSessions { tickets, links });
        } else {
            // A note that is lost is made again.
            database_history::commit_locally(&mut transaction).await?;
        }
        storage::commit(transaction).await?;
        log(cause, ended);
        Ok(ended)
    }
}

fn log(cause: HistoryCause, ended: Option<EndedSessions>) {
    let database_cause = cause.as_str();
    let Some(EndedSessions { tickets, links }) = ended else {
        tracing::info!(database.cause = database_cause, "noted the database server");
        return;
    };
    tracing::warn!(
        database.cause = database_cause,
        ended.tickets = tickets,
        ended.links = links,
        "the database was restored; ended all sessions, tickets, access tokens and links in mails"
    );
}
