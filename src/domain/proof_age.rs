//! How long ago a caller may have proven their password, or logged in at an issuer, to make sensitive
//! changes (docs/reference/sensitive-changes.md).

use time::{Duration, OffsetDateTime};

use super::principal::Proof;

/// The maximum age of the proof of a session, and of the tokens that were issued to one.
const OF_SESSIONS: Duration = Duration::minutes(10);

/// The maximum age of a proof.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MaximumProofAge {
    /// Of tickets and tokens, and of sessions if it is shorter; `None`: no limit for tickets and
    /// for tokens that were not issued to a session.
    limit: Option<Duration>,
}

impl MaximumProofAge {
    /// The limit of the settings; zero for none.
    pub(crate) fn of_setting(limit: std::time::Duration) -> Self {
        let limit = Duration::try_from(limit).unwrap_or(Duration::MAX);
        Self { limit: Some(limit).filter(|limit| !limit.is_zero()) }
    }

    /// True when a caller who proved who they are at `auth_time` may make sensitive changes. A time in
    /// the future is as recent as now: clocks of instances and issuers differ.
    pub(crate) fn allows(
        self,
        proof: &Proof,
        auth_time: OffsetDateTime,
        now: OffsetDateTime,
    ) -> bool {
        let of_session = proof.is_of_session().then_some(OF_SESSIONS);
        let limit = [of_session, self.limit].into_iter().flatten().min();
        limit.is_none_or(|limit| now - auth_time <= limit)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration as Seconds;

    use super::*;

    #[test]
    fn a_session_is_recent_for_10_minutes_and_other_schemes_as_the_setting_says() {
        let session = Proof::Session { digest: Vec::new() };
        let of_session = Proof::Token { is_of_session: true };
        let ticket = Proof::Ticket { digest: Vec::new() };
        let token = Proof::Token { is_of_session: false };
        let password =
            Proof::Password { credential_type: String::new(), version: 1, must_change: false };
        let now = OffsetDateTime::UNIX_EPOCH + Duration::days(1);
        for (setting, proof, age, expected) in [
            (0, &session, 600, true),
            (0, &session, 601, false),
            (0, &of_session, 600, true),
            (0, &of_session, 601, false),
            (0, &ticket, 86_400, true),
            (0, &token, 86_400, true),
            (60, &session, 60, true),
            (60, &session, 61, false),
            (60, &of_session, 61, false),
            (3600, &session, 601, false),
            (3600, &ticket, 3600, true),
            (3600, &ticket, 3601, false),
            (3600, &token, 3601, false),
            (3600, &password, 0, true),
            (3600, &session, -30, true),
        ] {
            let maximum = MaximumProofAge::of_setting(Seconds::from_secs(setting));
            let allowed = maximum.allows(proof, now - Duration::seconds(age), now);
            assert_eq!(allowed, expected, "{setting} {proof:?} {age}");
        }
    }
}
