//! The query of the list of audit events: filter, position and page
//! (docs/reference/wire-contract.md#audit-events).

use time::OffsetDateTime;

use super::{
    audit::{AuditEntry, AuditKind},
    user::UserId,
};

/// The largest page, in events.
pub(crate) const MAXIMUM_TOP: u16 = 1_000;

/// The size of a page when the caller names none, in events.
pub(crate) const DEFAULT_TOP: u16 = 100;

/// A page of the list of audit events, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AuditQuery {
    pub(crate) filter: AuditFilter,
    /// The position after which the page starts; `None` for the first page.
    pub(crate) after: Option<AuditPosition>,
    /// The size of the page, in events.
    pub(crate) top: u16,
}

impl AuditQuery {
    /// The first page of the events that a filter selects.
    pub(crate) fn first(filter: AuditFilter, top: u16) -> Self {
        Self { filter, after: None, top }
    }
}

/// The events of a list; `None` and an empty list mean all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct AuditFilter {
    /// The user that the events are about.
    pub(crate) user: Option<UserId>,
    pub(crate) kinds: Vec<AuditKind>,
    /// The user who made the changes.
    pub(crate) actor: Option<UserId>,
    /// The time of the first event.
    pub(crate) since: Option<OffsetDateTime>,
    /// The time before which the last event was.
    pub(crate) until: Option<OffsetDateTime>,
}

/// The position of an event in the list. Events have the order of their time, then of user and
/// sequence; the events of one user have the order of their sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AuditPosition {
    pub(crate) occurred_at: OffsetDateTime,
    pub(crate) user_id: i32,
    pub(crate) sequence: i64,
}

impl AuditPosition {
    /// The position before every event at that time.
    pub(crate) fn before(time: OffsetDateTime) -> Self {
        Self { occurred_at: time, user_id: 0, sequence: 0 }
    }

    /// The position as a token.
    pub(crate) fn to_token(self) -> String {
        let microseconds = self.occurred_at.unix_timestamp_nanos() / 1_000;
        format!("{microseconds}.{}.{}", self.user_id, self.sequence)
    }

    /// The position of a token; `None` for another text.
    pub(crate) fn parse(token: &str) -> Option<Self> {
        let mut numbers = token.split('.').map(|digits| {
            let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| digits.parse::<i64>().ok()).flatten()
        });
        let (time, user_id, sequence) = (numbers.next()??, numbers.next()??, numbers.next()??);
        if numbers.next().is_some() {
            return None;
        }
        let occurred_at =
            OffsetDateTime::from_unix_timestamp_nanos(i128::from(time) * 1_000).ok()?;
        Some(Self { occurred_at, user_id: i32::try_from(user_id).ok()?, sequence })
    }

    /// The sort key: time, user, sequence.
    pub(crate) fn key(self) -> (OffsetDateTime, i32, i64) {
        (self.occurred_at, self.user_id, self.sequence)
    }
}

/// A page of the list.
#[derive(Debug)]
pub(crate) struct AuditPage {
    /// At most as many as the query asks for. A page can have fewer, or none, and not be the last:
    /// the number of events that one page examines is limited.
    pub(crate) events: Vec<AuditEntry>,
    /// The position after this page; `None` on the last page.
    pub(crate) next: Option<AuditPosition>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_the_position_and_other_texts_are_refused() {
        let position = AuditPosition {
            occurred_at: OffsetDateTime::from_unix_timestamp_nanos(1_790_000_000_123_456_000)
                .unwrap(),
            user_id: 7,
            sequence: i64::MAX,
        };
        let token = position.to_token();
        assert_eq!(token, "1790000000123456.7.9223372036854775807");
        assert_eq!(AuditPosition::parse(&token), Some(position));
        for wrong in [
            "",
            "1",
            "1.2",
            "1.2.3.4",
            "1..3",
            "-1.2.3",
            "+1.2.3",
            "1.2.x",
            "1.2147483648.3",
            "1.2.9223372036854775808",
            "9223372036854775807.2.3",
            " 1.2.3",
            "１.2.3",
        ] {
            assert_eq!(AuditPosition::parse(wrong), None, "{wrong}");
        }
    }
}
