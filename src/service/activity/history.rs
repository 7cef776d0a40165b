//! The activity of the last hour and the last day of this instance.
//!
//! Time is a position: the time that has passed on the monotonic clock since a full quarter of an hour
//! before the start. A change of the system's clock moves the labels of periods, not their order.

use std::{collections::VecDeque, time::Duration};

use crate::domain::activity::{Figures, MINUTE_SECONDS, MINUTES, QUARTER_SECONDS, QUARTERS};

/// The figures of one slot: the number of the slot since position zero, and the figures in it.
pub(super) type Slot = (u64, Figures);

/// The last slots of one width. A slot without a reading is absent.
#[derive(Debug, Clone)]
struct Ring {
    /// The width of a slot in seconds.
    width: u64,
    /// The number of slots that are kept.
    length: u64,
    slots: VecDeque<Slot>,
}

impl Ring {
    fn new(width: u64, length: u64) -> Self {
        Self { width, length, slots: VecDeque::new() }
    }

    /// Adds figures to the slot at a position. Positions only grow.
    fn add(&mut self, position: Duration, figures: Figures) {
        let slot = position.as_secs() / self.width;
        match self.slots.back_mut() {
            Some((last, sum)) if *last >= slot => *sum = sum.plus(figures),
            Some(_) | None => self.slots.push_back((slot, figures)),
        }
        self.forget(position);
    }

    /// Removes the slots that are too old at a position.
    fn forget(&mut self, position: Duration) {
        let oldest = (position.as_secs() / self.width + 1).saturating_sub(self.length);
        while self.slots.front().is_some_and(|(slot, _)| *slot < oldest) {
            self.slots.pop_front();
        }
    }

    /// The slots at a position, with figures that are not recorded yet.
    fn with(&self, middle: Duration, figures: Figures, position: Duration) -> Vec<Slot> {
        let mut ring = self.clone();
        ring.add(middle, figures);
        ring.forget(position);
        ring.slots.into()
    }
}

/// The figures since the previous reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) figures: Figures,
    /// How long before this reading the middle of the time since the previous one was.
    pub(super) age: Duration,
}

/// The readings of the last hour and the last day.
#[derive(Debug)]
pub(super) struct History {
    minutes: Ring,
    quarters: Ring,
    /// The counters at the last recorded reading.
    recorded: Figures,
    recorded_at: Duration,
    /// The longest queue that was seen since then.
    queue_maximum: u64,
}

impl History {
    /// An empty history that starts at a position, with these counters.
    pub(super) fn new(counters: Figures, position: Duration) -> Self {
        Self {
            minutes: Ring::new(MINUTE_SECONDS, MINUTES),
            quarters: Ring::new(QUARTER_SECONDS, QUARTERS),
            recorded: counters,
            recorded_at: position,
            queue_maximum: 0,
        }
    }

    /// Notes the present length of the queue.
    pub(super) fn note_queue(&mut self, waiting: u64) {
        self.queue_maximum = self.queue_maximum.max(waiting);
    }

    /// The time since the last recorded reading.
    pub(super) fn age(&self, position: Duration) -> Duration {
        position.saturating_sub(self.recorded_at)
    }

    /// Records what happened since the last recorded reading. It counts for the slot that most of
    /// this time is in.
    pub(super) fn record(&mut self, counters: Figures, position: Duration) -> Reading {
        let reading = self.read(counters, position);
        let middle = position.saturating_sub(reading.age);
        self.minutes.add(middle, reading.figures);
        self.quarters.add(middle, reading.figures);
        self.recorded = counters;
        self.recorded_at = position;
        self.queue_maximum = 0;
        reading
    }

    /// The minutes of the last hour, up to now.
    pub(super) fn minutes(&self, counters: Figures, position: Duration) -> Vec<Slot> {
        self.slots(&self.minutes, counters, position)
    }

    /// The quarters of an hour of the last day, up to now.
    pub(super) fn quarters(&self, counters: Figures, position: Duration) -> Vec<Slot> {
        self.slots(&self.quarters, counters, position)
    }

    fn slots(&self, ring: &Ring, counters: Figures, position: Duration) -> Vec<Slot> {
        let Reading { figures, age } = self.read(counters, position);
        ring.with(position.saturating_sub(age), figures, position)
    }

    fn read(&self, counters: Figures, position: Duration) -> Reading {
        let queue_maximum = self.queue_maximum;
        let figures = Figures { queue_maximum, ..counters.since(self.recorded) };
        Reading { figures, age: self.age(position) / 2 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saves(saves: u64) -> Figures {
        Figures { saves, ..Figures::default() }
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// The slots with their saves.
    fn listed(slots: &[Slot]) -> Vec<(u64, u64)> {
        slots.iter().map(|(slot, figures)| (*slot, figures.saves)).collect()
    }

    #[test]
    fn a_reading_counts_for_the_minute_that_most_of_it_is_in() {
        let mut history = History::new(saves(100), at(50));
        assert_eq!(listed(&history.minutes(saves(103), at(55))), [(0, 3)]);
        // From 0:50 to 1:50.
        let reading = history.record(saves(105), at(110));
        assert_eq!((reading.figures.saves, reading.age), (5, at(30)));
        assert_eq!(listed(&history.minutes(saves(105), at(110))), [(1, 5)]);
        history.record(saves(107), at(170));
        assert_eq!(listed(&history.minutes(saves(108), at(175))), [(1, 5), (2, 3)]);
        assert_eq!(listed(&history.quarters(saves(108), at(175))), [(0, 8)]);
    }

    #[test]
    fn the_last_hour_and_the_last_day_are_kept_and_no_more() {
        let mut history = History::new(saves(0), at(0));
        let mut counted = 0;
        for minute in 1..=3 * 24 * 60_u64 {
            counted += 1;
            history.record(saves(counted), at(minute * 60));
        }
        let now = at(3 * 24 * 3600);
        let minutes = history.minutes(saves(counted), now);
        assert_eq!(minutes.len(), 60);
        assert_eq!(minutes.first().unwrap().0, 3 * 24 * 60 - 59);
        let quarters = history.quarters(saves(counted), now);
        assert_eq!(quarters.len(), 96);
        assert!(quarters[..95].iter().all(|(_, figures)| figures.saves == 15), "{quarters:?}");
        // Nobody reads or records for two days.
        let later = at(5 * 24 * 3600);
        assert_eq!(listed(&history.minutes(saves(counted + 1), later)), []);
        assert_eq!(history.record(saves(counted + 1), later).figures.saves, 1);
    }

    #[test]
    fn a_time_without_readings_is_a_gap_and_not_zero() {
        let mut history = History::new(saves(0), at(0));
        history.record(saves(1), at(60));
        // The process was stopped for ten minutes; its next reading covers them.
        history.record(saves(2), at(660));
        history.record(saves(4), at(720));
        assert_eq!(listed(&history.minutes(saves(4), at(720))), [(0, 1), (6, 1), (11, 2), (12, 0)]);
    }

    #[test]
    fn the_longest_queue_belongs_to_its_minute() {
        let mut history = History::new(saves(0), at(0));
        history.note_queue(7);
        history.note_queue(3);
        assert_eq!(history.record(saves(0), at(60)).figures.queue_maximum, 7);
        assert_eq!(history.record(saves(0), at(120)).figures.queue_maximum, 0);
        let longest = |slots: Vec<Slot>| {
            slots.iter().map(|(_, figures)| figures.queue_maximum).collect::<Vec<_>>()
        };
        assert_eq!(longest(history.minutes(saves(0), at(120))), [7, 0, 0]);
        assert_eq!(longest(history.quarters(saves(0), at(120))), [7]);
    }
}
