//! What changes of users have in common: the user's row comes first, then whether the author still
//! is who they were; and each thing that happens leaves an event in the same transaction.

use sqlx::PgConnection;

use super::{
    Service,
    credentials::{SaveCredentialError, caller_ticket, standing},
};
use crate::{
    domain::{
        InvalidField, Reason,
        audit::{AuditEvent, AuditKind},
        author::Author,
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
pub(super) struct Happening<'type_name> {
    pub(super) kind: AuditKind,
    pub(super) credential_type: Option<&'type_name str>,
    /// True when tickets, sessions and tokens end with it (protocol.md 10.16).
    pub(super) ends_derived: bool,
}

impl Happening<'_> {
    /// Something about the user as a whole.
    pub(super) fn to_user(kind: AuditKind, ends_derived: bool) -> Self {
        Self { kind, credential_type: None, ends_derived }
    }
}

impl Happening<'_> {
    /// Its evidence, as the next event of a chain that ends there.
    pub(super) fn event(&self, author: Author<'_>, user_id: UserId, head: &UserHead) -> AuditEvent {
        let session_epoch = head.session_epoch + i64::from(self.ends_derived);
        AuditEvent {
            credential_type: self.credential_type.map(str::to_owned),
            ..author.event(user_id, self.kind, (head.audit_sequence, session_epoch))
        }
    }
}

impl Service {
    /// Takes the user's row for this transaction, as long as the author still stands.
    pub(super) async fn hold_user(
        &self,
        connection: &mut PgConnection,
        author: Author<'_>,
        user_id: UserId,
    ) -> Result<UserHead, ChangeUserError> {
        let head = users::lock(connection, user_id).await?.ok_or(ChangeUserError::UnknownUser)?;
        self.require_standing(connection, author).await?;
        Ok(head)
    }

    /// Refuses an author who is not who they were.
    pub(super) async fn require_standing(
        &self,
        connection: &mut PgConnection,
        author: Author<'_>,
    ) -> Result<(), ChangeUserError> {
        let (Some(actor_id), Some(standing)) = (author.actor.user_id(), standing(author.actor))
        else {
            return Ok(());
        };
        let ticket = caller_ticket(author.actor);
        let stands =
            users::still_stands(connection, actor_id, &standing, ticket.as_deref()).await?;
        if stands { Ok(()) } else { Err(ChangeUserError::ProofOutdated) }
    }

    /// Leaves the evidence of something that this transaction does to the user whose row it holds.
    /// The author's own ticket goes on counting.
    pub(super) async fn leave_evidence(
        &self,
        connection: &mut PgConnection,
        author: Author<'_>,
        (user_id, head): (UserId, &mut UserHead),
        happening: Happening<'_>,
    ) -> Result<(), StorageError> {
        self.moved.push(user_id);
        let event = happening.event(author, user_id, head);
        let session_epoch = event.session_epoch;
        let key = self.keyring.writing();
        let mac = audit_mac(key, &head.audit_mac, &event);
        users::advance(connection, &event, &mac).await?;
        audit_events::insert(connection, &event, key.id(), &mac).await?;
        let own_ticket = caller_ticket(author.actor)
            .filter(|_| happening.ends_derived && author.actor.user_id() == Some(user_id));
        if let Some(digests) = own_ticket {
            tickets::move_to_epoch(connection, user_id, &digests, session_epoch).await?;
        }
        head.audit_sequence = event.sequence;
        head.session_epoch = event.session_epoch;
        head.audit_mac = mac;
        Ok(())
    }
}
