//! Counts the instructions of a hash. The compiler can double them without a wrong result.
//!
//! The kernel is fast only while its functions are inlined and its vectors stay in registers, which
//! no attribute guarantees.
#![cfg(target_arch = "x86_64")]

use std::env;

use argon2::{Algorithm, Argon2, Params, Version};
use argon2_kernel::initial_hash::{Cost, Inputs, TAG_LENGTH};
use argon2_kernel::kernel::argon2id;
use argon2_kernel::memory::allocate;
use instruction_count::{WORK, instructions};

/// Two passes, and segments with four blocks of addresses.
const COST: Cost = Cost { memory_kib: 2048, iterations: 2 };

/// The most instructions for each block of each pass: 2 % above the measured 1,403.
const MAXIMUM: u64 = 1430;

/// The least instructions of the compression function, all of vectors: fewer were not counted.
const MINIMUM: u64 = 1024;

#[test]
fn a_block_takes_no_more_instructions_than_recorded() {
    if !is_x86_feature_detected!("avx2") {
        eprintln!("not counted: this processor has no AVX2");
        return;
    }
    let kernel = instructions_of_a_block("kernel");
    let portable = instructions_of_a_block("crate");
    println!("{kernel} instructions for each block, {portable} of the crate");
    assert!(
        (MINIMUM..=MAXIMUM).contains(&kernel),
        "the kernel executes {kernel} instructions for each block instead of {MINIMUM} to {MAXIMUM} \
         (the argon2 crate: {portable})"
    );
    assert!(kernel < portable, "kernel {kernel}, crate {portable}");
}

/// What one hash of three adds, so that the start of the process does not count.
fn instructions_of_a_block(implementation: &str) -> u64 {
    let count = |hashes| {
        instructions("the_counted_hashes_are_equal", &format!("{implementation} {hashes}"))
    };
    let hash = (count(3) - count(1)) / 2;
    hash / u64::from(COST.memory_kib * COST.iterations)
}

#[test]
fn the_counted_hashes_are_equal() {
    let counted = env::var(WORK).unwrap_or_else(|_| "both 1".to_owned());
    let (implementation, hashes) = counted.split_once(' ').unwrap();
    let mut memory = allocate(COST.memory_kib as usize).unwrap();
    let mut tags = Vec::new();
    for _ in 0..hashes.parse().unwrap() {
        if implementation != "crate" {
            let mut tag = [0; TAG_LENGTH];
            let salt = b"somesalt";
            let inputs =
                Inputs { secret: b"password", salt, additional_secret: &[], associated_data: &[] };
            if argon2id(&inputs, COST, &mut memory, &mut tag).is_some() {
                tags.push(tag);
            }
        }
        if implementation != "kernel" {
            let mut tag = [0; TAG_LENGTH];
            let params =
                Params::new(COST.memory_kib, COST.iterations, 1, Some(TAG_LENGTH)).unwrap();
            Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                .hash_password_into_with_memory(b"password", b"somesalt", &mut tag, &mut memory)
                .unwrap();
            tags.push(tag);
        }
    }
    assert!(tags.windows(2).all(|pair| pair.first() == pair.last()), "{tags:?}");
}
