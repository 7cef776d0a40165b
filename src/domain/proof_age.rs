//! How long ago a caller may have proven their password, or logged in at an issuer, to make sensitive
//! changes (docs/reference/sensitive-changes.md).

use time::{Duration, OffsetDateTime};

use super::principal::AuthenticationScheme;

/// The maximum age of the proof of a session.
const OF_SESSIONS: Duration = Duration::minutes(10);

/// The maximum age of a proof.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MaximumProofAge {
    /// Of tickets and tokens, and of sessions if it is shorter; `None`: no limit for tickets and
    /// tokens.
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
        scheme: AuthenticationScheme,
        auth_time: OffsetDateTime,
        now: OffsetDateTime,
    ) -> bool {
        let of_scheme = (scheme == AuthenticationScheme::Session).then_some(OF_SESSIONS);
        let limit = [of_scheme, self.limit].into_iter().flatten().min();
        limit.is_none_or(|limit| now - auth_time <= limit)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration as Seconds;

    use super::*;

    #[test]
    fn a_session_is_recent_for_10_minutes_and_other_schemes_as_the_setting_says() {
        use AuthenticationScheme::{Basic, Bearer, Session, SoTicket};
        let now = OffsetDateTime::UNIX_EPOCH + Duration::days(1);
        for (setting, scheme, age, expected) in [
            (0, Session, 600, true),
            (0, Session, 601, false),
            (0, SoTicket, 86_400, true),
            (0, Bearer, 86_400, true),
            (60, Session, 60, true),
            (60, Session, 61, false),
            (3600, Session, 601, false),
            (3600, SoTicket, 3600, true),
            (3600, SoTicket, 3601, false),
            (3600, Bearer, 3601, false),
            (3600, Basic, 0, true),
            (3600, Session, -30, true),
        ] {
            let maximum = MaximumProofAge::of_setting(Seconds::from_secs(setting));
            let allowed = maximum.allows(scheme, now - Duration::seconds(age), now);
            assert_eq!(allowed, expected, "{setting} {scheme:?} {age}");
        }
    }
}
