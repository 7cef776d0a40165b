//! scrypt (RFC 7914) in the memory of a hashing thread.
//!
//! The `scrypt` crate allocates its memory for each call, which would come on top of that of the
//! threads. Tests compare the two.

use argon2::Block;
use pbkdf2::pbkdf2_hmac;
use sha2::Sha256;
use zeroize::Zeroizing;

/// Words of a Salsa20 block.
const SALSA_WORDS: usize = 16;

/// Bytes of a word.
const WORD_BYTES: usize = 4;

/// Words of a pair of Salsa20 blocks: 128 bytes.
const PAIR_WORDS: usize = 2 * SALSA_WORDS;

/// 64-bit words of memory that hold a pair.
const PAIR_LONG_WORDS: usize = PAIR_WORDS / 2;

/// Pairs in a block of memory.
const PAIRS_IN_BLOCK: usize = Block::SIZE / (PAIR_WORDS * WORD_BYTES);

/// The cost of scrypt, within limits that the memory of a thread can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ScryptCost {
    log_n: u8,
    block_size: u32,
    parallelism: u32,
}

impl ScryptCost {
    /// N as its binary logarithm, r and p. `None` outside of the supported range. r must be a power
    /// of two.
    pub(crate) fn new(log_n: u8, block_size: u32, parallelism: u32) -> Option<Self> {
        let is_supported = (1..=31).contains(&log_n)
            && block_size.is_power_of_two()
            && block_size <= 32
            && (1..=16).contains(&parallelism);
        is_supported.then_some(Self { log_n, block_size, parallelism })
    }

    /// A cost that fills this memory `passes` times.
    pub(crate) fn filling(memory_kib: u32, passes: u32) -> Option<Self> {
        let log_n = u8::try_from(memory_kib.checked_ilog2()?).ok()?;
        Self::new(log_n, 8, passes)
    }

    /// The memory in KiB: 128 · N · r bytes.
    pub(crate) fn memory_kib(self) -> u32 {
        let pairs = u64::from(self.block_size) << self.log_n;
        u32::try_from(pairs.div_ceil(PAIRS_IN_BLOCK as u64)).unwrap_or(u32::MAX)
    }

    /// How often the memory is filled: p, because the lanes are computed one after the other.
    pub(crate) fn passes(self) -> u32 {
        self.parallelism
    }

    /// r pairs of Salsa20 blocks.
    fn pairs(self) -> usize {
        usize::try_from(self.block_size).unwrap_or_default()
    }
}

/// Derives a key into `output`. `None` when the memory is too small.
pub(crate) fn derive(
    secret: &[u8],
    salt: &[u8],
    cost: ScryptCost,
    memory: &mut [Block],
    output: &mut [u8],
) -> Option<()> {
    let memory = memory.get_mut(..usize::try_from(cost.memory_kib()).ok()?)?;
    let lane = cost.pairs() * PAIR_WORDS * WORD_BYTES;
    let lanes = usize::try_from(cost.passes()).ok()?;
    let mut bytes = Zeroizing::new(vec![0; lane * lanes]);
    pbkdf2_hmac::<Sha256>(secret, salt, 1, &mut bytes);
    for lane in bytes.chunks_exact_mut(lane) {
        let mut words = Zeroizing::new(shuffled_words(lane));
        mix_lane(&mut words, cost, memory)?;
        write_bytes(&words, lane);
    }
    pbkdf2_hmac::<Sha256>(secret, &bytes, 1, output);
    Some(())
}

/// The words of each Salsa20 block by its diagonals, so that one operation computes four of them.
fn shuffled_words(bytes: &[u8]) -> Vec<u32> {
    let mut words = Vec::with_capacity(bytes.len() / WORD_BYTES);
    for block in bytes.chunks_exact(SALSA_WORDS * WORD_BYTES) {
        let (block, _) = block.as_chunks::<WORD_BYTES>();
        let word = |index: usize| block.get(index * 5 % SALSA_WORDS).copied().unwrap_or_default();
        words.extend((0..SALSA_WORDS).map(|index| u32::from_le_bytes(word(index))));
    }
    words
}

/// The reverse of [`shuffled_words`].
fn write_bytes(words: &[u32], bytes: &mut [u8]) {
    let blocks = bytes.chunks_exact_mut(SALSA_WORDS * WORD_BYTES);
    for (words, block) in words.chunks_exact(SALSA_WORDS).zip(blocks) {
        let (block, _) = block.as_chunks_mut::<WORD_BYTES>();
        for (index, word) in words.iter().enumerate() {
            if let Some(bytes) = block.get_mut(index * 5 % SALSA_WORDS) {
                *bytes = word.to_le_bytes();
            }
        }
    }
}

/// scryptROMix (section 5).
fn mix_lane(words: &mut Vec<u32>, cost: ScryptCost, memory: &mut [Block]) -> Option<()> {
    let (n, pairs) = (1_usize << cost.log_n, cost.pairs());
    let mut other = Zeroizing::new(vec![0; words.len()]);
    for index in 0..n {
        for (words, pair) in words.as_chunks::<PAIR_WORDS>().0.iter().zip(index * pairs..) {
            store(words, pair_at(memory, pair)?);
        }
        mix_blocks(words, &mut other);
        std::mem::swap(words, &mut other);
    }
    for _ in 0..n {
        let last = words.get(words.len() - SALSA_WORDS).copied().unwrap_or_default();
        let index = usize::try_from(last).ok()? & (n - 1);
        for (words, pair) in words.as_chunks_mut::<PAIR_WORDS>().0.iter_mut().zip(index * pairs..) {
            xor_stored(words, pair_at(memory, pair)?);
        }
        mix_blocks(words, &mut other);
        std::mem::swap(words, &mut other);
    }
    Some(())
}

/// The memory of one pair of Salsa20 blocks.
#[inline]
fn pair_at(memory: &mut [Block], index: usize) -> Option<&mut [u64; PAIR_LONG_WORDS]> {
    let block = memory.get_mut(index / PAIRS_IN_BLOCK)?;
    block.as_mut().as_chunks_mut().0.get_mut(index % PAIRS_IN_BLOCK)
}

#[inline]
fn store(words: &[u32; PAIR_WORDS], memory: &mut [u64; PAIR_LONG_WORDS]) {
    for ([low, high], long) in words.as_chunks().0.iter().zip(memory) {
        *long = u64::from(*low) | u64::from(*high) << 32;
    }
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the two halves of a long word")]
fn xor_stored(words: &mut [u32; PAIR_WORDS], memory: &[u64; PAIR_LONG_WORDS]) {
    for ([low, high], long) in words.as_chunks_mut().0.iter_mut().zip(memory) {
        *low ^= *long as u32;
        *high ^= (*long >> 32) as u32;
    }
}

/// scryptBlockMix (section 4): the even blocks of the output, then the odd ones.
fn mix_blocks(input: &[u32], output: &mut [u32]) {
    let (input, _) = input.as_chunks::<SALSA_WORDS>();
    let (even, odd) = output.split_at_mut(output.len() / 2);
    let even = even.as_chunks_mut::<SALSA_WORDS>().0.iter_mut();
    let mut outputs = even.zip(odd.as_chunks_mut::<SALSA_WORDS>().0);
    let mut state = input.last().copied().unwrap_or_default();
    for pair in input.as_chunks::<2>().0 {
        let ([first, second], Some((even, odd))) = (pair, outputs.next()) else { return };
        mix_salsa(&mut state, first);
        *even = state;
        mix_salsa(&mut state, second);
        *odd = state;
    }
}

/// Four words, which one instruction can compute.
type Row = [u32; 4];

/// Salsa20/8 (section 3) over the sum of two blocks, in the order of [`shuffled_words`].
#[inline]
fn mix_salsa(state: &mut [u32; SALSA_WORDS], input: &[u32; SALSA_WORDS]) {
    for (word, input) in state.iter_mut().zip(input) {
        *word ^= input;
    }
    let &mut [a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3] = state;
    let (mut a, mut b) = ([a0, a1, a2, a3], [b0, b1, b2, b3]);
    let (mut c, mut d) = ([c0, c1, c2, c3], [d0, d1, d2, d3]);
    for _ in 0..4 {
        xor_rotated::<7>(&mut b, &a, &d);
        xor_rotated::<9>(&mut c, &b, &a);
        xor_rotated::<13>(&mut d, &c, &b);
        xor_rotated::<18>(&mut a, &d, &c);
        (b, c, d) = (rotated_once(b), rotated_twice(c), rotated_thrice(d));
        xor_rotated::<7>(&mut d, &a, &b);
        xor_rotated::<9>(&mut c, &d, &a);
        xor_rotated::<13>(&mut b, &c, &d);
        xor_rotated::<18>(&mut a, &b, &c);
        (b, c, d) = (rotated_thrice(b), rotated_twice(c), rotated_once(d));
    }
    for (words, row) in state.as_chunks_mut::<4>().0.iter_mut().zip([a, b, c, d]) {
        for (word, mixed) in words.iter_mut().zip(row) {
            *word = word.wrapping_add(mixed);
        }
    }
}

/// References, because the compiler computes rows that are passed by value word by word.
#[inline]
fn xor_rotated<const BITS: u32>(target: &mut Row, x: &Row, y: &Row) {
    for ((target, x), y) in target.iter_mut().zip(x).zip(y) {
        *target ^= x.wrapping_add(*y).rotate_left(BITS);
    }
}

#[inline]
fn rotated_once([x0, x1, x2, x3]: Row) -> Row {
    [x3, x0, x1, x2]
}

#[inline]
fn rotated_twice([x0, x1, x2, x3]: Row) -> Row {
    [x2, x3, x0, x1]
}

#[inline]
fn rotated_thrice([x0, x1, x2, x3]: Row) -> Row {
    [x1, x2, x3, x0]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn derived(secret: &[u8], salt: &[u8], cost: ScryptCost, length: usize) -> Vec<u8> {
        let blocks = usize::try_from(cost.memory_kib()).unwrap();
        let mut memory = vec![Block::new(); blocks];
        let mut output = vec![0; length];
        derive(secret, salt, cost, &mut memory, &mut output).unwrap();
        output
    }

    #[test]
    fn it_computes_the_vector_of_rfc_7914() {
        let cost = ScryptCost::new(14, 8, 1).unwrap();
        let output = derived(b"pleaseletmein", b"SodiumChloride", cost, 64);
        let hex: Vec<_> = output.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex.concat(),
            "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2\
             d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"
        );
    }

    #[test]
    fn it_agrees_with_the_scrypt_crate() {
        for (log_n, r, p) in
            [(1, 1, 1), (3, 1, 2), (4, 8, 1), (5, 4, 3), (6, 16, 2), (7, 32, 1), (2, 2, 16)]
        {
            let cost = ScryptCost::new(log_n, r, p).unwrap();
            let params = scrypt::Params::new(log_n, r, p).unwrap();
            for length in [16, 32, 80] {
                let mut expected = vec![0; length];
                scrypt::scrypt(b"secret", b"salt", &params, &mut expected).unwrap();
                assert_eq!(derived(b"secret", b"salt", cost, length), expected, "{cost:?}");
            }
        }
    }

    #[test]
    fn it_uses_no_more_memory_than_it_counts_and_fails_in_less() {
        let cost = ScryptCost::new(10, 8, 2).unwrap();
        assert_eq!((cost.memory_kib(), cost.passes()), (1024, 2));
        let (mut memory, mut output) = (vec![Block::new(); 1024], [0; 32]);
        assert!(derive(b"secret", b"salt", cost, &mut memory, &mut output).is_some());
        assert!(memory.iter().all(|block| block.as_ref().iter().any(|word| *word != 0)));
        memory.pop();
        assert_eq!(derive(b"secret", b"salt", cost, &mut memory, &mut output), None);
    }

    #[test]
    fn costs_outside_the_supported_range_are_refused() {
        for (log_n, r, p) in
            [(0, 8, 1), (32, 8, 1), (14, 0, 1), (14, 3, 1), (14, 64, 1), (14, 8, 0)]
        {
            assert_eq!(ScryptCost::new(log_n, r, p), None);
        }
        assert_eq!(ScryptCost::new(31, 32, 16).unwrap().memory_kib(), u32::MAX);
        assert_eq!(ScryptCost::filling(16_384, 2), ScryptCost::new(14, 8, 2));
        assert_eq!(ScryptCost::filling(0, 1), None);
    }
}
