//! What the cores can hash when they do nothing else: the `argon2` crate, its memory reused, and
//! the kernel of this repository, where the processor has AVX2.

use std::{
    thread,
    time::{Duration, Instant},
};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use argon2_kernel::{
    avx2,
    initial_hash::{Cost, Inputs},
};

const MEMORY_KIB: u32 = 19_456;
const ITERATIONS: u32 = 2;
const SALT: [u8; 16] = [7; 16];

/// As many threads as the engine has.
pub(crate) fn threads() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Hashes per second of all threads together, of some rounds.
#[derive(Default)]
pub(crate) struct Rates {
    of_the_crate: Vec<f64>,
    of_the_kernel: Vec<f64>,
}

impl Rates {
    /// Measures one round, half of it for each implementation.
    pub(crate) fn measure(&mut self, round: Duration) {
        self.of_the_crate.push(rate(by_crate, round / 2));
        self.of_the_kernel.push(rate(by_kernel, round / 2));
    }

    /// The medians: of the crate, and of the kernel, which is the crate's where it has no AVX2.
    pub(crate) fn medians(&mut self) -> (f64, f64) {
        let median = |rates: &mut Vec<f64>| {
            rates.sort_by(f64::total_cmp);
            rates[rates.len() / 2]
        };
        (median(&mut self.of_the_crate), median(&mut self.of_the_kernel))
    }
}

fn rate(hash: fn(&mut [Block]), round: Duration) -> f64 {
    let start = Instant::now();
    let hashers: Vec<_> =
        (0..threads()).map(|_| thread::spawn(move || hash_until(hash, start, round))).collect();
    let done: f64 = hashers.into_iter().map(|hasher| hasher.join().expect("a hasher")).sum();
    done / start.elapsed().as_secs_f64()
}

fn hash_until(hash: fn(&mut [Block]), start: Instant, round: Duration) -> f64 {
    let mut memory = avx2::allocate(19_456).unwrap_or_else(|_| vec![Block::new(); 19_456]);
    let mut done = 0.0;
    while start.elapsed() < round {
        hash(&mut memory);
        done += 1.0;
    }
    done
}

fn by_crate(memory: &mut [Block]) {
    let params = Params::new(MEMORY_KIB, ITERATIONS, 1, Some(32)).expect("parameters");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(b"value", &SALT, &mut [0; 32], memory)
        .expect("a hash");
}

fn by_kernel(memory: &mut [Block]) {
    let inputs =
        Inputs { secret: b"value", salt: &SALT, additional_secret: &[], associated_data: &[] };
    let cost = Cost { memory_kib: MEMORY_KIB, iterations: ITERATIONS };
    if avx2::argon2id(&inputs, cost, memory, &mut [0; 32]).is_none() {
        by_crate(memory);
    }
}
