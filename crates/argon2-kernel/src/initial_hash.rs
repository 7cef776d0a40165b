//! The steps of argon2id that use plain `BLAKE2b`: H0, H' and the tag (RFC 9106, sections 3.2 and
//! 3.3), for one lane, version 1.3 and tags of 32 bytes.

use argon2::Block;
use blake2::digest::{FixedOutputReset, Output, consts::U32};
use blake2::{Blake2b, Blake2b512, Digest};
use zeroize::Zeroizing;

/// Length of a tag in bytes.
pub const TAG_LENGTH: usize = 32;

/// The inputs of argon2id without the cost (RFC 9106, section 3.1).
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// The message, such as a password (P).
    pub secret: &'a [u8],
    /// The nonce (S).
    pub salt: &'a [u8],
    /// The secret value, often called pepper (K). Empty: none.
    pub additional_secret: &'a [u8],
    /// The associated data (X). Empty: none.
    pub associated_data: &'a [u8],
}

/// The cost of one hash in one lane (RFC 9106, section 3.1).
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Memory in KiB (m), at least 8.
    pub memory_kib: u32,
    /// Number of passes (t), at least 1.
    pub iterations: u32,
}

/// H0, from which everything else is computed. An attacker can use it like the secret.
pub(crate) type InitialHash = Zeroizing<[u8; 64]>;

/// H0 (RFC 9106, section 3.2, step 1); `None` when an input is longer than argon2 allows.
pub(crate) fn initial_hash(inputs: &Inputs<'_>, cost: Cost) -> Option<InitialHash> {
    const LANES: u32 = 1;
    const TAG_BYTES: u32 = 32;
    const VERSION: u32 = 0x13;
    const ARGON2ID: u32 = 2;

    let mut hasher = Blake2b512::new();
    for number in [LANES, TAG_BYTES, cost.memory_kib, cost.iterations, VERSION, ARGON2ID] {
        hasher.update(number.to_le_bytes());
    }
    let Inputs { secret, salt, additional_secret, associated_data } = *inputs;
    for input in [secret, salt, additional_secret, associated_data] {
        hasher.update(u32::try_from(input.len()).ok()?.to_le_bytes());
        hasher.update(input);
    }
    let mut hash = Zeroizing::new([0; 64]);
    finish_in_place(&mut hasher, (&mut *hash).into());
    Some(hash)
}

/// Block 0 or 1 of the lane: H' of 1024 bytes (RFC 9106, section 3.2, steps 3 and 4).
pub(crate) fn fill_starting_block(hash: &InitialHash, number: u32, block: &mut Block) {
    const BLOCK_BYTES: u32 = 1024;
    const LANE: u32 = 0;

    let mut hasher = Blake2b512::new();
    hasher.update(BLOCK_BYTES.to_le_bytes());
    hasher.update(hash.as_slice());
    hasher.update(number.to_le_bytes());
    hasher.update(LANE.to_le_bytes());
    let mut link = Zeroizing::new([0; 64]);
    finish_in_place(&mut hasher, (&mut *link).into());

    // The first half of every link of the chain, and both halves of the last one (section 3.3).
    let (halves, _) = block.as_mut().as_chunks_mut::<4>();
    let last = halves.len().saturating_sub(1);
    for (position, half) in halves.iter_mut().enumerate() {
        if position > 0 && position < last {
            let mut hasher = Blake2b512::new();
            hasher.update(link.as_slice());
            finish_in_place(&mut hasher, (&mut *link).into());
        }
        let (words, _) = link.as_chunks::<8>();
        let words = words.iter().skip(if position == last { 4 } else { 0 });
        for (target, bytes) in half.iter_mut().zip(words) {
            *target = u64::from_le_bytes(*bytes);
        }
    }
}

/// The tag: H' of 32 bytes of the last block (RFC 9106, section 3.2, step 8, one lane).
pub(crate) fn finish(last: &Block, tag: &mut [u8; TAG_LENGTH]) {
    const TAG_BYTES: u32 = 32;

    let mut hasher = Blake2b::<U32>::new();
    hasher.update(TAG_BYTES.to_le_bytes());
    for word in last.as_ref() {
        hasher.update(word.to_le_bytes());
    }
    finish_in_place(&mut hasher, tag.into());
}

/// Finishes a hash. A hasher that is moved, as `finalize_into` does, leaves a copy of the last block of
/// its input on the stack. This one is wiped where it is.
fn finish_in_place<H: FixedOutputReset>(hasher: &mut H, output: &mut Output<H>) {
    FixedOutputReset::finalize_into_reset(hasher, output);
}
