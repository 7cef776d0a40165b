//! The recorded history: every invocation with its answer, and the check of each object.

use std::{
    collections::BTreeMap,
    ops::RangeInclusive,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use linearizability::{Call, Model, Verdict, check};

/// The end of a call that may still take effect.
const OPEN: u64 = u64::MAX;

/// What is checked on its own: the credential of a user, or a ticket or session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Object {
    Credential(u64),
    Login(u64),
}

/// An invocation with its answer. Values are numbers; [`super::load::text_of`] has their texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// The value is saved, or a ticket or session is issued.
    Save(u32),
    /// The owner, who logged in with the first value, saves the second one.
    Change(u32, u32),
    /// The value is deleted, or the ticket or session ended.
    Delete,
    /// There was nothing to delete.
    DeleteNothing,
    /// A logout, whose answer does not tell whether there was a session.
    EndIfAny,
    /// A request with this value was accepted.
    Accepted(u32),
    /// A request with this value was refused.
    Refused(u32),
}

impl Operation {
    /// True if it saves a value when it is done.
    const fn is_save(self) -> bool {
        matches!(self, Self::Save(_) | Self::Change(_, _))
    }
}

/// A credential, ticket or session: it has one value, or none.
struct Register;

impl Model for Register {
    type State = Option<u32>;
    type Operation = Operation;

    fn initial(&self) -> Option<u32> {
        None
    }

    fn step(&self, state: &Option<u32>, operation: &Operation) -> Option<Option<u32>> {
        match operation {
            Operation::Save(value) => Some(Some(*value)),
            Operation::Change(from, to) => (*state == Some(*from)).then_some(Some(*to)),
            Operation::Delete => state.is_some().then_some(None),
            Operation::EndIfAny => Some(None),
            Operation::DeleteNothing => state.is_none().then_some(None),
            Operation::Accepted(value) => (*state == Some(*value)).then_some(*state),
            Operation::Refused(value) => (*state != Some(*value)).then_some(*state),
        }
    }

    fn is_read(&self, operation: &Operation) -> bool {
        matches!(operation, Operation::Accepted(_) | Operation::Refused(_))
    }
}

/// Records calls on one monotonic clock.
pub(crate) struct History {
    start: Instant,
    calls: Mutex<BTreeMap<Object, Vec<Call<Operation>>>>,
}

impl History {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now(), calls: Mutex::default() }
    }

    /// The present time, in nanoseconds.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).expect("a short run")
    }

    /// Records a call whose answer arrived now.
    pub(crate) fn answered(&self, object: Object, operation: Operation, begin: u64) {
        self.add(object, Call::certain(operation, begin, self.now()));
    }

    /// Records a call whose outcome is unknown.
    pub(crate) fn unknown(&self, object: Object, operation: Operation, begin: u64) {
        self.add(object, Call::uncertain(operation, begin, OPEN));
    }

    /// Ends every call of unknown outcome: the database executes nothing now.
    pub(crate) fn close_unknown(&self) {
        let now = self.now();
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        for call in calls.values_mut().flatten().filter(|call| call.end == OPEN) {
            call.end = now;
        }
    }

    fn add(&self, object: Object, call: Call<Operation>) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.entry(object).or_default().push(call);
    }

    /// The number of recorded calls, and of those whose outcome is unknown.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let unknown = calls.values().flatten().filter(|call| !call.is_certain).count();
        (calls.values().map(Vec::len).sum(), unknown)
    }

    /// By user: the least and the greatest number of saves that the answers allow.
    pub(crate) fn saves(&self) -> BTreeMap<u64, RangeInclusive<u64>> {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let of_user = |(object, calls): (&Object, &Vec<Call<Operation>>)| {
            let Object::Credential(user) = object else { return None };
            let saves: Vec<_> = calls.iter().filter(|call| call.operation.is_save()).collect();
            let certain = saves.iter().filter(|call| call.is_certain).count();
            let number = |count| u64::try_from(count).expect("a number");
            Some((*user, number(certain)..=number(saves.len())))
        };
        calls.iter().filter_map(of_user).collect()
    }

    /// Checks each object; returns a text for each one whose answers have no order.
    pub(crate) fn violations(&self) -> Vec<String> {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let checked = calls.iter().map(|(object, calls)| (object, calls, check(&Register, calls)));
        checked.filter_map(|(object, calls, verdict)| describe(*object, calls, verdict)).collect()
    }
}

/// How many calls before a violation are printed.
const CONTEXT: usize = 8;

fn describe(object: Object, calls: &[Call<Operation>], verdict: Verdict) -> Option<String> {
    let violation = match verdict {
        Verdict::Linearizable => return None,
        Verdict::Undecided => return Some(format!("{object:?}: the check was not decided")),
        Verdict::Violation(violation) => violation,
    };
    let line = |index: &usize| {
        let Call { operation, begin, end, is_certain } = calls[*index];
        let unknown = if is_certain { "" } else { ", outcome unknown" };
        let end = if end == OPEN { String::from("open") } else { format!("{}", end / 1_000_000) };
        format!("  {operation:?} from {} to {end} ms{unknown}", begin / 1_000_000)
    };
    let start = violation.explained.len().saturating_sub(CONTEXT);
    let explained: Vec<_> = violation.explained[start..].iter().map(line).collect();
    let unexplained: Vec<_> = violation.unexplained.iter().map(line).collect();
    Some(format!(
        "{object:?} is not linearizable: after\n{}\nno order explains\n{}",
        explained.join("\n"),
        unexplained.join("\n")
    ))
}
