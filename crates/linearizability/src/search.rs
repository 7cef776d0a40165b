//! The search for an order that explains every answer.

use std::collections::HashSet;

use crate::{Call, MAXIMUM_CONFIGURATIONS, Model, Verdict, Violation};

/// A search through the configurations of one history.
pub(crate) struct Search<'a, M: Model> {
    model: &'a M,
    calls: &'a [Call<M::Operation>],
    /// Indexes into `calls` by begin.
    order: Vec<usize>,
    /// By position in `order`: placed in the present order.
    placed: Vec<bool>,
    /// The positions of the present order.
    path: Vec<usize>,
    /// Every position below it is placed, or can no longer be.
    low: usize,
    entered: HashSet<(usize, Vec<u64>, M::State)>,
    best: Violation,
}

/// A configuration whose successors are being tried.
struct Frame<S> {
    /// The value of `low` before this configuration.
    low: usize,
    /// The latest begin of a placed operation.
    latest_begin: u64,
    /// Successors that were not tried yet: a position and the state after it. The last is next.
    successors: Vec<(usize, S)>,
}

impl<'a, M: Model> Search<'a, M> {
    pub(crate) fn new(model: &'a M, calls: &'a [Call<M::Operation>]) -> Self {
        let mut order: Vec<usize> = (0..calls.len()).collect();
        order.sort_by_key(|index| calls.get(*index).map(|call| call.begin));
        let placed = vec![false; calls.len()];
        let best = Violation { explained: Vec::new(), unexplained: Vec::new() };
        let (path, low, entered) = (Vec::new(), 0, HashSet::new());
        Self { model, calls, order, placed, path, low, entered, best }
    }

    pub(crate) fn run(mut self) -> Verdict {
        let mut frames = vec![self.enter(&self.model.initial(), 0)];
        self.note_best(0);
        while let Some(frame) = frames.last_mut() {
            if self.is_explained() {
                return Verdict::Linearizable;
            }
            let Some((position, state)) = frame.successors.pop() else {
                let low = frame.low;
                frames.pop();
                self.low = low;
                if let Some(position) = self.path.pop() {
                    self.set_placed(position, false);
                }
                continue;
            };
            let begin = self.call(position).map_or(0, |call| call.begin);
            let latest_begin = frame.latest_begin.max(begin);
            self.set_placed(position, true);
            self.path.push(position);
            let low = self.low;
            self.raise_low(latest_begin);
            if !self.entered.insert((self.low, self.bits(latest_begin), state.clone())) {
                self.low = low;
                self.path.pop();
                self.set_placed(position, false);
                continue;
            }
            if self.entered.len() > MAXIMUM_CONFIGURATIONS {
                return Verdict::Undecided;
            }
            let mut next = self.enter(&state, latest_begin);
            next.low = low;
            frames.push(next);
            self.note_best(latest_begin);
        }
        Verdict::Violation(self.best)
    }

    /// Computes the successors of a configuration.
    fn enter(&self, state: &M::State, latest_begin: u64) -> Frame<M::State> {
        let mut successors = Vec::new();
        let mut uncertain = Vec::new();
        let candidates = self.candidates(latest_begin);
        let open = candidates.iter().filter_map(|position| self.call(*position));
        let first_end = open.filter(|call| !call.is_certain).map(|call| call.end).min();
        for position in candidates {
            let Some(call) = self.call(position) else { continue };
            let Some(after) = self.model.step(state, &call.operation) else { continue };
            let closes_none = first_end.is_none_or(|end| end >= call.begin);
            if call.is_certain && closes_none && self.model.is_read(&call.operation) {
                // A read that fits can be placed now: it excludes no order of the others.
                successors = vec![(position, after)];
                uncertain.clear();
                break;
            }
            if call.is_certain {
                successors.push((position, after));
            } else if after != *state {
                uncertain.push((position, after));
            }
        }
        // The last is tried first: a certain operation, in the order of the calls.
        successors.reverse();
        uncertain.append(&mut successors);
        Frame { low: self.low, latest_begin, successors: uncertain }
    }

    /// The positions that may come next: called before any missing operation was answered.
    fn candidates(&self, latest_begin: u64) -> Vec<usize> {
        let mut earliest_end = u64::MAX;
        let mut found = Vec::new();
        for position in self.low..self.order.len() {
            let Some(call) = self.call(position) else { break };
            if call.begin > earliest_end {
                break;
            }
            if self.is_closed(position, call, latest_begin) {
                continue;
            }
            if call.is_certain {
                earliest_end = earliest_end.min(call.end);
            }
            found.push(position);
        }
        found
            .retain(|position| self.call(*position).is_some_and(|call| call.begin <= earliest_end));
        found
    }

    /// True when the operation is placed, or is uncertain and can no longer take effect.
    fn is_closed(&self, position: usize, call: &Call<M::Operation>, latest_begin: u64) -> bool {
        self.placed.get(position).is_none_or(|placed| *placed)
            || (!call.is_certain && call.end < latest_begin)
    }

    fn is_explained(&self) -> bool {
        (self.low..self.order.len()).all(|position| {
            self.placed.get(position).is_none_or(|placed| *placed)
                || self.call(position).is_none_or(|call| !call.is_certain)
        })
    }

    fn raise_low(&mut self, latest_begin: u64) {
        while let Some(call) = self.call(self.low) {
            if !self.is_closed(self.low, call, latest_begin) {
                return;
            }
            self.low += 1;
        }
    }

    /// The closed operations from `low` on, one bit each.
    fn bits(&self, latest_begin: u64) -> Vec<u64> {
        let mut words = Vec::new();
        for position in self.low..self.order.len() {
            let Some(call) = self.call(position) else { break };
            if call.begin > latest_begin && !call.is_certain {
                continue;
            }
            if self.is_closed(position, call, latest_begin) {
                let bit = position - self.low;
                words.resize(words.len().max(bit / 64 + 1), 0);
                if let Some(word) = words.get_mut(bit / 64) {
                    *word |= 1 << (bit % 64);
                }
            } else if call.begin > latest_begin {
                // Nothing that was called later is placed.
                break;
            }
        }
        words
    }

    fn note_best(&mut self, latest_begin: u64) {
        if !self.path.is_empty() && self.path.len() <= self.best.explained.len() {
            return;
        }
        let index = |position: &usize| self.order.get(*position).copied();
        let candidates = self.candidates(latest_begin);
        let certain = candidates.iter().filter(|p| self.call(**p).is_some_and(|c| c.is_certain));
        self.best = Violation {
            explained: self.path.iter().filter_map(index).collect(),
            unexplained: certain.filter_map(index).collect(),
        };
    }

    fn call(&self, position: usize) -> Option<&'a Call<M::Operation>> {
        self.calls.get(*self.order.get(position)?)
    }

    fn set_placed(&mut self, position: usize, value: bool) {
        if let Some(placed) = self.placed.get_mut(position) {
            *placed = value;
        }
    }
}
