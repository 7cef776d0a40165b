//! Everything about one user that administrators see together.

use std::{collections::BTreeSet, sync::Arc};

use time::OffsetDateTime;

use super::directory::{UserDirectory, UserWithCredentials};
use crate::{
    domain::{
        principal::{Actor, Principal},
        user::{User, UserId, UserReference},
    },
    service::{
        errors::ReadUserError,
        import::{export::Export, jobs::ImportJobs},
        sessions::tickets::{TicketSummary, Tickets},
        throttling::lockouts::{FailedAttempts, Lockouts},
    },
    storage::{Database, untrusted_credentials, users},
};

/// A user with everything that belongs to them, without any secret.
pub(crate) struct UserOverview {
    pub(crate) found: UserWithCredentials,
    pub(crate) attempts: Vec<FailedAttempts>,
    /// The valid tickets and sessions, newest first; `None` if the caller may not list them.
    pub(crate) tickets: Option<Vec<TicketSummary>>,
    /// The number of untrusted credentials.
    pub(crate) untrusted: usize,
    /// The users who registered or last changed a credential; none of a deleted one.
    pub(crate) registrars: Vec<User>,
}

/// Reads users with everything that belongs to them.
pub(crate) struct UserOverviews {
    pub(crate) database: Database,
    pub(crate) directory: Arc<UserDirectory>,
    pub(crate) lockouts: Arc<Lockouts>,
    pub(crate) tickets: Arc<Tickets>,
    pub(crate) transfers: Transfers,
}

/// Imports and exports of all users on pages.
pub(crate) struct Transfers {
    pub(crate) imports: Arc<ImportJobs>,
    pub(crate) export: Arc<Export>,
}

impl UserOverviews {
    /// The user with that id, for callers who may read users; `None` when there is none.
    ///
    /// # Errors
    /// See [`ReadUserError`].
    pub(crate) async fn read(
        &self,
        principal: &Principal,
        user_id: UserId,
        now: OffsetDateTime,
    ) -> Result<Option<UserOverview>, ReadUserError> {
        let actor = Actor::Principal(principal);
        // First, because it requires the right to read other users.
        let Some(attempts) = self.lockouts.list(actor, user_id).await? else { return Ok(None) };
        let found = self.directory.read(principal, UserReference::Id(user_id)).await?;
        let Some(found) = found else { return Ok(None) };
        let tickets = match self.tickets.list(actor, user_id, now).await {
            Err(ReadUserError::ProtectedUser) => None,
            listed => listed?,
        };
        let registrars = registrars(&found);
        let mut connection = self.database.connection().await?;
        let untrusted = untrusted_credentials::count(&mut connection, user_id).await?;
        let registrars = users::find_by_ids(&mut connection, &registrars).await?;
        connection.release();
        Ok(Some(UserOverview { found, attempts, tickets, untrusted, registrars }))
    }
}

/// The ids of the users who registered or last changed a credential.
fn registrars(found: &UserWithCredentials) -> Vec<UserId> {
    let ids = found.credentials.iter().flat_map(|summary| {
        [summary.registered_by, summary.updated_by].into_iter().flatten().map(UserId::as_i32)
    });
    let distinct: BTreeSet<i32> = ids.collect();
    distinct.into_iter().filter_map(|id| UserId::try_from(id).ok()).collect()
}
