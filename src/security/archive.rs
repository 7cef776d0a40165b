//! Archives: files encrypted with a passphrase.
//!
//! Argon2id derives the key. XChaCha20-Poly1305 in the STREAM construction (Hoang, Reyhanitabar,
//! Rogaway and Vizár, 2015) encrypts chunk by chunk, which detects changed, moved, missing and
//! truncated chunks.
//!
//! The header is `keeper-archive 1\n`, then memory, passes and lanes of argon2id as big-endian
//! 32-bit numbers, a salt of 16 bytes and a nonce of 19. It is associated data of every chunk.
//! Chunks of 64 KiB follow; the last one is shorter or empty.

use std::io::{self, BufRead, BufReader, Read, Write};

use aead_stream::{DecryptorBE32, EncryptorBE32};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, aead::Payload};
use secrecy::{ExposeSecret, SecretString};
use zeroize::{Zeroize, Zeroizing};

use super::{
    hashing::derive_key,
    random::{RandomError, random_bytes},
};
use crate::domain::stored_credential::HashParameters;

const MAGIC: &[u8] = b"keeper-archive 1\n";
const SALT_LENGTH: usize = 16;
const NONCE_LENGTH: usize = 19;
const HEADER_LENGTH: usize = MAGIC.len() + 12 + SALT_LENGTH + NONCE_LENGTH;
const CHUNK: usize = 64 * 1024;
const TAG_LENGTH: usize = 16;

/// The cost of a guess at the passphrase.
const COST: HashParameters = HashParameters { memory_kib: 131_072, iterations: 3, parallelism: 1 };

/// Limits of the parameters in a header.
const MAXIMUM_MEMORY_KIB: u32 = 1024 * 1024;
const MAXIMUM_PASSES: u32 = 16;

/// The shortest passphrase, in bytes. Guessing offline is not throttled.
const MINIMUM_PASSPHRASE: usize = 12;

/// An archive could not be written or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArchiveError {
    #[error("the passphrase must have at least {MINIMUM_PASSPHRASE} bytes")]
    ShortPassphrase,
    #[error("the archive has an unsupported version or parameters out of range")]
    Unknown,
    #[error("failed to derive a key from the passphrase")]
    Key,
    #[error(transparent)]
    Random(#[from] RandomError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A writer that encrypts its input.
pub(crate) struct ArchiveWriter<W: Write> {
    out: W,
    header: Vec<u8>,
    stream: EncryptorBE32<XChaCha20Poly1305>,
    chunk: Zeroizing<Vec<u8>>,
}

impl<W: Write> ArchiveWriter<W> {
    /// Writes the header of an archive.
    ///
    /// # Errors
    /// See [`ArchiveError`].
    pub(crate) fn new(out: W, passphrase: &SecretString) -> Result<Self, ArchiveError> {
        Self::with_cost(out, passphrase, COST)
    }

    /// As [`Self::new`], with another cost of a guess.
    pub(super) fn with_cost(
        mut out: W,
        passphrase: &SecretString,
        cost: HashParameters,
    ) -> Result<Self, ArchiveError> {
        if passphrase.expose_secret().len() < MINIMUM_PASSPHRASE {
            return Err(ArchiveError::ShortPassphrase);
        }
        let (salt, nonce) = (random_bytes::<SALT_LENGTH>()?, random_bytes::<NONCE_LENGTH>()?);
        let numbers = [cost.memory_kib, cost.iterations, cost.parallelism].map(u32::to_be_bytes);
        let header = [MAGIC, &numbers.concat(), &salt, &nonce].concat();
        let stream = EncryptorBE32::from_aead(cipher(passphrase, &salt, cost)?, &nonce.into());
        out.write_all(&header)?;
        let chunk = Zeroizing::new(Vec::with_capacity(CHUNK));
        Ok(Self { out, header, stream, chunk })
    }

    /// Writes the last chunk. Without it, the archive is truncated.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn finish(mut self) -> Result<W, ArchiveError> {
        let payload = Payload { msg: &self.chunk, aad: &self.header };
        let sealed = self.stream.encrypt_last(payload).map_err(|_| too_long())?;
        self.out.write_all(&sealed)?;
        self.out.flush()?;
        Ok(self.out)
    }
}

impl<W: Write> Write for ArchiveWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full chunk is encrypted when more follows, because the last one is marked as such.
        if self.chunk.len() == CHUNK {
            let payload = Payload { msg: &self.chunk, aad: &self.header };
            let sealed = self.stream.encrypt_next(payload).map_err(|_| too_long())?;
            self.out.write_all(&sealed)?;
            self.chunk.clear();
        }
        let taken = bytes.len().min(CHUNK - self.chunk.len());
        self.chunk.extend_from_slice(bytes.get(..taken).unwrap_or_default());
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// The number of bytes that [`is_archive`] reads.
pub(crate) const MAGIC_LENGTH: usize = MAGIC.len();

/// True when a file starts like an archive.
pub(crate) fn is_archive(start: &[u8]) -> bool {
    start.starts_with(MAGIC)
}

/// The state of a reader.
enum State {
    Inside(DecryptorBE32<XChaCha20Poly1305>),
    /// After the last chunk.
    Ended,
    Damaged,
}

/// Decrypts an archive chunk by chunk. Reading a damaged chunk is an error.
pub(crate) struct ArchiveReader<R: Read> {
    input: BufReader<R>,
    header: Vec<u8>,
    state: State,
    chunk: Zeroizing<Vec<u8>>,
    position: usize,
}

impl<R: Read> ArchiveReader<R> {
    /// Reads the header of an archive.
    ///
    /// # Errors
    /// See [`ArchiveError`]. Reading the first chunk shows whether the passphrase is right.
    pub(crate) fn new(input: R, passphrase: &SecretString) -> Result<Self, ArchiveError> {
        let mut input = BufReader::with_capacity(CHUNK + TAG_LENGTH, input);
        let mut header = vec![0; HEADER_LENGTH];
        input.read_exact(&mut header)?;
        let mut rest = header.strip_prefix(MAGIC).ok_or(ArchiveError::Unknown)?;
        let mut number = || take::<4>(&mut rest).map(u32::from_be_bytes);
        let numbers = (number(), number(), number());
        let (Some(memory_kib), Some(iterations), Some(parallelism)) = numbers else {
            return Err(ArchiveError::Unknown);
        };
        let cost = HashParameters { memory_kib, iterations, parallelism };
        if memory_kib > MAXIMUM_MEMORY_KIB || iterations > MAXIMUM_PASSES || parallelism != 1 {
            return Err(ArchiveError::Unknown);
        }
        let salt = take::<SALT_LENGTH>(&mut rest).ok_or(ArchiveError::Unknown)?;
        let nonce = take::<NONCE_LENGTH>(&mut rest).ok_or(ArchiveError::Unknown)?;
        let stream = DecryptorBE32::from_aead(cipher(passphrase, &salt, cost)?, &nonce.into());
        let chunk = Zeroizing::new(Vec::new());
        Ok(Self { input, header, state: State::Inside(stream), chunk, position: 0 })
    }

    fn next_chunk(&mut self) -> io::Result<()> {
        let mut sealed = Vec::with_capacity(CHUNK + TAG_LENGTH);
        let longest = u64::try_from(CHUNK + TAG_LENGTH).unwrap_or(u64::MAX);
        (&mut self.input).take(longest).read_to_end(&mut sealed)?;
        let is_last = loop {
            match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                filled => break filled?.is_empty(),
            }
        };
        let payload = Payload { msg: &sealed, aad: &self.header };
        self.chunk.zeroize();
        self.position = 0;
        // Until the chunk is decrypted, the state is that of a damaged archive.
        let state = std::mem::replace(&mut self.state, State::Damaged);
        let State::Inside(mut stream) = state else { return Err(damaged()) };
        if is_last {
            *self.chunk = stream.decrypt_last(payload).map_err(|_| damaged())?;
            self.state = State::Ended;
        } else {
            *self.chunk = stream.decrypt_next(payload).map_err(|_| damaged())?;
            self.state = State::Inside(stream);
        }
        Ok(())
    }
}

impl<R: Read> Read for ArchiveReader<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut opened = self.fill_buf()?;
        let length = opened.read(into)?;
        self.consume(length);
        Ok(length)
    }
}

impl<R: Read> BufRead for ArchiveReader<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.position >= self.chunk.len() {
            match self.state {
                State::Inside(_) => self.next_chunk()?,
                State::Ended => break,
                State::Damaged => return Err(damaged()),
            }
        }
        Ok(self.chunk.get(self.position..).unwrap_or_default())
    }

    fn consume(&mut self, amount: usize) {
        self.position += amount;
    }
}

fn cipher(
    passphrase: &SecretString,
    salt: &[u8],
    cost: HashParameters,
) -> Result<XChaCha20Poly1305, ArchiveError> {
    let key = derive_key(passphrase, salt, cost).map_err(|_| ArchiveError::Key)?;
    Ok(XChaCha20Poly1305::new((&*key).into()))
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*taken)
}

fn damaged() -> io::Error {
    let reason = "the passphrase is wrong, or the archive is damaged or truncated";
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// 2^32 chunks are 256 TiB.
fn too_long() -> io::Error {
    io::Error::other("the archive is too long")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passphrase(text: &str) -> SecretString {
        SecretString::from(text)
    }

    fn archive_of(content: &[u8]) -> Vec<u8> {
        let mut writer = ArchiveWriter::new(Vec::new(), &passphrase("correct horse")).unwrap();
        writer.write_all(content).unwrap();
        writer.finish().unwrap()
    }

    fn open(archive: &[u8], passphrase_text: &str) -> Result<Vec<u8>, ArchiveError> {
        let mut content = Vec::new();
        ArchiveReader::new(archive, &passphrase(passphrase_text))?.read_to_end(&mut content)?;
        Ok(content)
    }

    #[test]
    fn an_archive_opens_with_its_passphrase_and_no_other() {
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            let content: Vec<u8> = (0..=255).cycle().take(length).collect();
            let archive = archive_of(&content);
            assert!(is_archive(&archive));
            assert_eq!(open(&archive, "correct horse").unwrap(), content, "{length}");
        }
        assert!(open(&archive_of(b"x"), "correct horsf").is_err());
        let short = ArchiveWriter::new(Vec::new(), &passphrase("eleven byte"));
        assert!(matches!(short.err(), Some(ArchiveError::ShortPassphrase)));
    }

    #[test]
    fn a_changed_moved_missing_or_truncated_chunk_is_detected() {
        let content = vec![7; 2 * CHUNK + 10];
        let archive = archive_of(&content);
        let step = CHUNK + TAG_LENGTH;
        let (head, chunks) = archive.split_at(HEADER_LENGTH);
        let (one, two, last) = (&chunks[..step], &chunks[step..2 * step], &chunks[2 * step..]);
        for changed in [
            [head, two, one, last].concat(),
            [head, one, last].concat(),
            [head, one, two].concat(),
            [head, one].concat(),
            head.to_vec(),
            [head, one, two, last, &[0]].concat(),
            [head, one, two, &last[..last.len() - 1]].concat(),
        ] {
            assert!(open(&changed, "correct horse").is_err());
        }
        // In the header: salt and nonce. The next test changes its parameters.
        for place in [MAGIC.len() + 12, HEADER_LENGTH - 1, HEADER_LENGTH + 5, archive.len() - 1] {
            let mut changed = archive.clone();
            changed[place] ^= 1;
            assert!(open(&changed, "correct horse").is_err(), "{place}");
        }
    }

    #[test]
    fn an_archive_with_excessive_parameters_is_refused_without_deriving_the_key() {
        let mut archive = archive_of(b"x");
        for (place, value) in [(0, 1), (4, 1), (11, 2)] {
            let kept = archive[MAGIC.len() + place];
            archive[MAGIC.len() + place] = value;
            assert!(matches!(open(&archive, "correct horse"), Err(ArchiveError::Unknown)));
            archive[MAGIC.len() + place] = kept;
        }
        assert!(open(&archive, "correct horse").is_ok());
    }
}
