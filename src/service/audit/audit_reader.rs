//! Lists audit events: those of the caller, of one user, or of all users.

use std::sync::Arc;

use crate::{
    domain::{
        audit::AuditEntry,
        audit_query::{AuditPage, AuditQuery},
        principal::{Actor, Principal},
        user::{User, UserId},
    },
    service::user_transaction::{CallerTicket, UserTransactions},
    storage::{Database, StorageError, audit_events, audit_list, tickets, users},
};

/// An error from reading audit events.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadAuditError {
    #[error("the caller may not read these audit events")]
    Forbidden,
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Lists audit events.
pub(crate) struct AuditReader {
    pub(crate) database: Database,
    pub(crate) transactions: Arc<UserTransactions>,
}

impl AuditReader {
    /// A page of the list, newest first. Users may read the events of their own chain, without the
    /// addresses, request ids and reasons of others.
    ///
    /// # Errors
    /// See [`ReadAuditError`].
    pub(crate) async fn list(
        &self,
        actor: Actor<'_>,
        query: &AuditQuery,
    ) -> Result<AuditPage, ReadAuditError> {
        if !actor.may_read_audit_events_of(query.filter.user) {
            return Err(ReadAuditError::Forbidden);
        }
        let mut page = read_on_connection!(self.database, |connection| audit_list::list(
            &mut connection,
            query
        ))?;
        if !actor.may_read_audit_events_of(None) {
            page.events.iter_mut().for_each(|event| hide_others(event, actor.user_id()));
        }
        Ok(page)
    }

    /// As [`Self::list`], for an export that goes on after the request was authenticated: it ends with
    /// the caller's right, and with the ticket or session of the request.
    ///
    /// # Errors
    /// See [`ReadAuditError`].
    pub(crate) async fn list_for_export(
        &self,
        actor: Actor<'_>,
        query: &AuditQuery,
    ) -> Result<AuditPage, ReadAuditError> {
        if let Actor::Principal(caller) = actor
            && query.after.is_some()
        {
            let caller = self.current(caller).await?.ok_or(ReadAuditError::Forbidden)?;
            return self.list(Actor::Principal(&caller), query).await;
        }
        self.list(actor, query).await
    }

    /// The caller with the rights that they have now; `None` when everything issued to them was
    /// revoked, or the ticket or session of the request was ended.
    async fn current(&self, caller: &Principal) -> Result<Option<Principal>, StorageError> {
        let user_id = caller.user_id();
        // With the epoch of what authenticated the caller: that of a ticket or session may have moved.
        let ticket = self.transactions.caller_ticket(Actor::Principal(caller));
        let found = if let Some(CallerTicket { kind, digests }) = ticket {
            let found = read_on_connection!(self.database, |connection| {
                tickets::find_with_user(&mut connection, kind, user_id, &digests)
            })?;
            found.map(|(user, ticket)| (user, ticket.session_epoch))
        } else {
            let found = read_on_connection!(self.database, |connection| {
                users::find_by_id(&mut connection, user_id)
            })?;
            found.map(|user| (user, caller.user.session_epoch))
        };
        let is_current =
            |(user, epoch): &(User, i64)| !user.is_retired && user.session_epoch == *epoch;
        Ok(found.filter(is_current).map(|(user, _)| Principal { user, ..caller.clone() }))
    }

    /// As [`Self::list`], for a filter with a user; `None` when there never was such a user.
    ///
    /// # Errors
    /// See [`ReadAuditError`].
    pub(crate) async fn list_of_user(
        &self,
        actor: Actor<'_>,
        user_id: UserId,
        query: &AuditQuery,
    ) -> Result<Option<AuditPage>, ReadAuditError> {
        let page = self.list(actor, query).await?;
        let is_known = !page.events.is_empty() || page.next.is_some() || query.after.is_some();
        if is_known || self.has_events(user_id).await? { Ok(Some(page)) } else { Ok(None) }
    }

    /// True when the user exists, or was deleted: every chain starts with an event.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn has_events(&self, user_id: UserId) -> Result<bool, StorageError> {
        let last = read_on_connection!(self.database, |connection| audit_events::find_last_time(
            &mut connection,
            user_id
        ))?;
        Ok(last.is_some())
    }
}

/// Removes where another actor made a change, which is data about the actor, and why, which is for the
/// readers of the trail.
fn hide_others(event: &mut AuditEntry, reader: Option<UserId>) {
    if event.actor != reader {
        event.address = None;
        event.request_id = None;
        event.reason = None;
    }
}
