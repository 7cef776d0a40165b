//! Known histories of a register, and random ones against a search through every order.

#![expect(clippy::indexing_slicing, reason = "a test panics on a failure")]

use linearizability::{Call, Model, Verdict, check};
use proptest::prelude::*;

/// A register that is empty at first.
struct Register;

#[derive(Debug, Clone, Copy)]
enum Operation {
    Write(u8),
    Clear,
    /// Is this the value?
    Compare(u8, bool),
}

use Operation::{Clear, Compare, Write};

impl Model for Register {
    type State = Option<u8>;
    type Operation = Operation;

    fn initial(&self) -> Option<u8> {
        None
    }

    fn step(&self, state: &Option<u8>, operation: &Operation) -> Option<Option<u8>> {
        match operation {
            Write(value) => Some(Some(*value)),
            Clear => Some(None),
            Compare(value, answer) => ((*state == Some(*value)) == *answer).then_some(*state),
        }
    }

    fn is_read(&self, operation: &Operation) -> bool {
        matches!(operation, Compare(..))
    }
}

fn certain(operation: Operation, begin: u64, end: u64) -> Call<Operation> {
    Call::certain(operation, begin, end)
}

fn uncertain(operation: Operation, begin: u64, end: u64) -> Call<Operation> {
    Call::uncertain(operation, begin, end)
}

#[track_caller]
fn assert_linearizable(history: &[Call<Operation>]) {
    assert_eq!(check(&Register, history), Verdict::Linearizable);
}

#[track_caller]
fn assert_violation(history: &[Call<Operation>]) {
    let verdict = check(&Register, history);
    assert!(matches!(verdict, Verdict::Violation(_)), "{verdict:?}");
}

#[test]
fn operations_in_sequence() {
    assert_linearizable(&[]);
    assert_linearizable(&[
        certain(Compare(1, false), 0, 1),
        certain(Write(1), 2, 3),
        certain(Compare(1, true), 4, 5),
        certain(Clear, 6, 7),
        certain(Compare(1, false), 8, 9),
    ]);
    assert_violation(&[certain(Write(1), 0, 1), certain(Compare(1, false), 2, 3)]);
    assert_violation(&[
        certain(Write(1), 0, 1),
        certain(Clear, 2, 3),
        certain(Compare(1, true), 4, 5),
    ]);
}

#[test]
fn concurrent_operations_have_any_order() {
    let writes = [certain(Write(1), 0, 10), certain(Write(2), 0, 10)];
    for last in [1, 2] {
        let read = certain(Compare(last, true), 11, 12);
        assert_linearizable(&[writes[0].clone(), writes[1].clone(), read]);
    }
    // Both reads follow both writes, so they must agree.
    let disagree = [certain(Compare(1, true), 11, 12), certain(Compare(2, true), 13, 14)];
    assert_violation(&[&writes[..], &disagree[..]].concat());
}

#[test]
fn a_read_cannot_go_back() {
    assert_violation(&[
        certain(Write(1), 0, 1),
        certain(Write(2), 2, 10),
        certain(Compare(2, true), 3, 4),
        certain(Compare(1, true), 5, 6),
    ]);
}

#[test]
fn an_unknown_outcome_may_be_either_and_may_come_late() {
    let write = uncertain(Write(2), 2, 20);
    let first = certain(Write(1), 0, 1);
    for late in [false, true] {
        let reads = [certain(Compare(2, late), 5, 6), certain(Compare(2, true), 7, 8)];
        assert_linearizable(&[&[first.clone(), write.clone()], &reads[..]].concat());
    }
    assert_linearizable(&[first.clone(), write.clone(), certain(Compare(1, true), 30, 31)]);
    // It takes effect once.
    let reads = [certain(Compare(2, true), 5, 6), certain(Compare(1, true), 7, 8)];
    assert_violation(&[&[first.clone(), write.clone()], &reads[..]].concat());
    // Not after its end.
    let reads = [certain(Compare(1, true), 21, 22), certain(Compare(2, true), 23, 24)];
    assert_violation(&[&[first, write], &reads[..]].concat());
}

#[test]
fn a_write_of_the_present_value_is_not_a_read() {
    assert_linearizable(&[
        uncertain(Write(1), 0, 0),
        certain(Clear, 5, 7),
        certain(Compare(1, true), 3, 4),
    ]);
    assert_linearizable(&[
        certain(Write(1), 0, 9),
        certain(Clear, 5, 9),
        certain(Compare(1, false), 10, 11),
        certain(Compare(1, true), 1, 9),
    ]);
}

#[test]
fn a_violation_names_the_answer_that_does_not_fit() {
    let history = [
        certain(Write(1), 0, 1),
        certain(Compare(1, true), 2, 3),
        certain(Compare(1, false), 4, 5),
    ];
    let Verdict::Violation(violation) = check(&Register, &history) else { panic!() };
    assert_eq!(violation.explained, [0, 1]);
    assert_eq!(violation.unexplained, [2]);
}

#[test]
fn a_long_history_with_many_unknown_outcomes_is_decided() {
    // Forty writes without an answer, of which every second one is seen once.
    let mut history = Vec::new();
    for number in 0..40_u8 {
        let time = u64::from(number) * 10;
        history.push(uncertain(Write(number), time, u64::MAX));
        history.push(certain(Compare(number, number % 2 == 0), time + 5, time + 6));
    }
    assert_linearizable(&history);
}

/// True when some order explains every answer: tries all of them.
fn has_order(history: &[Call<Operation>], placed: &mut Vec<usize>, state: Option<u8>) -> bool {
    let is_missing = |index: &usize| !placed.contains(index);
    let missing: Vec<usize> = (0..history.len()).filter(is_missing).collect();
    if missing.iter().all(|index| !history[*index].is_certain) {
        return true;
    }
    let latest_begin = placed.iter().map(|index| history[*index].begin).max().unwrap_or(0);
    let is_early = |index: &usize| {
        let call = &history[*index];
        let mut certain = missing.iter().filter(|other| history[**other].is_certain);
        certain.all(|other| call.begin <= history[*other].end)
            && (call.is_certain || call.end >= latest_begin)
    };
    for index in missing.iter().copied().filter(|index| is_early(index)) {
        if let Some(after) = Register.step(&state, &history[index].operation) {
            placed.push(index);
            if has_order(history, placed, after) {
                return true;
            }
            placed.pop();
        }
    }
    false
}

fn any_call() -> impl Strategy<Value = Call<Operation>> {
    let operation = prop_oneof![
        3 => (0..3_u8).prop_map(Write),
        1 => Just(Clear),
        5 => (0..3_u8, any::<bool>()).prop_map(|(value, answer)| Compare(value, answer)),
    ];
    (operation, 0..12_u64, 0..6_u64, 0..4_u8).prop_map(|(operation, begin, length, kind)| {
        let is_certain = kind > 0 || matches!(operation, Compare(..));
        Call { operation, begin, end: begin + length, is_certain }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_a_search_through_every_order(history in prop::collection::vec(any_call(), 0..8)) {
        let expected = has_order(&history, &mut Vec::new(), None);
        prop_assert_eq!(check(&Register, &history) == Verdict::Linearizable, expected);
    }
}
