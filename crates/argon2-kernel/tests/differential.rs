//! Compares the kernel with published vectors and with the `argon2` crate.
#![cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use argon2::{Algorithm, Argon2, AssociatedData, Block, ParamsBuilder, Version};
use argon2_kernel::initial_hash::{Cost, Inputs, TAG_LENGTH};
use argon2_kernel::kernel::argon2id;
use argon2_kernel::memory::allocate;
use proptest::prelude::*;

type Tag = [u8; TAG_LENGTH];

fn plain<'a>(secret: &'a [u8], salt: &'a [u8]) -> Inputs<'a> {
    Inputs { secret, salt, additional_secret: &[], associated_data: &[] }
}

/// The tag of the kernel, in memory with other contents.
fn kernel_tag(inputs: &Inputs<'_>, cost: Cost, spare_blocks: usize) -> Tag {
    let mut memory = vec![garbage(); cost.memory_kib as usize / 4 * 4 + spare_blocks];
    let mut tag = [0xaa; TAG_LENGTH];
    argon2id(inputs, cost, &mut memory, &mut tag)
        .expect("AVX2 or NEON, a valid cost, enough memory");
    assert!(
        memory.iter().rev().take(spare_blocks).all(|block| block.as_ref() == garbage().as_ref()),
        "the kernel wrote beyond the blocks of the cost"
    );
    tag
}

fn garbage() -> Block {
    let mut block = Block::new();
    block.as_mut().fill(0xdead_beef_0bad_cafe);
    block
}

/// The tag of the `argon2` crate.
fn crate_tag(inputs: &Inputs<'_>, cost: Cost) -> Tag {
    let parameters = ParamsBuilder::new()
        .m_cost(cost.memory_kib)
        .t_cost(cost.iterations)
        .p_cost(1)
        .output_len(TAG_LENGTH)
        .data(AssociatedData::new(inputs.associated_data).unwrap())
        .build()
        .unwrap();
    let mut tag = [0; TAG_LENGTH];
    Argon2::new_with_secret(
        inputs.additional_secret,
        Algorithm::Argon2id,
        Version::V0x13,
        parameters,
    )
    .unwrap()
    .hash_password_into(inputs.secret, inputs.salt, &mut tag)
    .unwrap();
    tag
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

/// The argon2id v1.3 vectors with one lane of the reference implementation (`src/test.c`).
///
/// The vector of RFC 9106 (section 5.3) has four lanes, which the kernel does not support.
#[test]
fn the_kernel_matches_published_vectors_with_one_lane() {
    for (memory_kib, iterations, secret, salt, expected) in [
        (65536, 2, "password", "somesalt", VECTORS[0]),
        (256, 2, "password", "somesalt", VECTORS[1]),
        (65536, 1, "password", "somesalt", VECTORS[2]),
        (65536, 4, "password", "somesalt", VECTORS[3]),
        (65536, 2, "differentpassword", "somesalt", VECTORS[4]),
        (65536, 2, "password", "diffsalt", VECTORS[5]),
    ] {
        let inputs = plain(secret.as_bytes(), salt.as_bytes());
        assert_eq!(hex(&kernel_tag(&inputs, Cost { memory_kib, iterations }, 0)), expected);
    }
}

const VECTORS: [&str; 6] = [
    "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7",
    "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe",
    "f6a5adc1ba723dddef9b5ac1d464e180fcd9dffc9d1cbf76cca2fed795d9ca98",
    "9025d48e68ef7395cca9079da4c4ec3affb3c8911fe4f86d1a2520856f63172c",
    "0b84d652cf6b0c4beaef0dfe278ba6a80df6696281d7e0d2891b817d8c458fde",
    "bdf32b05ccc42eb15d58fd19b1f856b113da1e9a5874fdcc544308565aa8141c",
];

fn bytes(length: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), length)
}

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(300)
}

/// The maximum memory of the random costs, which is smaller under slow tools such as valgrind.
fn maximum_memory() -> u32 {
    std::env::var("MOST_MEMORY").ok().and_then(|most| most.parse().ok()).unwrap_or(2048)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..Default::default() })]

    #[test]
    fn it_agrees_with_the_argon2_crate(
        memory_kib in 8..=maximum_memory(),
        iterations in 1..=5u32,
        secret in bytes(0..=300),
        salt in bytes(8..=64),
        additional_secret in bytes(0..=32),
        associated_data in bytes(0..=32),
        spare_blocks in 0..4usize,
    ) {
        let inputs = Inputs {
            secret: &secret,
            salt: &salt,
            additional_secret: &additional_secret,
            associated_data: &associated_data,
        };
        let cost = Cost { memory_kib, iterations };
        prop_assert_eq!(kernel_tag(&inputs, cost, spare_blocks), crate_tag(&inputs, cost));
    }
}

#[test]
fn every_small_memory_agrees_with_the_argon2_crate() {
    let inputs = plain(b"correct horse", b"battery staple");
    for memory_kib in 8..=160 {
        let cost = Cost { memory_kib, iterations: 2 };
        assert_eq!(kernel_tag(&inputs, cost, 1), crate_tag(&inputs, cost), "m = {memory_kib}");
    }
}

/// Segments just below, at and just above a whole number of blocks of addresses.
#[test]
fn segments_around_a_block_of_addresses_agree_with_the_argon2_crate() {
    let inputs = plain(b"correct horse", b"battery staple");
    for segment in [127, 128, 129, 130, 255, 256, 257] {
        let cost = Cost { memory_kib: 4 * segment, iterations: 2 };
        assert_eq!(kernel_tag(&inputs, cost, 0), crate_tag(&inputs, cost), "segment of {segment}");
    }
}

#[test]
fn concurrent_threads_compute_the_same_tags() {
    let cost = Cost { memory_kib: maximum_memory(), iterations: 2 };
    std::thread::scope(|scope| {
        for number in 0..4u8 {
            scope.spawn(move || {
                let mut memory = allocate(cost.memory_kib as usize).unwrap();
                for round in 0..10 {
                    let secret = [number, round];
                    let inputs = plain(&secret, b"battery staple");
                    let mut tag = [0; TAG_LENGTH];
                    argon2id(&inputs, cost, &mut memory, &mut tag).unwrap();
                    assert_eq!(tag, crate_tag(&inputs, cost));
                }
            });
        }
    });
}

#[test]
fn unsupported_costs_and_too_little_memory_return_none() {
    let inputs = plain(b"correct horse", b"battery staple");
    for (memory_kib, iterations, blocks) in
        [(7, 1, 8), (0, 1, 8), (8, 0, 8), (8, 1, 7), (11, 1, 7), (u32::MAX, 1, 8), (8, 1, 0)]
    {
        let mut memory = vec![Block::new(); blocks];
        let mut tag = [0; TAG_LENGTH];
        let done = argon2id(&inputs, Cost { memory_kib, iterations }, &mut memory, &mut tag);
        assert_eq!(done, None, "m = {memory_kib}, t = {iterations}, {blocks} blocks");
        assert_eq!(tag, [0; TAG_LENGTH]);
    }
}

#[test]
fn memory_of_any_size_is_allocated_and_zeroed() {
    for blocks in [0, 1, 8, 2047, 2048, 4096, 10_000] {
        let memory = allocate(blocks).unwrap();
        assert_eq!(memory.len(), blocks);
        assert!(memory.iter().all(|block| block.as_ref() == [0; 128]));
    }
}

#[test]
fn an_impossible_allocation_fails() {
    assert!(allocate(usize::MAX / Block::SIZE / 2 + 1).is_err());
}
