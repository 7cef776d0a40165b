//! A bounded queue that is fair between clients.
//!
//! Clients take turns with one job each, and a client without recent jobs comes first. A single
//! client may fill the queue. When the queue is full, the newest job of the client with the most
//! waiting jobs is refused. A client with a thousand jobs therefore delays an occasional client
//! only by the jobs that are running, and a frequent one by at most one job a turn.
//!
//! The order is that of the new and old flows of FQ-CoDel (RFC 8290, section 4.2): a new flow whose
//! job was taken becomes an old flow even when it is empty, and is new again only after its next
//! turn. New and old flows alternate, so that an endless series of new flows, such as fresh
//! addresses, starves no old flow.

use std::collections::{HashMap, VecDeque};

use super::fairness_key::FairnessKey;

/// Jobs of several clients.
pub(crate) struct FairQueue<K, J> {
    /// The jobs of every flow that is in one of the two lists below, and of no other.
    flows: HashMap<K, VecDeque<J>>,
    /// Flows without recent jobs.
    new_flows: VecDeque<K>,
    /// The other flows, in the order of their turns.
    old_flows: VecDeque<K>,
    /// True when the last job was of a new flow. An old flow is next.
    was_new: bool,
    length: usize,
    capacity: usize,
}

impl<K: FairnessKey, J> FairQueue<K, J> {
    /// An empty queue for `capacity` jobs.
    pub(crate) fn new(capacity: usize) -> Self {
        let (new_flows, old_flows) = (VecDeque::new(), VecDeque::new());
        Self { flows: HashMap::new(), new_flows, old_flows, was_new: false, length: 0, capacity }
    }

    /// Number of waiting jobs.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// True when the next job displaces another or is refused.
    pub(crate) fn is_full(&self) -> bool {
        self.length >= self.capacity
    }

    /// Changes the maximum number of waiting jobs.
    pub(crate) fn set_capacity(&mut self, capacity: usize) {
        self.capacity = capacity;
    }

    /// Adds a job. When the queue is full, returns the refused job, which may be this one.
    pub(crate) fn push(&mut self, key: K, job: J) -> Option<J> {
        let mut refused = None;
        if self.is_full() {
            refused = self.take_newest_of_busiest_except(key);
            if refused.is_none() {
                return Some(job);
            }
        }
        let new_flows = &mut self.new_flows;
        let flow = self.flows.entry(key).or_insert_with(|| {
            new_flows.push_back(key);
            VecDeque::new()
        });
        flow.push_back(job);
        self.length += 1;
        refused
    }

    /// Takes the next job.
    pub(crate) fn pop(&mut self) -> Option<J> {
        let is_new_turn = !self.was_new;
        let job = if is_new_turn { self.pop_new() } else { None };
        job.or_else(|| self.pop_old()).or_else(|| self.pop_new())
    }

    fn pop_new(&mut self) -> Option<J> {
        while let Some(key) = self.new_flows.pop_front() {
            if let Some(job) = self.take_job(key) {
                self.was_new = true;
                return Some(job);
            }
        }
        None
    }

    fn pop_old(&mut self) -> Option<J> {
        while let Some(key) = self.old_flows.pop_front() {
            if let Some(job) = self.take_job(key) {
                self.was_new = false;
                return Some(job);
            }
        }
        None
    }

    /// Takes the next job of a flow. An empty flow is removed, and will be new.
    fn take_job(&mut self, key: K) -> Option<J> {
        let job = self.flows.get_mut(&key).and_then(VecDeque::pop_front);
        if job.is_some() {
            self.length -= 1;
            self.old_flows.push_back(key);
        } else {
            self.flows.remove(&key);
        }
        job
    }

    /// Removes the jobs that do not satisfy the condition.
    pub(crate) fn retain(&mut self, is_wanted: impl Fn(&J) -> bool) {
        for flow in self.flows.values_mut() {
            flow.retain(&is_wanted);
        }
        self.length = self.flows.values().map(VecDeque::len).sum();
    }

    /// Takes the newest job of the longest flow, unless that of `key` would be as long.
    fn take_newest_of_busiest_except(&mut self, key: K) -> Option<J> {
        let own = self.flows.get(&key).map_or(0, VecDeque::len);
        let flow = self.flows.values_mut().max_by_key(|flow| flow.len())?;
        if flow.len() <= own + 1 {
            return None;
        }
        let newest = flow.pop_back()?;
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
    fn clients_take_turns() {
        let mut queue = FairQueue::new(10);
        for (key, job) in [('a', 1), ('a', 2), ('a', 3), ('b', 10), ('c', 20), ('b', 11)] {
            assert!(queue.push(key, job).is_none());
        }
        assert_eq!(drain(&mut queue), [1, 2, 10, 3, 20, 11], "new and old flows alternate");
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn a_new_flow_comes_first_only_once() {
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
        assert!(queue.flows.is_empty(), "an empty flow is removed");
    }

    #[test]
    fn endless_new_flows_starve_no_old_flow() {
        let mut queue = FairQueue::new(100);
        queue.push(0, 0);
        queue.push(0, 1);
        assert_eq!(queue.pop(), Some(0));
        // Each of these clients has one job and never another.
        for client in 1..50 {
            queue.push(client, 10);
            queue.push(client + 100, 10);
            if queue.pop() == Some(1) {
                return;
            }
        }
        panic!("the old flow starves");
    }

    #[test]
    fn a_single_client_fills_the_queue_and_is_then_refused() {
        let mut queue = FairQueue::new(3);
        for job in 1..=3 {
            assert!(queue.push('a', job).is_none());
        }
        assert_eq!(queue.push('a', 4), Some(4));
        assert_eq!(drain(&mut queue), [1, 2, 3]);
    }

    #[test]
    fn a_new_client_displaces_the_newest_job_of_the_busiest() {
        let mut queue = FairQueue::new(3);
        for job in 1..=3 {
            queue.push('a', job);
        }
        assert_eq!(queue.push('b', 10), Some(3));
        assert_eq!(queue.push('b', 11), Some(11), "equal shares displace no job");
        assert_eq!(drain(&mut queue), [1, 2, 10]);
    }

    #[test]
    fn removed_jobs_make_room() {
        let mut queue = FairQueue::new(3);
        for (key, job) in [('a', 1), ('b', 2), ('b', 3)] {
            queue.push(key, job);
        }
        queue.retain(|job| *job > 1);
        assert_eq!(queue.len(), 2);
        assert!(queue.push('c', 4).is_none());
        assert_eq!(drain(&mut queue), [2, 3, 4]);
    }

    proptest! {
        #[test]
        fn no_job_is_lost_or_duplicated_and_the_bound_holds(
            keys in proptest::collection::vec(0_u8..5, 0..200),
            capacity in 1_usize..20,
        ) {
            let mut queue = FairQueue::new(capacity);
            let mut refused = Vec::new();
            for (job, key) in keys.iter().enumerate() {
                refused.extend(queue.push(*key, job));
                prop_assert!(queue.len() <= capacity);
            }
            let mut all = refused;
            all.extend(std::iter::from_fn(|| queue.pop()));
            all.sort_unstable();
            prop_assert_eq!(all, (0..keys.len()).collect::<Vec<_>>());
        }
    }
}
