//! Recognizes compressed input by its first bytes, and decompresses gzip and Zstandard.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::GzDecoder;

use super::{error::CompressedDataError, zstandard::Zstandard};

/// The number of bytes that [`Compression::detect`] reads.
pub(super) const MAGIC_LENGTH: usize = 6;

/// The compression of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Gzip,
    Zstandard,
}

/// The input has a format that is not read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("is {name}, which is not supported; {next_step}")]
pub(super) struct UnknownCompression {
    name: &'static str,
    next_step: &'static str,
}

const DECOMPRESS: &str = "decompress it first, or compress it with gzip or zstd";

/// Formats that are refused by name, with their first bytes and the next step.
const UNSUPPORTED: [(&[u8], &str, &str); 6] = [
    (b"\xfd7zXZ\0", "compressed with xz", DECOMPRESS),
    (b"BZh", "compressed with bzip2", DECOMPRESS),
    (b"\x04\x22\x4d\x18", "compressed with LZ4", DECOMPRESS),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "extract the file first"),
    (
        b"PK\x03\x04",
        "a ZIP archive or a spreadsheet",
        "extract the file, or save the sheet as CSV in UTF-8",
    ),
    (b"\xd0\xcf\x11\xe0", "a spreadsheet of an old version", "save the sheet as CSV in UTF-8"),
];

impl Compression {
    /// Recognizes the compression by the first bytes.
    ///
    /// # Errors
    /// When they are those of another compression.
    pub(super) fn detect(head: &[u8]) -> Result<Self, UnknownCompression> {
        if head.starts_with(b"\x1f\x8b") {
            return Ok(Self::Gzip);
        }
        // A skippable frame may precede the first frame with data, as pzstd writes it.
        let is_skippable = matches!(head, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]);
        if head.starts_with(b"\x28\xb5\x2f\xfd") || is_skippable {
            return Ok(Self::Zstandard);
        }
        match UNSUPPORTED.iter().find(|(magic, ..)| head.starts_with(magic)) {
            Some((_, name, next_step)) => Err(UnknownCompression { name, next_step }),
            None => Ok(Self::None),
        }
    }
}

/// The decompressed input. The memory for it does not depend on its length.
pub(super) fn decompress(
    compression: Compression,
    input: Box<dyn BufRead + Send>,
) -> Box<dyn BufRead + Send> {
    match compression {
        Compression::None => input,
        Compression::Gzip => Box::new(BufReader::new(Gzip::new(input))),
        Compression::Zstandard => Box::new(BufReader::new(Zstandard::new(input))),
    }
}

/// The same data, which fails after that many bytes: a small file can decompress to a huge one.
pub(super) fn bound(input: Box<dyn BufRead + Send>, maximum: u64) -> Box<dyn BufRead + Send> {
    Box::new(BufReader::new(Bounded { input, maximum, left: maximum }))
}

struct Bounded {
    input: Box<dyn BufRead + Send>,
    maximum: u64,
    left: u64,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        let left = self.left.checked_sub(u64::try_from(read).unwrap_or(u64::MAX));
        self.left = left.ok_or(CompressedDataError::TooLong(self.maximum))?;
        Ok(read)
    }
}

/// Decompresses the members of a gzip file (RFC 1952), one after the other, and verifies their
/// checksums.
struct Gzip<R> {
    /// `None` at the end of the last member.
    decoder: Option<GzDecoder<R>>,
    /// Number of decompressed bytes.
    written: u64,
}

impl<R: BufRead> Gzip<R> {
    fn new(input: R) -> Self {
        Self { decoder: Some(GzDecoder::new(input)), written: 0 }
    }

    fn broken(&self, error: &io::Error) -> CompressedDataError {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return CompressedDataError::Truncated("gzip", self.written);
        }
        CompressedDataError::Damaged("gzip", self.written)
    }

    /// Starts the next member, if there is one.
    fn next_member(&mut self) -> io::Result<()> {
        let Some(decoder) = self.decoder.take() else { return Ok(()) };
        let mut input = decoder.into_inner();
        match input.fill_buf()?.first() {
            None => Ok(()),
            Some(0x1f) => {
                self.decoder = Some(GzDecoder::new(input));
                Ok(())
            }
            Some(_) => Err(CompressedDataError::TrailingData("gzip", self.written).into()),
        }
    }
}

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(decoder) = &mut self.decoder {
            let read = decoder.read(buffer);
            let read = read.map_err(|error| self.broken(&error))?;
            if read > 0 || buffer.is_empty() {
                self.written += u64::try_from(read).unwrap_or_default();
                return Ok(read);
            }
            self.next_member()?;
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use flate2::{Compression as Level, write::GzEncoder};

    use super::*;

    /// The word "lines", by `zstd --check` 1.5.
    const ZSTANDARD: &[u8] = b"\x28\xb5\x2f\xfd\x04\x58\x29\0\0lines\x1e\x86\x2c\x7c";

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Level::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn read(bytes: &[u8]) -> Result<Vec<u8>, String> {
        let compression = Compression::detect(bytes).map_err(|error| error.to_string())?;
        let mut text = Vec::new();
        let mut reader = decompress(compression, Box::new(Cursor::new(bytes.to_vec())));
        reader.read_to_end(&mut text).map_err(|error| error.to_string())?;
        Ok(text)
    }

    #[test]
    fn members_and_frames_are_read_one_after_the_other() {
        assert_eq!(read(&[gzip(b"a\n"), gzip(b""), gzip(b"b")].concat()).unwrap(), b"a\nb");
        let skippable = b"\x51\x2a\x4d\x18\x03\0\0\0abc";
        let frames = [skippable.as_slice(), ZSTANDARD, skippable, ZSTANDARD].concat();
        assert_eq!(read(&frames).unwrap(), b"lineslines");
        assert_eq!(read(b"plain").unwrap(), b"plain");
    }

    #[test]
    fn every_truncation_is_found_and_so_is_damage_and_trailing_data() {
        for whole in [gzip(b"some lines"), ZSTANDARD.to_vec()] {
            for length in MAGIC_LENGTH..whole.len() {
                let error = read(&whole[..length]).unwrap_err();
                assert!(error.contains("is truncated: it ends after"), "{length}: {error}");
            }
            for trailing in [&b"x"[..], b"\0\0", b"\x1f", b"\x1f\x8b", b"\x28\xb5", b"\n"] {
                let error = read(&[&whole, trailing].concat()).unwrap_err();
                let is_named = ["other data follows", "is truncated", "is damaged"];
                assert!(is_named.iter().any(|name| error.contains(name)), "{trailing:?}: {error}");
            }
            let mut damaged = whole.clone();
            let last = damaged.len() - 1;
            damaged[last] ^= 1;
            assert!(read(&damaged).unwrap_err().contains("is damaged after"), "{whole:?}");
        }
    }

    #[test]
    fn a_bound_counts_decompressed_bytes() {
        let bomb = gzip(&vec![b'\n'; 100_001]);
        assert!(bomb.len() < 1_000, "{}", bomb.len());
        for (maximum, is_read) in [(100_001, true), (100_000, false), (1, false)] {
            let input = decompress(Compression::Gzip, Box::new(Cursor::new(bomb.clone())));
            let mut text = Vec::new();
            let read = bound(input, maximum).read_to_end(&mut text);
            assert_eq!(read.is_ok(), is_read, "{maximum}");
            let message = read.map_or_else(|error| error.to_string(), |_| String::new());
            assert!(is_read || message.contains("split it"), "{message}");
        }
    }

    #[test]
    fn other_compressions_are_refused_by_name() {
        for (magic, name, _) in UNSUPPORTED {
            assert!(read(&[magic, b"more"].concat()).unwrap_err().contains(name));
        }
    }
}
