//! The kernel against the `argon2` crate, and later passes against the first one: `script/bench
//! kernel [ROUNDS]`.
//!
//! Hashes alternate on one thread, and each is compared with its neighbors, so that a change in the
//! load of the machine affects both. Processor time counts. The medians of the ratios are printed,
//! with their quartiles.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark prints its result, and stops at the first error"
)]

use std::env;
use std::time::Duration;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use argon2_kernel::initial_hash::{Cost, Inputs, TAG_LENGTH};
use argon2_kernel::kernel::argon2id;
use argon2_kernel::memory::allocate;
use rustix::time::{ClockId, clock_gettime};

/// The memory of the default cost.
const MEMORY_KIB: u32 = 19_456;
const ROUNDS: usize = 150;

fn main() {
    let mut memory = allocate(MEMORY_KIB as usize).unwrap();
    // Cargo adds an argument of its own.
    let rounds = env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(ROUNDS);
    for iterations in [1, 2, 3] {
        let mut before = portable(iterations, &mut memory);
        let ratios = (0..rounds).map(|_| {
            let ours = kernel(iterations, &mut memory);
            let after = portable(iterations, &mut memory);
            let ratio = (before + after).as_secs_f64() / 2.0 / ours.as_secs_f64();
            before = after;
            ratio
        });
        report(&format!("time of the crate / kernel, {iterations} passes"), ratios);
    }
    let ratios = (0..rounds).map(|_| {
        let [one, three] = [1, 3].map(|iterations| kernel(iterations, &mut memory).as_secs_f64());
        (three - one) / 2.0 / one
    });
    report("time of a later pass / the first pass", ratios);
}

fn report(name: &str, ratios: impl Iterator<Item = f64>) {
    let mut ratios: Vec<_> = ratios.collect();
    ratios.sort_by(f64::total_cmp);
    let quantile = |quarter: usize| ratios.get(ratios.len() * quarter / 4).unwrap();
    println!("{name}: {:.3} [{:.3}, {:.3}]", quantile(2), quantile(1), quantile(3));
}

/// The time of a hash of the kernel.
fn kernel(iterations: u32, memory: &mut [Block]) -> Duration {
    let inputs = Inputs {
        secret: b"password",
        salt: b"somesalt",
        additional_secret: &[],
        associated_data: &[],
    };
    let cost = Cost { memory_kib: MEMORY_KIB, iterations };
    let start = processor_time();
    argon2id(&inputs, cost, memory, &mut [0; TAG_LENGTH]).expect("a processor with AVX2");
    processor_time().saturating_sub(start)
}

/// The time of a hash of the `argon2` crate.
fn portable(iterations: u32, memory: &mut [Block]) -> Duration {
    let params = Params::new(MEMORY_KIB, iterations, 1, Some(TAG_LENGTH)).unwrap();
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let start = processor_time();
    let mut tag = [0; TAG_LENGTH];
    argon2.hash_password_into_with_memory(b"password", b"somesalt", &mut tag, memory).unwrap();
    processor_time().saturating_sub(start)
}

fn processor_time() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap()
}
