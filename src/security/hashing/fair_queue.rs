//! A bounded queue that is fair between callers.
//!
//! Callers take turns, one job each, and who has not been there lately comes first. Alone, a caller
//! may fill the queue; when it is full, the newest job of the caller with most waiting jobs has to
//! go. So one caller with a thousand requests delays another who comes now and then by nothing but
//! the jobs under way, and one who comes often by at most one job a turn.
//!
//! The order is that of the FQ-CoDel scheduler's new and old flows (RFC 8290, section 4.2): a
//! newcomer whose job was taken keeps a turn among the others even without a job, and is new again
//! only after that. Newcomers and the others take every second job, so that newcomers without end
//! (fresh addresses) keep nobody waiting for ever.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
};

/// Jobs of several callers.
pub(super) struct FairQueue<C, J> {
    /// Of every caller that is in one of the two lists below, and of no other.
    lanes: HashMap<C, VecDeque<J>>,
    /// Callers who have not been there lately.
    newcomers: VecDeque<C>,
    /// The others, in the order of their turns.
    turns: VecDeque<C>,
    /// After a newcomer it is the others' turn, so that newcomers without end stop nobody.
    was_newcomer: bool,
    length: usize,
    capacity: usize,
}

impl<C: Copy + Eq + Hash, J> FairQueue<C, J> {
    /// An empty queue for `capacity` jobs.
    pub(super) fn new(capacity: usize) -> Self {
        let (newcomers, turns) = (VecDeque::new(), VecDeque::new());
        Self { lanes: HashMap::new(), newcomers, turns, was_newcomer: false, length: 0, capacity }
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
        let newcomers = &mut self.newcomers;
        let lane = self.lanes.entry(caller).or_insert_with(|| {
            newcomers.push_back(caller);
            VecDeque::new()
        });
        lane.push_back(job);
        self.length += 1;
        displaced
    }

    /// Takes the next job of the caller whose turn it is.
    pub(super) fn pop(&mut self) -> Option<J> {
        let newcomer_first = !self.was_newcomer;
        let taken = if newcomer_first { self.pop_newcomer() } else { None };
        taken.or_else(|| self.pop_turn()).or_else(|| self.pop_newcomer())
    }

    fn pop_newcomer(&mut self) -> Option<J> {
        while let Some(caller) = self.newcomers.pop_front() {
            if let Some(job) = self.take_job(caller) {
                self.was_newcomer = true;
                return Some(job);
            }
        }
        None
    }

    fn pop_turn(&mut self) -> Option<J> {
        while let Some(caller) = self.turns.pop_front() {
            if let Some(job) = self.take_job(caller) {
                self.was_newcomer = false;
                return Some(job);
            }
        }
        None
    }

    /// The caller's next job; without one, the caller leaves and will be new.
    fn take_job(&mut self, caller: C) -> Option<J> {
        let job = self.lanes.get_mut(&caller).and_then(VecDeque::pop_front);
        if job.is_some() {
            self.length -= 1;
            self.turns.push_back(caller);
        } else {
            self.lanes.remove(&caller);
        }
        job
    }

    /// Drops the jobs that are not wanted any more.
    pub(super) fn retain(&mut self, is_wanted: impl Fn(&J) -> bool) {
        for lane in self.lanes.values_mut() {
            lane.retain(&is_wanted);
        }
        self.length = self.lanes.values().map(VecDeque::len).sum();
    }

    /// The newest job of the caller with most waiting, unless `caller` would be that one.
    fn take_newest_of_the_busiest_but(&mut self, caller: C) -> Option<J> {
        let own = self.lanes.get(&caller).map_or(0, VecDeque::len);
        let lane = self.lanes.values_mut().max_by_key(|lane| lane.len())?;
        if lane.len() <= own + 1 {
            return None;
        }
        let newest = lane.pop_back()?;
        self.length -= 1;
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
        assert_eq!(drain(&mut queue), [1, 2, 10, 3, 20, 11], "by turns newcomers and the others");
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn who_was_not_there_lately_comes_first_and_only_once() {
        let mut queue = FairQueue::new(10);
        for job in 1..=4 {
            queue.push('a', job);
        }
        assert_eq!((queue.pop(), queue.pop()), (Some(1), Some(2)));
        queue.push('b', 10);
        assert_eq!(queue.pop(), Some(10));
        queue.push('b', 11);
        assert_eq!(queue.pop(), Some(3), "b has had its turn");
        assert_eq!((queue.pop(), queue.pop()), (Some(11), Some(4)));
        assert_eq!(queue.pop(), None);
        assert!(queue.lanes.is_empty(), "who has no job is not kept in mind");
    }

    #[test]
    fn newcomers_without_end_keep_nobody_waiting_for_ever() {
        let mut queue = FairQueue::new(100);
        queue.push(0, 0);
        queue.push(0, 1);
        assert_eq!(queue.pop(), Some(0));
        // Each of them comes for the first time, and never again.
        for caller in 1..50 {
            queue.push(caller, 10);
            queue.push(caller + 100, 10);
            if queue.pop() == Some(1) {
                return;
            }
        }
        panic!("whoever was there before waits for ever");
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
        assert_eq!(drain(&mut queue), [1, 2, 10]);
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
        assert_eq!(drain(&mut queue), [2, 3, 4]);
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
