//! The events of a user that a copy of the stream has, and those that are missing between them.

use std::collections::{BTreeMap, BTreeSet};

/// The sequences of a user's events in a copy. They may come in any order.
#[derive(Debug, Default)]
pub(super) struct CopiedSequences {
    /// The lowest and the highest one; `None` before the first event.
    ends: Option<(i64, i64)>,
    /// The first and the last sequence of each gap between both. Copies have few gaps, and mostly
    /// none, so that this needs no memory for each event.
    gaps: BTreeMap<i64, i64>,
    /// Missing events that were reported before the end of the copy.
    reported: BTreeSet<i64>,
}

impl CopiedSequences {
    /// Notes an event of the copy. Sequences begin at 1.
    pub(super) fn insert(&mut self, sequence: i64) {
        let (lowest, highest) = self.ends.unwrap_or((sequence, sequence));
        if sequence > highest {
            self.add_gap(highest + 1, sequence - 1);
        } else if sequence < lowest {
            self.add_gap(sequence + 1, lowest - 1);
        } else {
            self.fill(sequence);
        }
        self.ends = Some((lowest.min(sequence), highest.max(sequence)));
    }

    /// Notes that an event was reported as missing.
    pub(super) fn note_reported(&mut self, sequence: i64) {
        self.reported.insert(sequence);
    }

    /// The first event of each gap in which no event was reported.
    pub(super) fn unreported(&self) -> impl Iterator<Item = i64> {
        let gaps = self.gaps.iter().map(|(first, last)| (*first, *last));
        gaps.filter_map(move |(first, last)| {
            let mut reported = self.reported.range(first..=last);
            reported.next().is_none().then_some(first)
        })
    }

    fn add_gap(&mut self, first: i64, last: i64) {
        if first <= last {
            self.gaps.insert(first, last);
        }
    }

    /// Removes an event from the gap that it is in, if it is in one.
    fn fill(&mut self, sequence: i64) {
        let gap = self.gaps.range(..=sequence).next_back().map(|(first, last)| (*first, *last));
        let Some((first, last)) = gap.filter(|(_, last)| *last >= sequence) else { return };
        self.gaps.remove(&first);
        self.add_gap(first, sequence - 1);
        self.add_gap(sequence + 1, last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_found_in_every_order_of_events() {
        for (copied, reported, expected) in [
            (vec![], vec![], vec![]),
            (vec![4, 5, 6], vec![], vec![]),
            (vec![6, 5, 4], vec![], vec![]),
            (vec![1, 2, 3, 1, 2, 3, 4], vec![], vec![]),
            (vec![5, 1, 2, 3, 5], vec![], vec![4]),
            (vec![5, 3, 2, 1], vec![], vec![4]),
            (vec![1, 9, 5, 3], vec![], vec![2, 4, 6]),
            (vec![1, 9, 5, 3, 4, 2, 8, 6, 7], vec![], vec![]),
            (vec![1, 9, 5], vec![2], vec![6]),
            // The first event of the gap came later.
            (vec![1, 6, 2], vec![2], vec![3]),
            (vec![1, i64::MAX], vec![], vec![2]),
        ] {
            let mut sequences = CopiedSequences::default();
            for sequence in &copied {
                sequences.insert(*sequence);
            }
            for sequence in reported {
                sequences.note_reported(sequence);
            }
            let found: Vec<_> = sequences.unreported().collect();
            assert_eq!(found, expected, "{copied:?}");
        }
    }
}
