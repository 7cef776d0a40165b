//! Deletes expired rows in the background, in small batches, and runs other periodic work.

use std::{sync::Arc, time::Duration};

use super::{maintenance::Maintenance, refusal_timing::RefusalTiming};
use crate::{
    clock,
    domain::throttling::ADDRESS_WINDOW,
    service::{activity::report::Surveys, restore::watch::RestoreWatch},
    storage::{
        Database, StorageError, activity_minutes, import_runs, known_addresses, password_links,
    },
};

/// The time between two runs.
const PERIOD: Duration = Duration::from_secs(60);

/// The maximum number of rows per statement; small, so that row locks are short.
const BATCH: i64 = 500;

/// How long mails for new passwords are kept after their delivery. They limit the mails of an hour.
const KEPT_MAILS: Duration = Duration::from_hours(24);

/// The age at which a waiting mail ends, long after the delivery has given it up: it waits because
/// mails were turned off.
const OVERDUE_MAIL: Duration = Duration::from_hours(1);

/// How long a password link is kept after it has expired. A used one expires at once, and answers the
/// same form again for a minute, also on an instance whose clock is behind.
const KEPT_LINKS: Duration = Duration::from_mins(5);

/// How long the activity of a minute is kept: a day, and time for clocks that differ.
const KEPT_ACTIVITY: Duration = Duration::from_hours(25);

/// How long an import is listed after its end.
const KEPT_IMPORTS: Duration = Duration::from_hours(7 * 24);

/// Deletes expired rows, closes idle connections, measures the duration of refused logins, surveys the
/// hashes and keys, and notices that the database was restored.
pub(crate) struct Housekeeping {
    pub(crate) database: Database,
    pub(crate) refusal_timing: RefusalTiming,
    pub(crate) surveys: Surveys,
    pub(crate) restores: Arc<RestoreWatch>,
    /// True if this instance delivers mails.
    pub(crate) delivers_mails: bool,
    /// Holds waiting mails while changes are refused.
    pub(crate) maintenance: Arc<Maintenance>,
}

impl Housekeeping {
    /// Runs once per period; never returns. Deletes only rows without effect: expired tickets
    /// and links, delivered mails, old activity, and failures of addresses that no longer count.
    pub(crate) async fn run(&self) {
        let mut period = clock::ticks(PERIOD);
        loop {
            period.tick().await;
            self.database.close_idle().await;
            let measured = self.refusal_timing.measure().await;
            for done in [
                measured,
                self.restores.examine(clock::now()).await,
                self.delete_tickets().await,
                self.delete_addresses().await,
                self.forget_secrets().await,
                self.end_overdue_mails().await,
                self.delete_password_mails().await,
                self.delete_password_links().await,
                self.delete_activity().await,
                self.delete_imports().await,
                self.surveys.hashes.refresh().await,
                self.surveys.keys.refresh().await,
            ] {
                if let Err(error) = done {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "housekeeping failed; retrying later"
                    );
                }
            }
        }
    }

    async fn delete_tickets(&self) -> Result<(), StorageError> {
        let statements = self.database.statements();
        loop {
            let mut connection = self.database.connection().await?;
            let deleted =
                statements.delete_expired_tickets(&mut connection, clock::now(), BATCH).await?;
            if deleted < BATCH.unsigned_abs() {
                return Ok(());
            }
        }
    }

    /// Ends overdue mails, unless this instance delivers mails: the delivery gives them up, each with
    /// an audit event, also after changes were refused for a long time. None ends while this instance
    /// refuses changes: another one may deliver them afterwards.
    async fn end_overdue_mails(&self) -> Result<(), StorageError> {
        if self.delivers_mails {
            return Ok(());
        }
        let Ok(_until_ended) = self.maintenance.begin_change() else { return Ok(()) };
        let statements = self.database.statements();
        loop {
            let now = clock::now();
            let before = now - OVERDUE_MAIL;
            let mut connection = self.database.connection().await?;
            let ended = statements.end_overdue_mails(&mut connection, before, now, BATCH).await?;
            if ended < BATCH.unsigned_abs() {
                return Ok(());
            }
        }
    }

    async fn delete_password_mails(&self) -> Result<(), StorageError> {
        let statements = self.database.statements();
        loop {
            let before = clock::now() - KEPT_MAILS;
            let mut connection = self.database.connection().await?;
            let deleted = statements.delete_finished_mails(&mut connection, before, BATCH).await?;
            if deleted < BATCH.unsigned_abs() {
                return Ok(());
            }
        }
    }

    async fn delete_password_links(&self) -> Result<(), StorageError> {
        loop {
            let mut connection = self.database.connection().await?;
            let before = clock::now() - KEPT_LINKS;
            let deleted = password_links::delete_expired(&mut connection, before, BATCH).await?;
            if deleted < BATCH.unsigned_abs() {
                return Ok(());
            }
        }
    }

    async fn delete_imports(&self) -> Result<(), StorageError> {
        loop {
            let since = clock::now() - KEPT_IMPORTS;
            let mut connection = self.database.connection().await?;
            let deleted = import_runs::delete_unseen(&mut connection, since, BATCH).await?;
            if deleted < BATCH.unsigned_abs() {
                return Ok(());
            }
        }
    }

    async fn delete_activity(&self) -> Result<(), StorageError> {
        loop {
            let before = clock::now() - KEPT_ACTIVITY;
            let mut connection = self.database.connection().await?;
            let deleted = activity_minutes::delete_before(&mut connection, before, BATCH).await?;
            if deleted < BATCH.unsigned_abs() {
                return Ok(());
            }
        }
    }

    /// Empties the digests of secrets that were tried from known addresses: one batch in each period,
    /// because each address is a transaction, and there may be many after an upgrade.
    async fn forget_secrets(&self) -> Result<(), StorageError> {
        let before = clock::now() - ADDRESS_WINDOW;
        let mut connection = self.database.connection().await?;
        known_addresses::forget_secrets(&mut connection, before, BATCH).await
    }

    async fn delete_addresses(&self) -> Result<(), StorageError> {
        let statements = self.database.statements();
        loop {
            let before = clock::now() - ADDRESS_WINDOW;
            let mut connection = self.database.connection().await?;
            let deleted = statements.delete_stale_addresses(&mut connection, before, BATCH).await?;
            if deleted < BATCH.unsigned_abs() {
                return Ok(());
            }
        }
    }
}
