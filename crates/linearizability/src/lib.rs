//! Decides whether a recorded history of concurrent operations is linearizable.
//!
//! A history is linearizable if every operation can be given one moment between its call and its
//! answer, such that a sequential [`Model`] gives the same answers in the order of these moments
//! (Herlihy and Wing, 1990).
//!
//! The search is that of Wing and Gong (1993) with the memory of Lowe (2017): a configuration, which
//! is a set of operations and the state after them, is entered once. Histories of independent
//! objects are checked one by one, which Horn and Kroening (2015) call P-compositionality:
//! Porcupine combines the three, and so does this crate.
//!
//! An operation without an answer is *uncertain*: it may have taken effect at any moment until its
//! end, or never.
//!
//! ```
//! use linearizability::{Call, Model, Verdict, check};
//!
//! /// A register of one number.
//! struct Register;
//!
//! enum Operation {
//!     Write(u32),
//!     Read(u32),
//! }
//!
//! impl Model for Register {
//!     type State = u32;
//!     type Operation = Operation;
//!
//!     fn initial(&self) -> u32 {
//!         0
//!     }
//!
//!     fn step(&self, state: &u32, operation: &Operation) -> Option<u32> {
//!         match operation {
//!             Operation::Write(value) => Some(*value),
//!             Operation::Read(value) => (state == value).then_some(*state),
//!         }
//!     }
//! }
//!
//! let write = Call::certain(Operation::Write(1), 0, 2);
//! let before = Call::certain(Operation::Read(0), 1, 3);
//! let stale = Call::certain(Operation::Read(0), 4, 5);
//! assert_eq!(check(&Register, &[write, before]), Verdict::Linearizable);
//! let write = Call::certain(Operation::Write(1), 0, 2);
//! assert!(matches!(check(&Register, &[write, stale]), Verdict::Violation(_)));
//! ```

mod search;

use std::hash::Hash;

/// The sequential behavior of an object.
pub trait Model {
    /// The state of the object.
    type State: Clone + Eq + Hash;
    /// An invocation together with its answer.
    type Operation;

    /// The state before the first operation.
    fn initial(&self) -> Self::State;

    /// The state after an operation; `None` when the object would not give this answer.
    fn step(&self, state: &Self::State, operation: &Self::Operation) -> Option<Self::State>;

    /// True for an operation that changes no state. Such answers are placed without a search where
    /// that excludes no order, so it pays to name them.
    fn is_read(&self, _operation: &Self::Operation) -> bool {
        false
    }
}

/// An operation and the time in which it can have taken effect. Times are of one monotonic clock,
/// in any unit.
#[derive(Debug, Clone)]
pub struct Call<O> {
    /// The invocation and its answer.
    pub operation: O,
    /// When it was called.
    pub begin: u64,
    /// When it was answered. For an uncertain operation, the last moment at which it may take effect.
    pub end: u64,
    /// False when no answer says whether it took effect.
    pub is_certain: bool,
}

impl<O> Call<O> {
    /// An operation with an answer.
    pub const fn certain(operation: O, begin: u64, end: u64) -> Self {
        Self { operation, begin, end, is_certain: true }
    }

    /// An operation that may take effect until `end`, or never.
    pub const fn uncertain(operation: O, begin: u64, end: u64) -> Self {
        Self { operation, begin, end, is_certain: false }
    }
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// There is an order that explains every answer.
    Linearizable,
    /// There is no such order.
    Violation(Violation),
    /// The search was ended after [`MAXIMUM_CONFIGURATIONS`].
    Undecided,
}

/// Where the longest explained part of a history ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The longest order of operations that explains their answers: indexes into the history.
    pub explained: Vec<usize>,
    /// The certain operations that may come next, and whose answers do not fit.
    pub unexplained: Vec<usize>,
}

/// How many configurations a search enters before it gives up.
pub const MAXIMUM_CONFIGURATIONS: usize = 5_000_000;

/// Checks the history of one object. The order of `calls` does not matter.
pub fn check<M: Model>(model: &M, calls: &[Call<M::Operation>]) -> Verdict {
    search::Search::new(model, calls).run()
}
