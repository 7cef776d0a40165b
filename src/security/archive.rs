//! A file that only a passphrase opens: argon2id makes the key, XChaCha20-Poly1305 in the STREAM
//! construction (Hoang, Reyhanitabar, Rogaway and Vizár, 2015) seals it piece by piece, so that
//! neither a changed byte nor a piece that was moved, left out or cut off at the end goes unnoticed.
//!
//! `keeper-archive 1\n`, then memory, passes and lanes of argon2id as three big-endian numbers, 16
//! bytes of salt and 19 of nonce, which are associated data of every piece; then pieces of 64 KiB,
//! the last one shorter or empty.

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
const PIECE: usize = 64 * 1024;
const TAG_LENGTH: usize = 16;

/// What a guess at the passphrase costs.
const COST: HashParameters = HashParameters { memory_kib: 131_072, iterations: 3, parallelism: 1 };

/// No archive may ask for more.
const MAXIMUM_MEMORY_KIB: u32 = 1024 * 1024;
const MAXIMUM_PASSES: u32 = 16;

/// The shortest passphrase, in bytes: whoever has the file can try as long as they like.
const MINIMUM_PASSPHRASE: usize = 12;

/// Why there is no archive.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArchiveError {
    #[error("the passphrase must have at least {MINIMUM_PASSPHRASE} bytes")]
    ShortPassphrase,
    #[error("the archive is of another version, or asks for too much")]
    Unknown,
    #[error("no key could be made of the passphrase")]
    Key,
    #[error(transparent)]
    Random(#[from] RandomError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Seals what is written to it.
pub(crate) struct ArchiveWriter<W: Write> {
    out: W,
    header: Vec<u8>,
    stream: EncryptorBE32<XChaCha20Poly1305>,
    piece: Zeroizing<Vec<u8>>,
}

impl<W: Write> ArchiveWriter<W> {
    /// Begins an archive.
    ///
    /// # Errors
    /// See [`ArchiveError`].
    pub(crate) fn new(mut out: W, passphrase: &SecretString) -> Result<Self, ArchiveError> {
        if passphrase.expose_secret().len() < MINIMUM_PASSPHRASE {
            return Err(ArchiveError::ShortPassphrase);
        }
        let (salt, nonce) = (random_bytes::<SALT_LENGTH>()?, random_bytes::<NONCE_LENGTH>()?);
        let numbers = [COST.memory_kib, COST.iterations, COST.parallelism].map(u32::to_be_bytes);
        let header = [MAGIC, &numbers.concat(), &salt, &nonce].concat();
        let stream = EncryptorBE32::from_aead(cipher(passphrase, &salt, COST)?, &nonce.into());
        out.write_all(&header)?;
        let piece = Zeroizing::new(Vec::with_capacity(PIECE));
        Ok(Self { out, header, stream, piece })
    }

    /// Ends the archive; without that it does not open.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn finish(mut self) -> Result<W, ArchiveError> {
        let payload = Payload { msg: &self.piece, aad: &self.header };
        let sealed = self.stream.encrypt_last(payload).map_err(|_| too_long())?;
        self.out.write_all(&sealed)?;
        self.out.flush()?;
        Ok(self.out)
    }
}

impl<W: Write> Write for ArchiveWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full piece is sealed when more comes, because the last one is sealed as such.
        if self.piece.len() == PIECE {
            let payload = Payload { msg: &self.piece, aad: &self.header };
            let sealed = self.stream.encrypt_next(payload).map_err(|_| too_long())?;
            self.out.write_all(&sealed)?;
            self.piece.clear();
        }
        let taken = bytes.len().min(PIECE - self.piece.len());
        self.piece.extend_from_slice(bytes.get(..taken).unwrap_or_default());
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// How many bytes [`is_archive`] has to see.
pub(crate) const LONGEST_HEAD: usize = MAGIC.len();

/// True when a file begins as an archive does.
pub(crate) fn is_archive(start: &[u8]) -> bool {
    start.starts_with(MAGIC)
}

/// Where a reader is.
enum State {
    Inside(DecryptorBE32<XChaCha20Poly1305>),
    /// After the last piece.
    Ended,
    Damaged,
}

/// Opens what an archive holds, piece by piece; a damaged one is an error where the damage is.
pub(crate) struct ArchiveReader<R: Read> {
    input: BufReader<R>,
    header: Vec<u8>,
    state: State,
    piece: Zeroizing<Vec<u8>>,
    position: usize,
}

impl<R: Read> ArchiveReader<R> {
    /// Reads the head of an archive.
    ///
    /// # Errors
    /// See [`ArchiveError`]. Whether the passphrase is right shows with the first piece.
    pub(crate) fn new(input: R, passphrase: &SecretString) -> Result<Self, ArchiveError> {
        let mut input = BufReader::with_capacity(PIECE + TAG_LENGTH, input);
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
        let piece = Zeroizing::new(Vec::new());
        Ok(Self { input, header, state: State::Inside(stream), piece, position: 0 })
    }

    fn next_piece(&mut self) -> io::Result<()> {
        let mut sealed = Vec::with_capacity(PIECE + TAG_LENGTH);
        let longest = u64::try_from(PIECE + TAG_LENGTH).unwrap_or(u64::MAX);
        (&mut self.input).take(longest).read_to_end(&mut sealed)?;
        let is_last = loop {
            match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                filled => break filled?.is_empty(),
            }
        };
        let payload = Payload { msg: &sealed, aad: &self.header };
        self.piece.zeroize();
        self.position = 0;
        // Until the piece has opened, the state is that of a damaged archive.
        let state = std::mem::replace(&mut self.state, State::Damaged);
        let State::Inside(mut stream) = state else { return Err(damaged()) };
        if is_last {
            *self.piece = stream.decrypt_last(payload).map_err(|_| damaged())?;
            self.state = State::Ended;
        } else {
            *self.piece = stream.decrypt_next(payload).map_err(|_| damaged())?;
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
        while self.position >= self.piece.len() {
            match self.state {
                State::Inside(_) => self.next_piece()?,
                State::Ended => break,
                State::Damaged => return Err(damaged()),
            }
        }
        Ok(self.piece.get(self.position..).unwrap_or_default())
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
    let reason = "the passphrase is wrong, or the archive is damaged or cut off";
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// 2^32 pieces are 256 TiB.
fn too_long() -> io::Error {
    io::Error::other("the archive is too long")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passphrase(text: &str) -> SecretString {
        SecretString::from(text)
    }

    fn sealed(content: &[u8]) -> Vec<u8> {
        let mut writer = ArchiveWriter::new(Vec::new(), &passphrase("correct horse")).unwrap();
        writer.write_all(content).unwrap();
        writer.finish().unwrap()
    }

    fn open(archive: &[u8], with: &str) -> Result<Vec<u8>, ArchiveError> {
        let mut content = Vec::new();
        ArchiveReader::new(archive, &passphrase(with))?.read_to_end(&mut content)?;
        Ok(content)
    }

    #[test]
    fn what_was_sealed_opens_with_its_passphrase_and_no_other() {
        for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE] {
            let content: Vec<u8> = (0..=255).cycle().take(length).collect();
            let archive = sealed(&content);
            assert!(is_archive(&archive));
            assert_eq!(open(&archive, "correct horse").unwrap(), content, "{length}");
        }
        assert!(open(&sealed(b"x"), "correct horsf").is_err());
        let short = ArchiveWriter::new(Vec::new(), &passphrase("eleven byte"));
        assert!(matches!(short.err(), Some(ArchiveError::ShortPassphrase)));
    }

    #[test]
    fn neither_a_byte_nor_a_piece_can_change_move_or_go() {
        let content = vec![7; 2 * PIECE + 10];
        let archive = sealed(&content);
        let step = PIECE + TAG_LENGTH;
        let (head, pieces) = archive.split_at(HEADER_LENGTH);
        let (one, two, last) = (&pieces[..step], &pieces[step..2 * step], &pieces[2 * step..]);
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
        // Of the head: salt and nonce. Its cost is tried by the next test.
        for place in [MAGIC.len() + 12, HEADER_LENGTH - 1, HEADER_LENGTH + 5, archive.len() - 1] {
            let mut changed = archive.clone();
            changed[place] ^= 1;
            assert!(open(&changed, "correct horse").is_err(), "{place}");
        }
    }

    #[test]
    fn an_archive_that_asks_for_too_much_is_refused_without_being_tried() {
        let mut archive = sealed(b"x");
        for (place, value) in [(0, 1), (4, 1), (11, 2)] {
            let kept = archive[MAGIC.len() + place];
            archive[MAGIC.len() + place] = value;
            assert!(matches!(open(&archive, "correct horse"), Err(ArchiveError::Unknown)));
            archive[MAGIC.len() + place] = kept;
        }
        assert!(open(&archive, "correct horse").is_ok());
    }
}
