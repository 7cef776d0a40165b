//! What argon2 of some parameters costs beside others, so that a job that costs less is filled up.

use crate::domain::stored_credential::HashParameters;

/// Argon2 has no smaller memory.
const SMALLEST_MEMORY_KIB: u32 = 8;

/// What blocks cost: of the first pass three fifths of what those of later passes do, which read
/// what they overwrite.
const FIRST_PASS: u64 = 3;
const LATER_PASS: u64 = 5;

/// The cost of argon2 with these parameters.
pub(super) fn weight(cost: HashParameters) -> u64 {
    u64::from(cost.memory_kib) * weight_of_passes(cost.iterations)
}

fn weight_of_passes(iterations: u32) -> u64 {
    FIRST_PASS + LATER_PASS * u64::from(iterations.saturating_sub(1))
}

/// As many passes as a new hash has, in so much less memory that they cost that; `None`: argon2 has
/// no memory so small.
pub(super) fn costing(weight: u64, target: HashParameters) -> Option<HashParameters> {
    let memory_kib = u32::try_from(weight / weight_of_passes(target.iterations)).ok()?;
    let rest = HashParameters { memory_kib, iterations: target.iterations, parallelism: 1 };
    (memory_kib >= SMALLEST_MEMORY_KIB).then_some(rest)
}
