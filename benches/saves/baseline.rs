//! The baseline: how many hashes per second the cores reach with nothing else to do, with the
//! `argon2` crate (memory reused) and with this repository's kernel (on processors with AVX2).

use std::{
    thread,
    time::{Duration, Instant},
};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use argon2_kernel::{
    initial_hash::{Cost, Inputs},
    kernel, memory,
};

const MEMORY_KIB: u32 = 19_456;
const ITERATIONS: u32 = 2;
const SALT: [u8; 16] = [7; 16];

/// The number of hashing threads, the same as in the service's engine.
pub(crate) fn threads() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// The measured hashes per second of all threads together, one rate for each round.
#[derive(Default)]
pub(crate) struct HashRates {
    argon2_crate: Vec<f64>,
    kernel: Vec<f64>,
}

/// Medians in hashes per second.
pub(crate) struct MedianRates {
    pub(crate) argon2_crate: f64,
    pub(crate) kernel: f64,
}

impl HashRates {
    /// Measures one round, half of it for each implementation.
    pub(crate) fn measure(&mut self, round: Duration) {
        self.argon2_crate.push(measure_rate(hash_with_crate, round / 2));
        self.kernel.push(measure_rate(hash_with_kernel, round / 2));
    }

    /// The median rates. Without AVX2 the kernel's rate is a second measurement of the crate.
    pub(crate) fn medians(&mut self) -> MedianRates {
        let median = |rates: &mut Vec<f64>| {
            rates.sort_by(f64::total_cmp);
            rates[rates.len() / 2]
        };
        MedianRates {
            argon2_crate: median(&mut self.argon2_crate),
            kernel: median(&mut self.kernel),
        }
    }
}

fn measure_rate(hash: fn(&mut [Block]), round: Duration) -> f64 {
    let start = Instant::now();
    let running: Vec<_> =
        (0..threads()).map(|_| thread::spawn(move || hash_until(hash, start, round))).collect();
    let hashes: f64 = running.into_iter().map(|thread| thread.join().expect("a count")).sum();
    hashes / start.elapsed().as_secs_f64()
}

fn hash_until(hash: fn(&mut [Block]), start: Instant, round: Duration) -> f64 {
    let mut memory = memory::allocate(19_456).unwrap_or_else(|_| vec![Block::new(); 19_456]);
    let mut hashes = 0.0;
    while start.elapsed() < round {
        hash(&mut memory);
        hashes += 1.0;
    }
    hashes
}

fn hash_with_crate(memory: &mut [Block]) {
    let params = Params::new(MEMORY_KIB, ITERATIONS, 1, Some(32)).expect("parameters");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(b"value", &SALT, &mut [0; 32], memory)
        .expect("a hash");
}

fn hash_with_kernel(memory: &mut [Block]) {
    let inputs =
        Inputs { secret: b"value", salt: &SALT, additional_secret: &[], associated_data: &[] };
    let cost = Cost { memory_kib: MEMORY_KIB, iterations: ITERATIONS };
    if kernel::argon2id(&inputs, cost, memory, &mut [0; 32]).is_none() {
        hash_with_crate(memory);
    }
}
