//! Finds, checks and renews tickets and sessions. They are based on an authentication, are extended
//! by use, and end with the epoch of their user (docs/reference/wire-contract.md#d8-issuing-tickets
//! and docs/reference/wire-contract.md#d16-session-epoch).

use sqlx::PgConnection;
use subtle::ConstantTimeEq;
use time::{Duration, OffsetDateTime};

use super::{
    error::{AuthenticationError, Refusal},
    valid_from::IssuedValidFrom,
};
use crate::{
    domain::{
        client_info::ClientInfo,
        user::{User, UserId},
    },
    security::{keyring_handle::KeyringHandle, ticket_digest::TicketDigests},
    storage::{
        Connection, Statements, StorageError,
        tickets::{self, Ticket, TicketKind, TicketRenewal},
    },
};

/// A use is recorded only after this part of the lifetime has passed, so that most requests write
/// nothing.
const RENEWAL_STEP: Duration = Duration::minutes(5);

/// The lifetimes of tickets, sessions and tokens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lifetimes {
    /// The lifetime of a ticket without use.
    pub(crate) ticket: std::time::Duration,
    /// The lifetime of a session without use.
    pub(crate) session: std::time::Duration,
    /// The maximum lifetime of a session.
    pub(crate) maximum_session: std::time::Duration,
    /// The maximum lifetime of everything issued, from the authentication that it is based on; zero
    /// for no limit.
    pub(crate) absolute: std::time::Duration,
}

impl Lifetimes {
    /// The lifetime without use.
    fn idle(&self, kind: TicketKind) -> std::time::Duration {
        match kind {
            TicketKind::Ticket => self.ticket,
            TicketKind::Session => self.session,
        }
    }

    /// The part of the lifetime that may pass before a renewal. Short lifetimes have a shorter
    /// step, so that nothing expires while it is used.
    fn renewal_step(&self, kind: TicketKind) -> Duration {
        RENEWAL_STEP.min(RENEWAL_STEP * (self.idle(kind).as_secs_f64() / 3600.0))
    }

    /// The expiry of a ticket or session that is issued or used now.
    fn expiry(
        &self,
        kind: TicketKind,
        auth_time: OffsetDateTime,
        now: OffsetDateTime,
    ) -> OffsetDateTime {
        let of_kind = match kind {
            TicketKind::Ticket => None,
            TicketKind::Session => end_after(auth_time, self.maximum_session),
        };
        let ends = [Some(now + self.idle(kind)), self.absolute_end(auth_time), of_kind];
        ends.into_iter().flatten().min().unwrap_or(now)
    }

    /// The expiry of everything that is based on an authentication at `auth_time`; `None` for no
    /// limit.
    fn absolute_end(&self, auth_time: OffsetDateTime) -> Option<OffsetDateTime> {
        if self.absolute.is_zero() { None } else { end_after(auth_time, self.absolute) }
    }
}

/// The end of a lifetime; `None` when the date cannot be represented.
fn end_after(auth_time: OffsetDateTime, lifetime: std::time::Duration) -> Option<OffsetDateTime> {
    auth_time.checked_add(lifetime.try_into().ok()?)
}

/// Identifies a stored ticket or session.
#[derive(Debug)]
pub(in crate::service) struct Reference {
    kind: TicketKind,
    pub(in crate::service) user_id: UserId,
    pub(in crate::service) digests: TicketDigests,
}

/// Finds, checks and renews tickets and sessions.
pub(crate) struct IssuedTickets {
    pub(crate) keyring: KeyringHandle,
    pub(crate) lifetimes: Lifetimes,
    /// The end of what was issued before the database was restored.
    pub(crate) valid_from: IssuedValidFrom,
    pub(crate) statements: Statements,
}

impl IssuedTickets {
    /// The reference to the user's ticket or session whose text has this digest.
    pub(in crate::service) fn reference(
        &self,
        kind: TicketKind,
        user_id: UserId,
        digest: &[u8],
    ) -> Reference {
        let digests = TicketDigests::of(&self.keyring.current(), kind.as_str(), user_id, digest);
        Reference { kind, user_id, digests }
    }

    /// The expiry of a ticket or session that is issued now.
    pub(in crate::service) fn expiry(
        &self,
        kind: TicketKind,
        auth_time: OffsetDateTime,
        now: OffsetDateTime,
    ) -> OffsetDateTime {
        self.lifetimes.expiry(kind, auth_time, now)
    }

    /// The live ticket or session at a reference, with its user.
    ///
    /// # Errors
    /// When it does not exist, has expired or was revoked.
    pub(super) async fn find_live(
        &self,
        connection: &mut PgConnection,
        reference: &Reference,
        now: OffsetDateTime,
    ) -> Result<(User, Ticket), AuthenticationError> {
        let Reference { kind, user_id, digests } = reference;
        let found = tickets::find_with_user(connection, *kind, *user_id, &digests.readable).await?;
        let unknown = || AuthenticationError::refused(None, Refusal::UnknownTicket);
        let (user, ticket) = found.ok_or_else(unknown)?;
        if ticket.expires_at <= now {
            return Err(AuthenticationError::refused(Some(&user), Refusal::Expired));
        }
        self.check_issued(&user, ticket.session_epoch, ticket.auth_time, now)?;
        Ok((user, ticket))
    }

    /// Records a use when enough of the lifetime has passed since the last recorded one, or the
    /// digest was made with another key: extends the expiry, unless a limit has been reached.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(super) async fn renew(
        &self,
        connection: &mut Connection,
        reference: &Reference,
        ticket: &Ticket,
        client_info: &ClientInfo,
        now: OffsetDateTime,
    ) -> Result<(), StorageError> {
        let Reference { kind, user_id, digests } = reference;
        let expires_at = self.lifetimes.expiry(*kind, ticket.auth_time, now);
        let step = self.lifetimes.renewal_step(*kind);
        let is_recent = expires_at - ticket.expires_at <= step && now - ticket.last_used_at <= step;
        if is_recent && bool::from(ticket.digest.ct_eq(&digests.writing)) {
            return Ok(());
        }
        let address = client_info.address.map(|address| address.to_string());
        let digest = &digests.writing;
        let renewal = TicketRenewal { digest, expires_at, used_at: now, address };
        let statements = self.statements;
        run_step!(statements, connection, |connection| {
            statements.renew_ticket(connection, *user_id, ticket, &renewal)
        });
        Ok(())
    }

    /// Refuses tickets, sessions and tokens that were revoked since they were issued.
    ///
    /// # Errors
    /// [`AuthenticationError::Refused`].
    pub(super) fn check_issued(
        &self,
        user: &User,
        session_epoch: i64,
        auth_time: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<(), AuthenticationError> {
        let refuse = |reason| Err(AuthenticationError::refused(Some(user), reason));
        if user.is_retired {
            return refuse(Refusal::Retired);
        }
        if session_epoch != user.session_epoch {
            return refuse(Refusal::EarlierEpoch);
        }
        if !self.valid_from.includes(auth_time) {
            return refuse(Refusal::BeforeRestore);
        }
        if self.lifetimes.absolute_end(auth_time).is_some_and(|end| end <= now) {
            return refuse(Refusal::LifetimeOver);
        }
        Ok(())
    }
}
