//! The stream of all audit events, which sinks receive.

use super::audit::ChainLink;

/// The position before every event.
pub(crate) const START: i64 = i64::MIN;

/// An event of the stream.
#[derive(Debug)]
pub(crate) struct StreamedEvent {
    /// The place in the stream. Positions rise; for one user they rise with the sequences.
    pub(crate) position: i64,
    pub(crate) link: ChainLink,
}

/// How far a sink is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SinkProgress {
    /// The position of the last event that the sink has.
    pub(crate) position: i64,
    /// The highest position that it has ever had.
    pub(crate) reached: i64,
}

impl SinkProgress {
    /// The number of positions between what the sink has had and the end of the stream. Positions of
    /// transactions that were rolled back count, too.
    pub(crate) fn undelivered(self, end: i64) -> u64 {
        u64::try_from(end.saturating_sub(self.reached.max(self.position))).unwrap_or_default()
    }

    /// The number of positions until the sink has everything, with those that it gets again.
    pub(crate) fn backlog(self, end: i64) -> u64 {
        u64::try_from(end.saturating_sub(self.position)).unwrap_or_default()
    }
}

/// The position before every event, given that of the first visible one. A transaction that has not
/// ended may have an earlier event: the sequence gives out positions from 1 on.
pub(crate) fn before_first(first: Option<i64>) -> i64 {
    first.map_or(0, |first| first.saturating_sub(1).min(0))
}

/// The events before the first gap that may still be filled, and whether there is one.
///
/// A transaction takes the positions of its events before it commits, so a later position can be
/// visible before an earlier one. `after` is the position of the event before, and `settled` one up
/// to which no transaction will add events.
pub(crate) fn before_gap(
    events: Vec<StreamedEvent>,
    after: i64,
    settled: i64,
) -> (Vec<StreamedEvent>, bool) {
    let mut has_gap = false;
    // A migration has numbered the events before 1, without gaps that are filled later.
    let mut last = after.max(settled).max(0);
    let complete = events
        .into_iter()
        .take_while(|event| {
            has_gap = event.position > last + 1;
            last = last.max(event.position);
            !has_gap
        })
        .collect();
    (complete, has_gap)
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;
    use crate::domain::{
        audit::{AuditEvent, AuditKind},
        user::UserId,
    };

    fn event(position: i64) -> StreamedEvent {
        let event = AuditEvent {
            user_id: UserId::try_from(1).unwrap(),
            sequence: 1,
            occurred_at: OffsetDateTime::UNIX_EPOCH,
            kind: AuditKind::UserAdded,
            actor: None,
            scheme: "command",
            address: None,
            request_id: "r".to_owned(),
            credential_type: None,
            session_epoch: 0,
            reason: None,
        };
        StreamedEvent {
            position,
            link: ChainLink { event, key_id: "k".to_owned(), mac: Vec::new() },
        }
    }

    #[test]
    fn events_after_a_gap_wait_until_it_is_settled() {
        for (positions, after, settled, expected, has_gap) in [
            (vec![1, 2, 3], START, START, vec![1, 2, 3], false),
            (vec![-7, -3, 0, 1, 2], START, START, vec![-7, -3, 0, 1, 2], false),
            (vec![2, 3], START, START, vec![], true),
            (vec![2, 3], 1, START, vec![2, 3], false),
            (vec![2, 3, 5, 6], 1, START, vec![2, 3], true),
            (vec![2, 3, 5, 6, 9], 1, 6, vec![2, 3, 5, 6], true),
            (vec![8, 9], 1, 6, vec![], true),
            (vec![7, 9], 1, 6, vec![7], true),
            (vec![7, 9], 1, 9, vec![7, 9], false),
            (vec![], 4, START, vec![], false),
        ] {
            let events = positions.iter().copied().map(event).collect();
            let (complete, found) = before_gap(events, after, settled);
            let complete: Vec<_> = complete.iter().map(|event| event.position).collect();
            assert_eq!((complete, found), (expected, has_gap), "{positions:?} {after} {settled}");
        }
    }

    #[test]
    fn the_first_point_is_before_events_that_are_not_committed() {
        for (first, expected) in [(None, 0), (Some(1), 0), (Some(7), 0), (Some(-3), -4)] {
            assert_eq!(before_first(first), expected, "{first:?}");
        }
    }

    #[test]
    fn repeated_events_are_a_backlog_but_not_undelivered() {
        let progress = SinkProgress { position: 3, reached: 10 };
        assert_eq!((progress.backlog(12), progress.undelivered(12)), (9, 2));
        assert_eq!((progress.backlog(3), progress.undelivered(3)), (0, 0));
        let new = SinkProgress { position: -100, reached: 5 };
        assert_eq!((new.backlog(5), new.undelivered(5)), (105, 0));
    }
}
