//! Relative cost of argon2 parameters, to pad a cheaper job to the cost of a new hash.

use super::hash_parameters::HashParameters;

/// The smallest memory that argon2 supports, in KiB.
const SMALLEST_MEMORY_KIB: u32 = 8;

/// Relative cost of a block, as `script/bench kernel` measures it: later passes also read the block
/// that they overwrite, and took 1.1 to 1.3 times as long as the first one.
const FIRST_PASS: u64 = 4;
const LATER_PASS: u64 = 5;

/// The relative cost of argon2 with these parameters.
pub(crate) fn weight(parameters: HashParameters) -> u64 {
    u64::from(parameters.memory_kib) * weight_of_passes(parameters.iterations)
}

fn weight_of_passes(iterations: u32) -> u64 {
    FIRST_PASS + LATER_PASS * u64::from(iterations.saturating_sub(1))
}

/// Parameters of this weight, with as many passes as `target` in less memory. `None` when the
/// weight is too small for argon2.
pub(crate) fn parameters_of_weight(weight: u64, target: HashParameters) -> Option<HashParameters> {
    let memory_kib = u32::try_from(weight / weight_of_passes(target.iterations)).ok()?;
    let padding = HashParameters { memory_kib, iterations: target.iterations, parallelism: 1 };
    (memory_kib >= SMALLEST_MEMORY_KIB).then_some(padding)
}
