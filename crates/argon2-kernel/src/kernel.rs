//! Argon2id with one lane, for the vectors of the processor.
//!
//! The interface is safe for all arguments: the vectors are detected before they are used, and blocks
//! are selected with checked indexes. `unsafe` covers the call into code with vectors only.
//!
//! It is faster than the `argon2` crate for these reasons. It never copies a block, and keeps the
//! operands of both xors in registers. It permutes four rows together, which hides the latency of
//! multiplications. It permutes two columns first, which complete the word that selects the next
//! block, and prefetches that block before the current one is complete. It also prefetches the block
//! after the next one, which it writes soon.
//!
//! The second half of argon2id selects blocks by secret data. This side channel is inherent (RFC
//! 9106, section 7). There is no other branch on data.
#![expect(unsafe_code, reason = "the call into code with vectors, after their detection")]

use argon2::Block;
use zeroize::Zeroize;

use crate::initial_hash::{Cost, Inputs, TAG_LENGTH, fill_starting_block, finish, initial_hash};
use crate::permutation::{
    Vectors, columns_to_diagonals, diagonals_to_columns, mix, permute_columns, transposed,
};
pub use crate::vector::NAME;
use crate::vector::{
    Rotations, Vector, first_word, is_supported, load, prefetch, store, xor, zero,
};

/// Segments of a lane (RFC 9106, section 3.2: SL).
const SLICES: usize = 4;

/// 64-bit words of a block.
const WORDS: usize = 128;

/// The words of one block.
type Words = [u64; WORDS];

/// Vectors of four rows of a block.
const FOUR_ROWS: usize = 16;

/// Bytes of a cache line.
const LINE: usize = 64;

/// Working state of the compression function.
struct State {
    block: Vectors,
    rotations: Rotations,
    /// The block after the next one, which is prefetched for writing.
    soon: *const i8,
}

/// Computes argon2id v1.3 with one lane in the given memory. Earlier contents do not matter.
///
/// The memory keeps the blocks of the last pass. `None` when this processor lacks the vectors, argon2
/// does not support the cost, the memory is too small, or an input is too long. Use the `argon2`
/// crate then.
#[must_use]
pub fn argon2id(
    inputs: &Inputs<'_>,
    cost: Cost,
    memory: &mut [Block],
    tag: &mut [u8; TAG_LENGTH],
) -> Option<()> {
    if !is_supported() || cost.memory_kib < 8 || cost.iterations < 1 {
        return None;
    }
    let segment = usize::try_from(cost.memory_kib).ok()? / SLICES;
    let memory = memory.get_mut(..segment * SLICES)?;

    let hash = initial_hash(inputs, cost)?;
    for (number, block) in (0..).zip(memory.iter_mut().take(2)) {
        fill_starting_block(&hash, number, block);
    }
    // SAFETY: the vectors were detected above; the function needs nothing else.
    unsafe { fill(memory, segment, cost) }?;
    finish(memory.last()?, tag);
    Some(())
}

/// Fills the lane (RFC 9106, section 3.2, steps 5 and 6). `None` means that a bounds check failed,
/// which cannot happen.
#[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2"))]
#[cfg_attr(target_arch = "aarch64", target_feature(enable = "neon"))]
fn fill(memory: &mut [Block], segment: usize, cost: Cost) -> Option<()> {
    let mut state =
        State { block: [zero(); 32], rotations: Rotations::new(), soon: memory.as_ptr().cast() };
    let mut filled = Some(());
    for pass in 0..cost.iterations {
        for slice in 0..SLICES {
            let place = Segment { pass, slice, length: segment, iterations: cost.iterations };
            filled = filled.and_then(|()| place.fill(memory, &mut state));
        }
    }
    state.block.zeroize();
    filled
}

/// One slice of the lane in one pass.
struct Segment {
    pass: u32,
    slice: usize,
    length: usize,
    iterations: u32,
}

impl Segment {
    /// Fills the segment.
    #[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2"))]
    #[cfg_attr(target_arch = "aarch64", target_feature(enable = "neon"))]
    fn fill(&self, memory: &mut [Block], state: &mut State) -> Option<()> {
        if self.pass == 0 && self.slice < SLICES / 2 {
            self.fill_independently(memory, state)
        } else if self.pass == 0 {
            self.fill_dependently::<false>(memory, state)
        } else {
            self.fill_dependently::<true>(memory, state)
        }
    }

    /// As in argon2i: a counter selects the blocks (RFC 9106, section 3.4.1.2).
    #[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2"))]
    #[cfg_attr(target_arch = "aarch64", target_feature(enable = "neon"))]
    fn fill_independently(&self, memory: &mut [Block], state: &mut State) -> Option<()> {
        let mut counter = [0; WORDS];
        let mut addresses = [0; WORDS];
        // The first two blocks of the lane come from H0.
        let first = if self.slice == 0 { 2 } else { 0 };
        for start in (0..self.length).step_by(WORDS) {
            self.next_addresses(&mut counter, &mut addresses, state)?;
            let end = self.length.min(start + WORDS);
            for index in first.max(start)..end {
                let word = *addresses.get(index % WORDS)?;
                // The next block is known already: prefetch it.
                if let Some(following) = addresses.get(index % WORDS + 1) {
                    self.fetch(memory.as_ptr(), index + 1, *following);
                }
                self.fill_block::<false>(memory, index, word, state, |_| ())?;
            }
        }
        Some(())
    }

    /// As in argon2d: the previous block selects the block (RFC 9106, section 3.4.1.1).
    #[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2"))]
    #[cfg_attr(target_arch = "aarch64", target_feature(enable = "neon"))]
    fn fill_dependently<const XOR: bool>(
        &self,
        memory: &mut [Block],
        state: &mut State,
    ) -> Option<()> {
        let blocks = memory.as_ptr();
        let previous = self.previous(0);
        let mut word = *memory.get(previous)?.as_ref().first()?;
        for index in 0..self.length {
            word = self.fill_block::<XOR>(memory, index, word, state, |following| {
                self.fetch(blocks, index + 1, following);
            })?;
        }
        Some(())
    }

    /// Computes one block from the previous and the selected one. Returns its first word.
    #[inline]
    #[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2"))]
    #[cfg_attr(target_arch = "aarch64", target_feature(enable = "neon"))]
    fn fill_block<const XOR: bool>(
        &self,
        memory: &mut [Block],
        index: usize,
        word: u64,
        state: &mut State,
        on_first_word: impl FnOnce(u64),
    ) -> Option<u64> {
        let place = self.slice * self.length + index;
        let places = [self.previous(index), self.reference(index, word), place];
        state.soon = memory.as_ptr().wrapping_add(place + 2).cast();
        let [previous, reference, current] = memory.get_disjoint_mut(places).ok()?;
        Some(compress::<XOR>(
            words(previous)?,
            words(reference)?,
            current.as_mut().first_chunk_mut()?,
            state,
            on_first_word,
        ))
    }

    /// The index of the previous block. The lane is a ring.
    #[inline]
    fn previous(&self, index: usize) -> usize {
        let current = self.slice * self.length + index;
        if current == 0 { SLICES * self.length - 1 } else { current - 1 }
    }

    /// The index of the block that a word selects (RFC 9106, section 3.4.2), never the previous
    /// one.
    #[inline]
    fn reference(&self, index: usize, word: u64) -> usize {
        let lane = SLICES * self.length;
        let done = if self.pass == 0 { self.slice } else { SLICES - 1 };
        let area = done * self.length + index - 1;
        let chosen = low_half(word);
        let chosen = (chosen * chosen) >> 32;
        let relative = area - 1 - ((area * chosen) >> 32);
        let start = if self.pass == 0 { 0 } else { (self.slice + 1) % SLICES * self.length };
        let place = start + relative;
        if place >= lane { place - lane } else { place }
    }

    /// Computes the next 128 words that select blocks (RFC 9106, section 3.4.1.2).
    #[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2"))]
    #[cfg_attr(target_arch = "aarch64", target_feature(enable = "neon"))]
    fn next_addresses(
        &self,
        counter: &mut Words,
        addresses: &mut Words,
        state: &mut State,
    ) -> Option<()> {
        const ZERO: Words = [0; WORDS];
        const LANE: u64 = 0;
        const ARGON2ID: u64 = 2;

        let [pass, lane, slice, blocks, iterations, kind, count, ..] = counter;
        *pass = self.pass.into();
        *lane = LANE;
        *slice = u64::try_from(self.slice).ok()?;
        *blocks = u64::try_from(SLICES * self.length).ok()?;
        *iterations = self.iterations.into();
        *kind = ARGON2ID;
        *count += 1;
        let mut once = [0; WORDS];
        compress::<false>(&ZERO, counter, &mut once, state, |_| ());
        compress::<false>(&ZERO, &once, addresses, state, |_| ());
        Some(())
    }

    /// Prefetches the block that a word selects. Does not affect the result.
    #[inline]
    #[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2"))]
    #[cfg_attr(target_arch = "aarch64", target_feature(enable = "neon"))]
    fn fetch(&self, blocks: *const Block, index: usize, word: u64) {
        let block = blocks.wrapping_add(self.reference(index, word)).cast::<i8>();
        for line in (0..Block::SIZE).step_by(LINE) {
            prefetch(block.wrapping_add(line));
        }
    }
}

/// The lower 32 bits as an index.
#[inline]
fn low_half(word: u64) -> usize {
    usize::try_from(word & u64::from(u32::MAX)).unwrap_or_default()
}

/// The words of a block.
#[inline]
fn words(block: &Block) -> Option<&Words> {
    block.as_ref().first_chunk()
}

/// G (RFC 9106, section 3.5): writes the result to `next`, or with `XOR` xors it into `next`.
///
/// Calls `on_first_word` with the first word before the block is complete.
#[inline]
#[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2"))]
#[cfg_attr(target_arch = "aarch64", target_feature(enable = "neon"))]
fn compress<const XOR: bool>(
    previous: &Words,
    reference: &Words,
    next: &mut Words,
    state: &mut State,
    on_first_word: impl FnOnce(u64),
) -> u64 {
    let State { block: state, rotations, soon } = state;
    let (previous, _) = previous.as_chunks::<4>();
    let (reference, _) = reference.as_chunks::<4>();
    let (next, _) = next.as_chunks_mut::<4>();
    let inputs = previous.as_chunks().0.iter().zip(reference.as_chunks().0);
    let outputs = next.as_chunks_mut().0.iter_mut().zip(state.as_chunks_mut().0);
    for (half, ((previous, reference), (next, rows))) in inputs.zip(outputs).enumerate() {
        prefetch_half(*soon, half);
        permute_four_rows::<XOR>(previous, reference, next, rows, *rotations);
    }
    // The first two columns complete the first word.
    let first_word = finish_columns::<0>(state, next, *rotations);
    on_first_word(first_word);
    finish_columns::<1>(state, next, *rotations);
    finish_columns::<2>(state, next, *rotations);
    finish_columns::<3>(state, next, *rotations);
    first_word
}

/// Writes P of four rows of `previous ^ reference` to `rows`, and `previous ^ reference` to `next`,
/// or with `XOR` xors it into `next`.
///
/// The result of the first xor stays in registers: writing and reading it would take a tenth of the
/// time. Never inlined: the compiler would then call the permutation instead, through memory.
#[inline(never)]
#[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2"))]
#[cfg_attr(target_arch = "aarch64", target_feature(enable = "neon"))]
fn permute_four_rows<const XOR: bool>(
    previous: &[[u64; 4]; FOUR_ROWS],
    reference: &[[u64; 4]; FOUR_ROWS],
    next: &mut [[u64; 4]; FOUR_ROWS],
    rows: &mut [Vector; FOUR_ROWS],
    rotations: Rotations,
) {
    let mut mixed = [[zero(); 4]; 4];
    let inputs = previous.iter().zip(reference);
    for ((mixed, (left, right)), next) in mixed.as_flattened_mut().iter_mut().zip(inputs).zip(next)
    {
        *mixed = xor(load(left), load(right));
        store(next, if XOR { xor(*mixed, load(next)) } else { *mixed });
    }
    // P (RFC 9106, section 3.6): on the columns of a row, then on its diagonals.
    let mut quarters = transposed(&mixed);
    mix(&mut quarters, rotations);
    diagonals_to_columns(&mut quarters);
    mix(&mut quarters, rotations);
    columns_to_diagonals(&mut quarters);
    rows.copy_from_slice(transposed(&quarters).as_flattened());
}

/// Xors P of two columns into `next`. Returns its first word, which is complete after the first two.
#[inline]
#[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2"))]
#[cfg_attr(target_arch = "aarch64", target_feature(enable = "neon"))]
fn finish_columns<const START: usize>(
    rows: &Vectors,
    next: &mut [[u64; 4]],
    rotations: Rotations,
) -> u64 {
    let mut columns = permute_columns::<START>(rows, rotations);
    for (column, next) in columns.iter_mut().zip(next.iter_mut().skip(START).step_by(4)) {
        *column = xor(*column, load(next));
        store(next, *column);
    }
    let [first, ..] = columns;
    first_word(first)
}

/// Prefetches the first or second half of a block. Does not affect the result.
#[inline]
#[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2"))]
#[cfg_attr(target_arch = "aarch64", target_feature(enable = "neon"))]
fn prefetch_half(block: *const i8, half: usize) {
    let start = block.wrapping_add(half * Block::SIZE / 2);
    for line in (0..Block::SIZE / 2).step_by(LINE) {
        prefetch(start.wrapping_add(line));
    }
}
