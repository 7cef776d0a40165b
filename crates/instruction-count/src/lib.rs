//! Counts the instructions of a test with callgrind, which counts the same on a quiet and on a busy
//! machine.
//!
//! A test that counts runs another test of its own binary under callgrind, once for each work to
//! compare. That test reads the work from the variable [`WORK`].

use std::{env, process::Command};

/// The variable with the work that the counted test does.
pub const WORK: &str = "COUNTED_WORK";

/// The instructions of the test with this full name while it does this work.
///
/// # Panics
/// When valgrind is missing, or the test fails.
#[must_use]
#[expect(clippy::expect_used, reason = "only tests call this")]
pub fn instructions(test: &str, work: &str) -> u64 {
    let binary = env::current_exe().expect("the binary of the test");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(binary)
        .args(["--exact", test, "--test-threads=1"])
        .env(WORK, work)
        .output()
        .expect("valgrind not found; run `script/setup checks`");
    let printed = String::from_utf8_lossy(&output.stdout);
    let summary = String::from_utf8_lossy(&output.stderr);
    let has_passed = output.status.success() && printed.contains("1 passed");
    assert!(has_passed, "{printed}{summary}");
    let count = summary.split_once("Collected : ");
    let count = count.and_then(|(_, rest)| rest.split_whitespace().next());
    count.and_then(|count| count.parse().ok()).expect("the summary of callgrind")
}

/// How much faster the work grows when the growth of its input doubles: 2 when instructions are
/// proportional to the input, 4 when to its square. `count` returns the instructions for a size, and
/// `size` is the smallest of three, each twice the one before.
#[expect(clippy::cast_precision_loss, reason = "a ratio of counts far below 2^52")]
pub fn growth(size: usize, count: impl Fn(usize) -> u64) -> f64 {
    let [small, medium, large] = [size, 2 * size, 4 * size].map(|size| count(size) as f64);
    (large - medium) / (medium - small)
}

/// A work with a name, and the smallest of the sizes that are compared.
pub type Work = (&'static str, fn(usize), usize);

/// The most that [`growth`] may be for work that is proportional to its input.
const MAXIMUM_GROWTH: f64 = 2.5;

/// Asserts that no work grows with the square of its input. `test` is the full name of the test that
/// calls [`do_counted`].
///
/// # Panics
/// When one does.
#[expect(clippy::print_stdout, reason = "tests show what they measured")]
pub fn assert_proportional(works: &[Work], test: &str) {
    for (name, _, size) in works {
        let growth = growth(*size, |size| instructions(test, &format!("{size} {name}")));
        println!("{name}: {growth:.2}");
        assert!(growth < MAXIMUM_GROWTH, "{name} grows by {growth:.2} instead of 2");
    }
}

/// Does the work that the variable names, or each of them once without it.
///
/// # Panics
/// When the variable has no size.
#[expect(clippy::expect_used, reason = "only tests call this")]
pub fn do_counted(works: &[Work]) {
    let counted = env::var(WORK).unwrap_or_default();
    for (name, work, size) in works {
        match counted.split_once(' ') {
            None => work(*size),
            Some((size, wanted)) if wanted == *name => work(size.parse().expect("a size")),
            Some(_) => {}
        }
    }
}
