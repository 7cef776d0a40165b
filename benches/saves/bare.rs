//! What the cores can hash when they do nothing else: the `argon2` crate, its memory reused.

use std::{
    thread,
    time::{Duration, Instant},
};

use argon2::{Algorithm, Argon2, Block, Params, Version};

/// As many threads as the engine has.
pub(crate) fn threads() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Hashes per second of all threads together.
pub(crate) fn rate(round: Duration) -> f64 {
    let start = Instant::now();
    let hashers: Vec<_> =
        (0..threads()).map(|_| thread::spawn(move || hash_until(start, round))).collect();
    let done: f64 = hashers.into_iter().map(|hasher| hasher.join().expect("a hasher")).sum();
    done / start.elapsed().as_secs_f64()
}

fn hash_until(start: Instant, round: Duration) -> f64 {
    let params = Params::new(19_456, 2, 1, Some(32)).expect("parameters");
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut memory = vec![Block::new(); 19_456];
    let (mut tag, mut done) = ([0; 32], 0.0);
    while start.elapsed() < round {
        argon2
            .hash_password_into_with_memory(b"value", &[7; 16], &mut tag, &mut memory)
            .expect("a hash");
        done += 1.0;
    }
    done
}
