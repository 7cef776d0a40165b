//! What changes of users have in common: the rows of user and author are locked, whether the author
//! still is who they were is looked at under these locks, and each thing that happens leaves an event
//! in the same transaction.

use sqlx::PgConnection;

use super::{
    Service,
    credentials::saving::{SaveCredentialError, actor_snapshot, caller_ticket},
};
use crate::{
    domain::{
        InvalidField, Reason,
        audit::{AuditEvent, AuditKind},
        change_context::ChangeContext,
        user::UserId,
    },
    security::audit_chain::audit_mac,
    storage::{
        StorageError, audit_events, tickets,
        users::{self, UserHead, UserTakenError},
    },
};

/// Why a user was not changed; nothing was.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeUserError {
    #[error("the caller may not change users")]
    Forbidden,
    #[error("no such user")]
    UnknownUser,
    #[error("another user has this login name")]
    LoginNameTaken,
    #[error("the user was changed since they were read")]
    Outdated,
    #[error(transparent)]
    Invalid(#[from] InvalidField),
    /// The author has been retired meanwhile, or everything of theirs was ended.
    #[error("what the request rests on has ended meanwhile")]
    ProofOutdated,
    #[error(transparent)]
    Credential(#[from] SaveCredentialError),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<UserTakenError> for ChangeUserError {
    fn from(error: UserTakenError) -> Self {
        match error {
            UserTakenError::LoginNameTaken => Self::LoginNameTaken,
            // Only operators choose ids.
            UserTakenError::UserIdTaken => InvalidField::new("id", Reason::Taken).into(),
            UserTakenError::Storage(error) => error.into(),
        }
    }
}

/// One thing that happens to a user.
pub(super) struct AuditedChange<'type_name> {
    pub(super) kind: AuditKind,
    pub(super) credential_type: Option<&'type_name str>,
    /// True when tickets, sessions and tokens end with it (protocol.md 10.16).
    pub(super) revokes_issued: bool,
}

impl AuditedChange<'_> {
    /// Something about the user as a whole.
    pub(super) fn to_user(kind: AuditKind, revokes_issued: bool) -> Self {
        Self { kind, credential_type: None, revokes_issued }
    }
}

impl AuditedChange<'_> {
    /// Its evidence, as the next event of a chain that ends there.
    pub(super) fn event(
        &self,
        context: ChangeContext<'_>,
        user_id: UserId,
        head: &UserHead,
    ) -> AuditEvent {
        let session_epoch = head.session_epoch + i64::from(self.revokes_issued);
        AuditEvent {
            credential_type: self.credential_type.map(str::to_owned),
            ..context.event(user_id, self.kind, (head.audit_sequence, session_epoch))
        }
    }
}

impl Service {
    /// Locks the user's row for this transaction, as long as the author still is who they were.
    pub(super) async fn lock_user(
        &self,
        connection: &mut PgConnection,
        context: ChangeContext<'_>,
        user_id: UserId,
    ) -> Result<UserHead, ChangeUserError> {
        let (head, stands) = self.lock_for_change(connection, context, user_id).await?;
        let head = head.ok_or(ChangeUserError::UnknownUser)?;
        if stands { Ok(head) } else { Err(ChangeUserError::ProofOutdated) }
    }

    /// Locks what a change rests on until the transaction ends: the user's row, and the author's row
    /// and ticket, so that what is taken from the author is taken before or after it. Gives back
    /// the user, if there is one, and whether the author still is who they were. Users are locked in the
    /// order of their ids and before tickets, or two who change each other would wait for each other.
    pub(super) async fn lock_for_change(
        &self,
        connection: &mut PgConnection,
        context: ChangeContext<'_>,
        user_id: UserId,
    ) -> Result<(Option<UserHead>, bool), StorageError> {
        let is_actor_first =
            context.actor.user_id().is_some_and(|actor| actor.as_i32() < user_id.as_i32());
        let (head, stands) = if is_actor_first {
            let stands = lock_actor(connection, context).await?;
            (users::lock(connection, user_id).await?, stands)
        } else {
            let head = users::lock(connection, user_id).await?;
            (head, lock_actor(connection, context).await?)
        };
        Ok((head, stands && lock_ticket(connection, context).await?))
    }

    /// Refuses an author who is not who they were, and keeps them as they are for this transaction.
    pub(super) async fn require_current_actor(
        &self,
        connection: &mut PgConnection,
        context: ChangeContext<'_>,
    ) -> Result<(), ChangeUserError> {
        let stands =
            lock_actor(connection, context).await? && lock_ticket(connection, context).await?;
        if stands { Ok(()) } else { Err(ChangeUserError::ProofOutdated) }
    }

    /// Leaves the evidence of something that this transaction does to the user whose row it holds.
    /// The author's own ticket goes on counting.
    pub(super) async fn append_audit_event(
        &self,
        connection: &mut PgConnection,
        context: ChangeContext<'_>,
        (user_id, head): (UserId, &mut UserHead),
        change: AuditedChange<'_>,
    ) -> Result<(), StorageError> {
        self.moved.push(user_id);
        let event = change.event(context, user_id, head);
        let session_epoch = event.session_epoch;
        let key = self.keyring.writing();
        let mac = audit_mac(key, &head.audit_mac, &event);
        users::advance(connection, &event, &mac).await?;
        audit_events::insert(connection, &event, key.id(), &mac).await?;
        // Nothing of somebody who retires themselves may count when they are reactivated.
        let goes_on = change.revokes_issued && change.kind != AuditKind::UserRetired;
        let own_ticket = caller_ticket(context.actor)
            .filter(|_| goes_on && context.actor.user_id() == Some(user_id));
        if let Some(digests) = own_ticket {
            tickets::move_to_epoch(connection, user_id, &digests, session_epoch).await?;
        }
        head.audit_sequence = event.sequence;
        head.session_epoch = event.session_epoch;
        head.audit_mac = mac;
        Ok(())
    }
}

async fn lock_actor(
    connection: &mut PgConnection,
    context: ChangeContext<'_>,
) -> Result<bool, StorageError> {
    match (context.actor.user_id(), actor_snapshot(context.actor)) {
        (Some(actor), Some(actor_snapshot)) => {
            users::lock_actor_snapshot(connection, actor, &actor_snapshot).await
        }
        _ => Ok(true),
    }
}

async fn lock_ticket(
    connection: &mut PgConnection,
    context: ChangeContext<'_>,
) -> Result<bool, StorageError> {
    match (context.actor.user_id(), caller_ticket(context.actor)) {
        (Some(actor), Some(digests)) => tickets::lock(connection, actor, &digests).await,
        _ => Ok(true),
    }
}
