//! Waits for what another task or process does.
//!
//! A test waits for exactly what it asserts: a busy machine may run any other task between a weaker
//! condition and the one that the test needs.

use std::{fmt::Debug, panic::Location, time::Duration};

use tokio::time::{Instant, sleep};

/// Half the time after which nextest ends a test, so that a test that waited for nothing says so.
const PATIENCE: Duration = Duration::from_secs(60);

/// The time between two reads.
const PAUSE: Duration = Duration::from_millis(50);

/// Reads a value until it equals the expected one. Panics with both if it does not.
#[track_caller]
pub(crate) fn assert_becomes<Value, Expected>(
    expected: Expected,
    mut read: impl AsyncFnMut() -> Value,
) -> impl Future<Output = ()>
where
    Value: PartialEq<Expected> + Debug,
    Expected: Debug,
{
    let caller = Location::caller();
    async move {
        let end = Instant::now() + PATIENCE;
        loop {
            let value = read().await;
            if value == expected {
                return;
            }
            assert!(
                Instant::now() < end,
                "{caller}: after {PATIENCE:?}, the value is\n  {value:?}\nand must be\n  {expected:?}"
            );
            sleep(PAUSE).await;
        }
    }
}

/// Waits until a condition is true. Panics with its description if it does not become true.
#[track_caller]
pub(crate) fn wait_until(
    condition: &str,
    mut is_true: impl AsyncFnMut() -> bool,
) -> impl Future<Output = ()> {
    wait_for(condition, async move || is_true().await.then_some(()))
}

/// Waits until a value exists, and returns it. Panics with its description if it does not.
#[track_caller]
pub(crate) fn wait_for<Value>(
    description: &str,
    mut find: impl AsyncFnMut() -> Option<Value>,
) -> impl Future<Output = Value> {
    let caller = Location::caller();
    async move {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(value) = find().await {
                return value;
            }
            assert!(Instant::now() < end, "{caller}: timed out after {PATIENCE:?}: {description}");
            sleep(PAUSE).await;
        }
    }
}
