//! The stream of all audit events, which sinks receive.

use time::OffsetDateTime;

use super::user::UserId;

/// The position before every event.
pub(crate) const START: i64 = i64::MIN;

/// An event of the stream with the values of its row. Sinks get each event as it is stored, so that a
/// row that was changed in the database, or that a later release wrote, does not hold up others.
#[derive(Debug)]
pub(crate) struct StreamedEvent {
    /// The place in the stream. Positions rise; for one user they rise with the sequences.
    pub(crate) position: i64,
    pub(crate) user_id: i32,
    pub(crate) sequence: i64,
    /// `None` if the stored time is not in the years 1 to 9999.
    pub(crate) occurred_at: Option<OffsetDateTime>,
    pub(crate) kind: String,
    pub(crate) actor_user_id: Option<i32>,
    pub(crate) scheme: String,
    pub(crate) address: Option<String>,
    pub(crate) request_id: String,
    pub(crate) credential_type: Option<String>,
    pub(crate) session_epoch: i64,
    pub(crate) reason: Option<String>,
    pub(crate) key_id: String,
    pub(crate) mac: Vec<u8>,
}

impl StreamedEvent {
    /// False if it has an id or a time that no release writes. Kinds and schemes that this release does
    /// not know may be those of a later one.
    pub(crate) fn is_valid(&self) -> bool {
        let is_user_id = |id: i32| UserId::try_from(id).is_ok();
        is_user_id(self.user_id)
            && self.actor_user_id.is_none_or(is_user_id)
            && self.occurred_at.is_some()
    }
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
        u64::try_from(end.saturating_sub(self.undelivered_after())).unwrap_or_default()
    }

    /// The position after which events count as undelivered.
    pub(crate) fn undelivered_after(self) -> i64 {
        self.reached.max(self.position)
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
            has_gap = event.position > last.saturating_add(1);
            last = last.max(event.position);
            !has_gap
        })
        .collect();
    (complete, has_gap)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(position: i64) -> StreamedEvent {
        StreamedEvent {
            position,
            user_id: 1,
            sequence: 1,
            occurred_at: Some(OffsetDateTime::UNIX_EPOCH),
            kind: "user_added".to_owned(),
            actor_user_id: None,
            scheme: "command".to_owned(),
            address: None,
            request_id: "r".to_owned(),
            credential_type: None,
            session_epoch: 0,
            reason: None,
            key_id: "k".to_owned(),
            mac: Vec::new(),
        }
    }

    #[test]
    fn an_event_is_invalid_if_no_release_writes_it() {
        let unknown = || "of_a_later_release".to_owned();
        for (event, expected) in [
            (event(1), true),
            (StreamedEvent { actor_user_id: Some(7), ..event(1) }, true),
            (StreamedEvent { kind: unknown(), scheme: unknown(), ..event(1) }, true),
            (StreamedEvent { actor_user_id: Some(0), ..event(1) }, false),
            (StreamedEvent { user_id: -1, ..event(1) }, false),
            (StreamedEvent { occurred_at: None, ..event(1) }, false),
        ] {
            assert_eq!(event.is_valid(), expected, "{event:?}");
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
            (vec![i64::MAX], 4, i64::MAX, vec![i64::MAX], false),
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
        assert_eq!(progress.undelivered_after(), 10);
        let new = SinkProgress { position: -100, reached: 5 };
        assert_eq!((new.backlog(5), new.undelivered(5)), (105, 0));
        let moved = SinkProgress { position: 7, reached: 5 };
        assert_eq!(moved.undelivered_after(), 7);
    }
}
