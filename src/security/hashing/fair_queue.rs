//! A bounded queue that is fair between callers.
//!
//! Callers take turns, one job each. Alone, a caller may fill the queue; when it is full, the
//! newest job of the caller with most waiting jobs has to go. So one caller with a thousand
//! requests delays another by at most one job a turn.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
};

/// Jobs of several callers.
pub(super) struct FairQueue<C, J> {
    lanes: HashMap<C, VecDeque<J>>,
    /// Callers with jobs, in the order of their turns.
    turns: VecDeque<C>,
    length: usize,
    capacity: usize,
}

impl<C: Copy + Eq + Hash, J> FairQueue<C, J> {
    /// An empty queue for `capacity` jobs.
    pub(super) fn new(capacity: usize) -> Self {
        Self { lanes: HashMap::new(), turns: VecDeque::new(), length: 0, capacity }
    }

    /// How many jobs wait.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// True when the next job displaces another or is refused.
    pub(super) fn is_full(&self) -> bool {
        self.length >= self.capacity
    }

    /// Changes how many may wait.
    pub(super) fn set_capacity(&mut self, capacity: usize) {
        self.capacity = capacity;
    }

    /// Adds a job. When the queue is full, gives back the job that has to go, which may be the
    /// one that was to be added.
    pub(super) fn push(&mut self, caller: C, job: J) -> Option<J> {
        let mut displaced = None;
        if self.is_full() {
            displaced = self.take_newest_of_the_busiest_but(caller);
            if displaced.is_none() {
                return Some(job);
            }
        }
        let lane = self.lanes.entry(caller).or_default();
        if lane.is_empty() {
            self.turns.push_back(caller);
        }
        lane.push_back(job);
        self.length += 1;
        displaced
    }

    /// Takes the next job of the caller whose turn it is.
    pub(super) fn pop(&mut self) -> Option<J> {
        let caller = self.turns.pop_front()?;
        let lane = self.lanes.get_mut(&caller)?;
        let job = lane.pop_front()?;
        self.length -= 1;
        if lane.is_empty() {
            self.lanes.remove(&caller);
        } else {
            self.turns.push_back(caller);
        }
        Some(job)
    }

    /// Drops the jobs that are not wanted any more.
    pub(super) fn retain(&mut self, is_wanted: impl Fn(&J) -> bool) {
        for lane in self.lanes.values_mut() {
            lane.retain(&is_wanted);
        }
        self.lanes.retain(|_, lane| !lane.is_empty());
        self.turns.retain(|caller| self.lanes.contains_key(caller));
        self.length = self.lanes.values().map(VecDeque::len).sum();
    }

    /// The newest job of the caller with most waiting, unless `caller` would be that one.
    fn take_newest_of_the_busiest_but(&mut self, caller: C) -> Option<J> {
        let own = self.lanes.get(&caller).map_or(0, VecDeque::len);
        let (busiest, lane) = self.lanes.iter_mut().max_by_key(|(_, lane)| lane.len())?;
        if lane.len() <= own + 1 {
            return None;
        }
        let busiest = *busiest;
        let newest = lane.pop_back()?;
        self.length -= 1;
        if lane.is_empty() {
            self.lanes.remove(&busiest);
            self.turns.retain(|turn| *turn != busiest);
        }
        Some(newest)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn drain(queue: &mut FairQueue<char, u32>) -> Vec<u32> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn callers_take_turns() {
        let mut queue = FairQueue::new(10);
        for (caller, job) in [('a', 1), ('a', 2), ('a', 3), ('b', 10), ('c', 20), ('b', 11)] {
            assert!(queue.push(caller, job).is_none());
        }
        assert_eq!(drain(&mut queue), [1, 10, 20, 2, 11, 3]);
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn alone_a_caller_fills_the_queue_and_then_refuses_itself() {
        let mut queue = FairQueue::new(3);
        for job in 1..=3 {
            assert!(queue.push('a', job).is_none());
        }
        assert_eq!(queue.push('a', 4), Some(4));
        assert_eq!(drain(&mut queue), [1, 2, 3]);
    }

    #[test]
    fn a_newcomer_displaces_the_newest_job_of_the_busiest() {
        let mut queue = FairQueue::new(3);
        for job in 1..=3 {
            queue.push('a', job);
        }
        assert_eq!(queue.push('b', 10), Some(3));
        assert_eq!(queue.push('b', 11), Some(11), "equal shares displace nobody");
        assert_eq!(drain(&mut queue), [1, 10, 2]);
    }

    #[test]
    fn unwanted_jobs_make_room() {
        let mut queue = FairQueue::new(3);
        for (caller, job) in [('a', 1), ('b', 2), ('b', 3)] {
            queue.push(caller, job);
        }
        queue.retain(|job| *job > 1);
        assert_eq!(queue.len(), 2);
        assert!(queue.push('c', 4).is_none());
        assert_eq!(drain(&mut queue), [2, 4, 3]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_doubled_and_the_bound_holds(
            callers in proptest::collection::vec(0_u8..5, 0..200),
            capacity in 1_usize..20,
        ) {
            let mut queue = FairQueue::new(capacity);
            let mut refused = Vec::new();
            for (job, caller) in callers.iter().enumerate() {
                refused.extend(queue.push(*caller, job));
                prop_assert!(queue.len() <= capacity);
            }
            let mut all = refused;
            all.extend(std::iter::from_fn(|| queue.pop()));
            all.sort_unstable();
            prop_assert_eq!(all, (0..callers.len()).collect::<Vec<_>>());
        }
    }
}
