//! What tickets and sessions have in common: they go back to a proof, live by being used, and end
//! with their user's epoch (protocol.md 10.8 and 10.16).

use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};

use super::{AuthenticationError, Refusal};
use crate::{
    domain::user::{User, UserId},
    security::ticket_digest::TicketDigests,
    service::{Rules, Service},
    storage::{
        StorageError,
        tickets::{self, Ticket, TicketKind},
    },
};

/// Something is renewed only when more than this much of its term is used, so that most requests
/// write nothing.
const RENEWAL_STEP: Duration = Duration::minutes(5);

/// How long something derived lives.
#[derive(Debug, Clone, Copy)]
pub(in crate::service) struct Lifetime {
    /// Without being used.
    pub(in crate::service) sliding: std::time::Duration,
    /// In all, after the proof; `None`: as long as anything derived.
    pub(in crate::service) maximum: Option<std::time::Duration>,
}

impl Lifetime {
    pub(in crate::service) fn of(kind: TicketKind, rules: &Rules) -> Self {
        match kind {
            TicketKind::Ticket => Self { sliding: rules.ticket_lifetime, maximum: None },
            TicketKind::Session => {
                Self { sliding: rules.session_lifetime, maximum: Some(rules.maximum_session) }
            }
        }
    }

    /// Short ones are renewed more often, or they would end while they are used.
    fn renewal_step(self) -> Duration {
        RENEWAL_STEP.min(RENEWAL_STEP * (self.sliding.as_secs_f64() / 3600.0))
    }
}

/// Where something derived is stored.
#[derive(Debug)]
pub(in crate::service) struct Reference {
    kind: TicketKind,
    pub(in crate::service) user_id: UserId,
    pub(in crate::service) digests: TicketDigests,
}

impl Service {
    /// Where a user's ticket or session is stored whose text has that digest.
    pub(in crate::service) fn reference(
        &self,
        kind: TicketKind,
        user_id: UserId,
        digest: &[u8],
    ) -> Reference {
        let digests = TicketDigests::of(&self.keyring, kind.as_str(), user_id, digest);
        Reference { kind, user_id, digests }
    }

    /// What is stored there, with its user, if it still counts.
    pub(super) async fn find_live(
        &self,
        connection: &mut PgConnection,
        at: &Reference,
        now: OffsetDateTime,
    ) -> Result<(User, Ticket), AuthenticationError> {
        let digests = &at.digests.readable;
        let found = tickets::find_with_user(connection, at.kind, at.user_id, digests).await?;
        let unknown = || AuthenticationError::refused(None, Refusal::UnknownTicket);
        let (user, ticket) = found.ok_or_else(unknown)?;
        if ticket.expires_at <= now {
            return Err(AuthenticationError::refused(Some(&user), Refusal::Expired));
        }
        self.check_issued(&user, ticket.session_epoch, ticket.auth_time, now)?;
        Ok((user, ticket))
    }

    /// Moves the expiry when enough of the term is used, or the digest was made under another key.
    pub(super) async fn renew(
        &self,
        connection: &mut PgConnection,
        at: &Reference,
        ticket: &Ticket,
        now: OffsetDateTime,
    ) -> Result<(), StorageError> {
        let lifetime = Lifetime::of(at.kind, &self.rules);
        let after = self.expiry(at.kind, ticket.auth_time, now);
        let is_fresh = after - ticket.expires_at <= lifetime.renewal_step();
        if is_fresh && ticket.digest == at.digests.writing {
            return Ok(());
        }
        tickets::renew(connection, at.user_id, ticket, (&at.digests.writing, after)).await
    }

    /// When something of that kind expires that is made or used now.
    pub(in crate::service) fn expiry(
        &self,
        kind: TicketKind,
        auth_time: OffsetDateTime,
        now: OffsetDateTime,
    ) -> OffsetDateTime {
        let Lifetime { sliding, maximum } = Lifetime::of(kind, &self.rules);
        let of_kind = maximum.and_then(|maximum| end_of(auth_time, maximum));
        let ends = [Some(now + sliding), self.end_of_lifetime(auth_time), of_kind];
        ends.into_iter().flatten().min().unwrap_or(now)
    }

    /// When everything ends that goes back to a proof at `auth_time`; `None`: never.
    fn end_of_lifetime(&self, auth_time: OffsetDateTime) -> Option<OffsetDateTime> {
        let absolute = self.rules.absolute_lifetime;
        if absolute.is_zero() { None } else { end_of(auth_time, absolute) }
    }

    /// Refuses what was derived from a proof and does not count any more.
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
        if self.end_of_lifetime(auth_time).is_some_and(|end| end <= now) {
            return refuse(Refusal::LifetimeOver);
        }
        Ok(())
    }
}

/// The time so long after a proof; `None`: there is none so late.
fn end_of(auth_time: OffsetDateTime, lifetime: std::time::Duration) -> Option<OffsetDateTime> {
    auth_time.checked_add(lifetime.try_into().ok()?)
}
