//! The costs that `calibrate` measures, and the choice among the measured ones.

use std::{fs, time::Duration};

use crate::{
    configuration::is_strong_hash,
    domain::{encoding, stored_credential::HashParameters},
    security::hashing::MeasuredCost,
};

/// Memory in KiB and iterations of the candidates, from the cheapest. Each keeps OWASP's minimum.
///
/// All have one lane: this service computes the lanes of a hash one after the other, so more lanes
/// would cost a login as much and help only an attacker with more cores.
const CANDIDATES: [(u32, u32); 19] = [
    (7_168, 5),
    (9_216, 4),
    (12_288, 3),
    (19_456, 2),
    (47_104, 1),
    (19_456, 3),
    (32_768, 2),
    (47_104, 2),
    (65_536, 2),
    (65_536, 3),
    (131_072, 2),
    (131_072, 3),
    (262_144, 2),
    (262_144, 3),
    (524_288, 2),
    (524_288, 3),
    (1_048_576, 2),
    (1_048_576, 3),
    (2_097_152, 2),
];

/// The blocks of OWASP's most expensive equivalent: 46 MiB and one iteration.
const MINIMUM_BLOCKS: u64 = 47_104;

/// The share of the memory of this machine that all hashing threads may take together.
const SHARE_OF_MEMORY: u64 = 4;

/// The candidates whose memory fits on all threads together, from the cheapest.
pub(super) fn candidates(memory_limit_kib: u64, threads: usize) -> Vec<HashParameters> {
    CANDIDATES
        .into_iter()
        .map(|(memory_kib, iterations)| HashParameters { memory_kib, iterations, parallelism: 1 })
        .filter(|cost| is_strong_hash(*cost))
        .filter(|cost| burst_memory_kib(*cost, threads) <= memory_limit_kib)
        .collect()
}

/// True for a candidate that is one of OWASP's equivalent minimums. These are always measured.
pub(super) fn is_minimum(cost: HashParameters) -> bool {
    cost.blocks() <= MINIMUM_BLOCKS
}

/// The memory of all hashing threads, in KiB.
pub(super) fn burst_memory_kib(cost: HashParameters, threads: usize) -> u64 {
    u64::from(cost.memory_kib).saturating_mul(u64::try_from(threads).unwrap_or(u64::MAX))
}

/// The expected time of a hash, from a measured one: argon2id fills memory at a steady rate.
pub(super) fn estimate(cost: HashParameters, measured: &MeasuredCost) -> Duration {
    #[expect(clippy::cast_precision_loss, reason = "counts of blocks are far below 2^52")]
    let ratio = cost.blocks() as f64 / measured.parameters.blocks().max(1) as f64;
    measured.median.mul_f64(ratio)
}

/// The strongest cost whose hashes take at most `target`: the one that fills most memory over all
/// iterations, and of equal ones the one with more memory.
pub(super) fn recommend(measured: &[MeasuredCost], target: Duration) -> Option<&MeasuredCost> {
    measured
        .iter()
        .filter(|measured| measured.median <= target)
        .max_by_key(|measured| (measured.parameters.blocks(), measured.parameters.memory_kib))
}

/// A quarter of the memory of this machine, or of its control group, in KiB.
pub(super) fn default_memory_limit_kib() -> Option<u64> {
    let machine = memory_of_machine(&read("/proc/meminfo")?);
    let group = read("/sys/fs/cgroup/memory.max").and_then(|text| memory_of_group(&text));
    machine.into_iter().chain(group).min().map(|memory| memory / SHARE_OF_MEMORY)
}

fn read(file: &str) -> Option<String> {
    Some(encoding::text(&fs::read(file).ok()?).ok()?.to_owned())
}

/// The value of `MemTotal` in KiB; see `proc_meminfo(5)`.
fn memory_of_machine(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// The limit of a control group in KiB; `None` for `max`.
fn memory_of_group(text: &str) -> Option<u64> {
    Some(text.trim().parse::<u64>().ok()? / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(cost: HashParameters, milliseconds: u64) -> MeasuredCost {
        let median = Duration::from_millis(milliseconds);
        MeasuredCost {
            parameters: cost,
            hashes: 10,
            median,
            slowest: median,
            hashes_per_second: 10.0,
        }
    }

    #[test]
    fn every_candidate_keeps_the_minimum_of_owasp_and_costs_more_than_the_one_before() {
        let all = candidates(u64::MAX, 64);
        assert_eq!(all.len(), CANDIDATES.len());
        assert!(all.iter().all(|cost| is_strong_hash(*cost)));
        assert!(all.is_sorted_by_key(|cost| cost.blocks()));
        assert_eq!(all.iter().filter(|cost| is_minimum(**cost)).count(), 5);
    }

    #[test]
    fn candidates_fit_into_the_memory_on_all_threads() {
        let fitting = candidates(2 * 65_536, 2);
        assert_eq!(fitting.iter().map(|cost| cost.memory_kib).max(), Some(65_536));
        assert!(candidates(7_167, 1).is_empty());
    }

    #[test]
    fn the_strongest_cost_within_the_target_is_recommended() {
        let all = candidates(u64::MAX, 1);
        let times = [(9_216, 20), (12_288, 20), (19_456, 22), (65_536, 100), (131_072, 101)];
        let measured: Vec<_> = times
            .iter()
            .map(|(memory, milliseconds)| {
                let cost = all.iter().find(|cost| cost.memory_kib == *memory).unwrap();
                measured(*cost, *milliseconds)
            })
            .collect();
        let recommended = |target| {
            let found = recommend(&measured, Duration::from_millis(target));
            found.map(|measured| measured.parameters.memory_kib)
        };
        assert_eq!(recommended(100), Some(65_536));
        assert_eq!(recommended(21), Some(12_288));
        assert_eq!(recommended(19), None);
        assert_eq!(estimate(all[4], &measured[2]).as_millis(), 26);
    }

    #[test]
    fn the_memory_of_the_machine_is_read() {
        let text = "MemTotal:       16384000 kB\nMemFree:         1000000 kB\n";
        assert_eq!(memory_of_machine(text), Some(16_384_000));
        assert_eq!(memory_of_group("1073741824\n"), Some(1_048_576));
        assert_eq!(memory_of_group("max\n"), None);
        assert!(default_memory_limit_kib().is_some_and(|limit| limit > 0));
    }
}
