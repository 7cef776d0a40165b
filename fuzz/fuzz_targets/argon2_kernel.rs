//! The argon2id kernel against the `argon2` crate.
#![no_main]

use arbitrary::Arbitrary;
use argon2::{Algorithm, Argon2, AssociatedData, Block, MIN_SALT_LEN, ParamsBuilder, Version};
use argon2_kernel::initial_hash::{Cost, Inputs, TAG_LENGTH};
use argon2_kernel::kernel::argon2id;
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
struct Case<'data> {
    memory: u16,
    passes: u8,
    spare_blocks: u8,
    missing_blocks: u8,
    old_contents: u64,
    secret: &'data [u8],
    salt: &'data [u8],
    additional_secret: [u8; 32],
    additional_length: u8,
    associated_data: [u8; 32],
    associated_length: u8,
}

fuzz_target!(|case: Case<'_>| {
    // Costs on both sides of the smallest one, and every number of passes that has its own code.
    let cost =
        Cost { memory_kib: u32::from(case.memory % 640), iterations: u32::from(case.passes % 5) };
    let (additional, associated) = (case.additional_length % 33, case.associated_length % 33);
    let inputs = Inputs {
        secret: case.secret,
        salt: case.salt,
        additional_secret: &case.additional_secret[..additional.into()],
        associated_data: &case.associated_data[..associated.into()],
    };
    let (spare, missing) =
        (usize::from(case.spare_blocks % 4), usize::from(case.missing_blocks % 4));
    let needed = usize::try_from(cost.memory_kib / 4 * 4).unwrap_or_default();
    let mut memory = vec![old_block(case.old_contents); (needed + spare).saturating_sub(missing)];
    let mut tag = [0xaa; TAG_LENGTH];
    let done = argon2id(&inputs, cost, &mut memory, &mut tag);
    let beyond = memory.iter().skip(needed);
    for block in beyond {
        assert!(block.as_ref().iter().all(|word| *word == case.old_contents), "wrote too far");
    }
    let expected = crate_tag(&inputs, cost);
    match done {
        // The kernel leaves the limit of the salt to its caller.
        Some(()) if case.salt.len() < MIN_SALT_LEN => {}
        Some(()) => assert_eq!(Some(tag), expected, "{cost:?}"),
        None => {
            assert_eq!(tag, [0xaa; TAG_LENGTH], "a refused hash changed the tag");
            let is_supported = expected.is_some() && memory.len() >= needed;
            assert!(!is_supported || !is_supported_here(), "the kernel refused {cost:?}");
        }
    }
});

/// True when the kernel supports this processor.
fn is_supported_here() -> bool {
    let inputs =
        Inputs { secret: b"", salt: &[0; 8], additional_secret: &[], associated_data: &[] };
    let mut memory = vec![Block::new(); 8];
    argon2id(&inputs, Cost { memory_kib: 8, iterations: 1 }, &mut memory, &mut [0; TAG_LENGTH])
        .is_some()
}

fn old_block(word: u64) -> Block {
    let mut block = Block::new();
    block.as_mut().fill(word);
    block
}

/// The tag of the crate; `None` when it does not support the inputs.
fn crate_tag(inputs: &Inputs<'_>, cost: Cost) -> Option<[u8; TAG_LENGTH]> {
    let parameters = ParamsBuilder::new()
        .m_cost(cost.memory_kib)
        .t_cost(cost.iterations)
        .p_cost(1)
        .output_len(TAG_LENGTH)
        .data(AssociatedData::new(inputs.associated_data).ok()?)
        .build()
        .ok()?;
    let mut tag = [0; TAG_LENGTH];
    Argon2::new_with_secret(
        inputs.additional_secret,
        Algorithm::Argon2id,
        Version::V0x13,
        parameters,
    )
    .ok()?
    .hash_password_into(inputs.secret, inputs.salt, &mut tag)
    .ok()?;
    Some(tag)
}
