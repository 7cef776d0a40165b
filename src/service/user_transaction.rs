//! The common steps of transactions that change a user: lock the rows of the user and the actor,
//! check that the actor still has the rights of the request, and append an audit event for each
//! change.

use std::sync::Arc;

use sqlx::PgConnection;

use super::{
    activity::metrics::ActivityMetrics,
    audit::changed_chains::ChangedChains,
    errors::{ChangeUserError, SensitiveError},
};
use crate::{
    clock,
    domain::{
        audit::{AuditEvent, AuditKind},
        change_context::ChangeContext,
        principal::{Actor, Principal, Proof},
        rights::Coverage,
        throttling::Subject,
        user::{UserId, UserReference},
    },
    security::{
        audit_chain::audit_mac, keyring_handle::KeyringHandle, ticket_digest::TicketDigests,
    },
    storage::{
        StorageError, audit_events,
        tickets::{self, TicketKind},
        users::{self, ActorSnapshot, UserHead},
    },
};

/// A change of a user that is audited.
pub(super) struct AuditedChange<'type_name> {
    pub(super) kind: AuditKind,
    pub(super) credential_type: Option<&'type_name str>,
    /// True when the change revokes all issued tickets, sessions and tokens
    /// (docs/reference/wire-contract.md#d16-session-epoch).
    pub(super) revokes_issued: bool,
}

impl AuditedChange<'_> {
    /// A change of the user as a whole.
    pub(super) fn to_user(kind: AuditKind, revokes_issued: bool) -> Self {
        Self { kind, credential_type: None, revokes_issued }
    }

    /// The audit event of the change, next in the user's chain.
    pub(super) fn event(
        &self,
        context: ChangeContext<'_>,
        user_id: UserId,
        head: &UserHead,
    ) -> AuditEvent {
        let session_epoch = head.session_epoch + i64::from(self.revokes_issued);
        AuditEvent {
            credential_type: self.credential_type.map(str::to_owned),
            ..next_event(context, user_id, self.kind, head, session_epoch)
        }
    }
}

/// The next audit event of a user whose row is locked. Its time is that of the lock, so that the
/// times of a user's events rise: a request may have begun long before, and its early time would
/// hide a change that a reader has not seen.
pub(super) fn next_event(
    context: ChangeContext<'_>,
    user_id: UserId,
    kind: AuditKind,
    head: &UserHead,
    session_epoch: i64,
) -> AuditEvent {
    AuditEvent {
        occurred_at: clock::now(),
        ..context.event(user_id, kind, head.audit_sequence, session_epoch)
    }
}

/// A user whose row the transaction has locked, with the head of their audit chain.
pub(super) struct LockedUser {
    pub(super) user_id: UserId,
    pub(super) head: UserHead,
}

impl LockedUser {
    /// Fails unless a right of the actor may be used on this user.
    ///
    /// # Errors
    /// When the user has rights over others, and the right does not cover such users.
    pub(super) fn require_covered(&self, coverage: Coverage) -> Result<(), ChangeUserError> {
        if coverage.includes(self.head.is_protected) {
            Ok(())
        } else {
            Err(ChangeUserError::ProtectedUser)
        }
    }
}

/// The rows that a change depends on, locked until the transaction ends.
pub(super) struct ChangeLocks {
    /// `None` when there is no such user.
    pub(super) head: Option<UserHead>,
    /// True when the actor still has the rights of the request, and nothing has revoked what
    /// authenticated it.
    pub(super) is_actor_current: bool,
}

/// The ticket or session of a request.
pub(super) struct CallerTicket {
    pub(super) kind: TicketKind,
    /// The digests under which it may be stored, one for each readable key.
    pub(super) digests: Vec<Vec<u8>>,
}

/// The actor's rights and epoch when the request was authenticated; `None` for commands.
pub(super) fn actor_snapshot(actor: Actor<'_>) -> Option<ActorSnapshot> {
    let Actor::Principal(principal) = actor else { return None };
    Some(snapshot_of(principal))
}

fn snapshot_of(principal: &Principal) -> ActorSnapshot {
    ActorSnapshot {
        session_epoch: principal.user.session_epoch,
        is_administrator: principal.user.is_administrator,
        user_type: principal.user.user_type,
        role: principal.user.role,
    }
}

/// Locks the caller's row and returns its epoch; `None` when the caller has other rights by now.
async fn lock_caller(
    connection: &mut PgConnection,
    caller: &Principal,
) -> Result<Option<i64>, StorageError> {
    users::lock_actor_snapshot(connection, caller.user_id(), &snapshot_of(caller)).await
}

/// Locks users and actors, and appends audit events in transactions.
pub(crate) struct UserTransactions {
    pub(crate) keyring: KeyringHandle,
    pub(crate) changed_chains: Arc<ChangedChains>,
    pub(crate) metrics: Arc<ActivityMetrics>,
    /// True when every sensitive change must have a reason.
    pub(crate) requires_reason: bool,
}

impl UserTransactions {
    /// Fails unless the actor, who has the right to a sensitive change, may make it now.
    ///
    /// # Errors
    /// See [`SensitiveError`].
    pub(super) fn require_sensitive(
        &self,
        context: ChangeContext<'_>,
    ) -> Result<(), SensitiveError> {
        if !context.actor.has_recent_proof() {
            return Err(SensitiveError::ProofTooOld);
        }
        if self.requires_reason && context.reason.is_none() {
            return Err(SensitiveError::ReasonRequired);
        }
        Ok(())
    }

    /// Where the ticket or session that authenticated the actor may be stored; `None` for other
    /// actors. The digests are made for each use: during an import, a key may be added and used, and
    /// then the row is stored under the new one.
    pub(super) fn caller_ticket(&self, actor: Actor<'_>) -> Option<CallerTicket> {
        let Actor::Principal(caller) = actor else { return None };
        let (kind, digest) = match &caller.proof {
            Proof::Ticket { digest } => (TicketKind::Ticket, digest),
            Proof::Session { digest } => (TicketKind::Session, digest),
            Proof::Password { .. } | Proof::Token { .. } => return None,
        };
        let keyring = self.keyring.current();
        let digests = TicketDigests::of(&keyring, kind.as_str(), caller.user_id(), digest).readable;
        Some(CallerTicket { kind, digests })
    }

    /// Locks the user's row.
    ///
    /// # Errors
    /// When there is no such user, or the actor has changed since the request was authenticated.
    pub(super) async fn lock_user(
        &self,
        connection: &mut PgConnection,
        context: ChangeContext<'_>,
        user_id: UserId,
    ) -> Result<LockedUser, ChangeUserError> {
        let ChangeLocks { head, is_actor_current } =
            self.lock_for_change(connection, context, user_id).await?;
        let head = head.ok_or(ChangeUserError::UnknownUser)?;
        if is_actor_current {
            Ok(LockedUser { user_id, head })
        } else {
            Err(ChangeUserError::ProofOutdated)
        }
    }

    /// Locks the row of a user who was found by that reference.
    ///
    /// # Errors
    /// As [`Self::lock_user`], and when the user has lost the login name of the reference since.
    pub(super) async fn lock_found_user(
        &self,
        connection: &mut PgConnection,
        context: ChangeContext<'_>,
        reference: &UserReference,
        user_id: UserId,
    ) -> Result<LockedUser, ChangeUserError> {
        let locked = self.lock_user(connection, context, user_id).await?;
        if reference.refers_to_named(user_id, &locked.head.login_name) {
            Ok(locked)
        } else {
            Err(ChangeUserError::UnknownUser)
        }
    }

    /// Locks the user's row, the actor's row and the actor's ticket, so that a change of the actor's
    /// rights is ordered before or after this change. Users are locked by ascending id and before
    /// tickets; otherwise two users who change each other could deadlock.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(super) async fn lock_for_change(
        &self,
        connection: &mut PgConnection,
        context: ChangeContext<'_>,
        user_id: UserId,
    ) -> Result<ChangeLocks, StorageError> {
        self.lock_subject_for_change(connection, context, user_id.into()).await
    }

    /// As [`Self::lock_for_change`]. For a pseudo user, the same statements run and lock nobody.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(super) async fn lock_subject_for_change(
        &self,
        connection: &mut PgConnection,
        context: ChangeContext<'_>,
        subject: Subject,
    ) -> Result<ChangeLocks, StorageError> {
        let Actor::Principal(caller) = context.actor else {
            let head = users::lock_subject(connection, subject).await?;
            return Ok(ChangeLocks { head, is_actor_current: true });
        };
        let (head, epoch) = if caller.user_id().as_i32() < subject.as_i32() {
            let epoch = lock_caller(connection, caller).await?;
            (users::lock_subject(connection, subject).await?, epoch)
        } else {
            let head = users::lock_subject(connection, subject).await?;
            (head, lock_caller(connection, caller).await?)
        };
        let is_actor_current = self.is_current(connection, caller, epoch).await?;
        Ok(ChangeLocks { head, is_actor_current })
    }

    /// Locks the actor's row and ticket.
    ///
    /// # Errors
    /// When the actor has changed since the request was authenticated.
    pub(super) async fn require_current_actor(
        &self,
        connection: &mut PgConnection,
        context: ChangeContext<'_>,
    ) -> Result<(), ChangeUserError> {
        let Actor::Principal(caller) = context.actor else { return Ok(()) };
        let epoch = lock_caller(connection, caller).await?;
        if self.is_current(connection, caller, epoch).await? {
            Ok(())
        } else {
            Err(ChangeUserError::ProofOutdated)
        }
    }

    /// True if the ticket, session, password or token of the caller has not been revoked, that is, if
    /// its epoch is that of the user's locked row. A ticket or session has an epoch of its own, which
    /// moves with the user's when it makes the change. A password or token has the epoch of the
    /// request. The row of the ticket is locked, too.
    async fn is_current(
        &self,
        connection: &mut PgConnection,
        caller: &Principal,
        user_epoch: Option<i64>,
    ) -> Result<bool, StorageError> {
        if user_epoch.is_none() {
            return Ok(false);
        }
        let epoch = match self.caller_ticket(Actor::Principal(caller)) {
            Some(CallerTicket { digests, .. }) => {
                tickets::lock(connection, caller.user_id(), &digests).await?
            }
            None => Some(caller.user.session_epoch),
        };
        Ok(epoch == user_epoch)
    }

    /// Notes an event of a transaction for the next anchor and for the metrics.
    pub(super) fn note_event(&self, user_id: UserId, kind: AuditKind) {
        self.changed_chains.push(user_id);
        self.metrics.record_event(kind);
    }

    /// Notes credentials that a batch saves, for the metrics.
    pub(super) fn note_saves(&self, credentials: usize) {
        self.metrics.record_saves(credentials);
    }

    /// Appends the audit event of a change that this transaction makes. When the change revokes
    /// everything issued to the actor, the ticket of the request stays valid.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(super) async fn append_audit_event(
        &self,
        connection: &mut PgConnection,
        context: ChangeContext<'_>,
        user: &mut LockedUser,
        change: AuditedChange<'_>,
    ) -> Result<(), StorageError> {
        let LockedUser { user_id, head } = user;
        let event = change.event(context, *user_id, head);
        let session_epoch = event.session_epoch;
        let keyring = self.keyring.current();
        let key = keyring.writing();
        let mac = audit_mac(key, &head.audit_mac, &event);
        users::advance(connection, &event, &mac).await?;
        audit_events::insert(connection, &event, key.id(), &mac).await?;
        self.note_event(*user_id, change.kind);
        // A user who retires themselves keeps no ticket, which would be valid again after
        // reactivation; nor does one whose credential must be changed, which it would get around.
        let keeps_ticket = change.revokes_issued
            && !matches!(change.kind, AuditKind::UserRetired | AuditKind::ChangeRequired)
            && context.actor.user_id() == Some(*user_id);
        if keeps_ticket
            && let Some(CallerTicket { digests, .. }) = self.caller_ticket(context.actor)
        {
            tickets::move_to_epoch(connection, *user_id, &digests, session_epoch).await?;
        }
        head.audit_sequence = event.sequence;
        head.session_epoch = event.session_epoch;
        head.audit_mac = mac;
        Ok(())
    }
}
