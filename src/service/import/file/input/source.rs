//! Opens the source of an import and undoes its encryption and compression.

use std::{
    fmt::Display,
    fs::File,
    io::{self, BufRead, BufReader, Cursor, Read},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use secrecy::SecretString;
use zeroize::Zeroizing;

use super::{
    compression::{self, Compression},
    text::TextReader,
};
use crate::{
    domain::encoding::{MAXIMUM_BOM_LENGTH, bom_length, require_no_other_encoding},
    security::archive::{ArchiveReader, MAGIC_LENGTH, is_archive},
    service::import::file::error::InputError,
};

/// The source of an import.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    File(PathBuf),
    Stdin,
    /// A file that is in memory, and the most bytes that it may have after decompression.
    Memory(Arc<Zeroizing<Vec<u8>>>, u64),
}

/// Asks for the passphrase of an archive.
pub(crate) type AskPassphrase = fn() -> Result<SecretString, InputError>;

impl From<&Path> for Source {
    /// `-` is standard input.
    fn from(path: &Path) -> Self {
        if path == Path::new("-") { Self::Stdin } else { Self::File(path.to_owned()) }
    }
}

impl Display for Source {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(formatter),
            Self::Stdin => formatter.write_str("standard input"),
            Self::Memory(..) => formatter.write_str("the file"),
        }
    }
}

/// A reader of decoded text.
type Reader = Box<dyn BufRead + Send>;

/// The text of a source.
pub(crate) struct Input {
    pub(crate) source: Source,
    /// UTF-8 without a byte order mark. Other bytes are an error.
    pub(crate) reader: Reader,
    /// Number of bytes of the source in total, if known.
    pub(crate) length: Option<u64>,
    /// True for an encrypted archive of `export --whole`.
    pub(crate) is_archive: bool,
    position: Arc<AtomicU64>,
}

impl Input {
    /// Opens a source. Asks for the passphrase of an archive.
    ///
    /// # Errors
    /// When the source cannot be read, is empty, or has another encoding or an unknown compression.
    pub(crate) fn open(source: &Source, ask: AskPassphrase) -> Result<Self, InputError> {
        Self::open_with(source, |source, reader| decrypt(source, reader, ask))
    }

    /// Opens a source that is not encrypted.
    ///
    /// # Errors
    /// As [`Self::open`], and when the source is an archive.
    pub(crate) fn open_text(source: &Source) -> Result<Self, InputError> {
        Self::open_with(source, |source, _| {
            let next_step = "pass it to `import`, which encrypts its secrets again";
            Err(InputError::new(format!("{source} is an encrypted archive; {next_step}")))
        })
    }

    fn open_with(
        source: &Source,
        decrypt: impl FnOnce(&Source, Reader) -> Result<Reader, InputError>,
    ) -> Result<Self, InputError> {
        let failed = |error: io::Error| InputError::new(format!("{source}: {error}"));
        let position = Arc::new(AtomicU64::new(0));
        let (reader, length): (Box<dyn Read + Send>, _) = match source {
            Source::Stdin => (Box::new(io::stdin()), None),
            Source::Memory(bytes, _) => {
                let length = u64::try_from(bytes.len()).unwrap_or_default();
                (Box::new(Cursor::new(SharedBytes(Arc::clone(bytes)))), Some(length))
            }
            Source::File(path) => {
                let file = File::open(path).map_err(failed)?;
                let length = file.metadata()?.len();
                (Box::new(file), Some(length))
            }
        };
        let counted = Counted { inner: reader, position: Arc::clone(&position) };
        let (head, reader) = peek(Box::new(BufReader::new(counted))).map_err(failed)?;
        require_content(source, &head)?;
        let compression = Compression::detect(&head)
            .map_err(|error| InputError::new(format!("{source} {error}")))?;
        let reader = compression::decompress(compression, reader);
        let reader = match source {
            Source::Memory(_, maximum) => compression::bound(reader, *maximum),
            Source::File(_) | Source::Stdin => reader,
        };
        let (head, reader) = peek(reader).map_err(failed)?;
        require_content(source, &head)?;
        let is_archive = is_archive(&head);
        let reader =
            if is_archive { decrypt(source, reader)? } else { decode(source, &head, reader)? };
        Ok(Self { source: source.clone(), reader, length, is_archive, position })
    }

    /// Text that is in memory.
    #[cfg(feature = "fuzz")]
    pub(crate) fn of_text(reader: Reader) -> Self {
        let reader = Box::new(BufReader::with_capacity(BUFFER, TextReader::new(reader)));
        let position = Arc::new(AtomicU64::new(0));
        Self { source: Source::Stdin, reader, length: None, is_archive: false, position }
    }

    /// Number of bytes of the source that were read.
    pub(crate) fn position(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.position)
    }

    /// A failure that names the source.
    pub(crate) fn failure(&self, problem: impl Display) -> InputError {
        InputError::new(format!("{}: {problem}", self.source))
    }

    /// The first bytes, which are not consumed.
    pub(crate) fn head(&mut self) -> Result<&[u8], InputError> {
        let source = &self.source;
        self.reader.fill_buf().map_err(|error| InputError::new(format!("{source}: {error}")))
    }
}

/// Refuses an empty source, also a compressed one.
fn require_content(source: &Source, head: &[u8]) -> Result<(), InputError> {
    if head.is_empty() {
        return Err(InputError::new(format!("{source} is empty; pass a file with users")));
    }
    Ok(())
}

/// Decrypts an archive.
fn decrypt(source: &Source, reader: Reader, ask: AskPassphrase) -> Result<Reader, InputError> {
    if matches!(source, Source::Stdin) {
        return Err(InputError::new(
            "cannot read an archive from standard input, which is used for its passphrase; pass \
             the file name",
        ));
    }
    let archive = ArchiveReader::new(reader, &ask()?)?;
    Ok(Box::new(BufReader::with_capacity(BUFFER, TextReader::new(BufReader::new(archive)))))
}

/// Skips a byte order mark, and checks that the text is UTF-8.
fn decode(source: &Source, head: &[u8], mut reader: Reader) -> Result<Reader, InputError> {
    let mark = bom_length(head).and_then(|mark| require_no_other_encoding(head).map(|()| mark));
    let mark = mark.map_err(|error| InputError::new(format!("{source} {error}")))?;
    reader.consume(mark);
    Ok(Box::new(BufReader::with_capacity(BUFFER, TextReader::new(reader))))
}

/// The size of a buffer. The first one also shows what a file is.
const BUFFER: usize = 64 * 1024;

/// Reads the first bytes, which are then read again. It waits only for as many as the signatures of
/// archives, compressions and encodings need: a pipe may have no more for now.
fn peek(mut reader: Reader) -> io::Result<(Vec<u8>, Reader)> {
    let needed = MAGIC_LENGTH.max(MAXIMUM_BOM_LENGTH).max(compression::MAGIC_LENGTH);
    let mut head = vec![0; BUFFER];
    let mut length = 0;
    while length < needed {
        let read = match reader.read(head.get_mut(length..).unwrap_or_default()) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        if read == 0 {
            break;
        }
        length += read;
    }
    head.truncate(length);
    let again = Cursor::new(head.clone()).chain(reader);
    Ok((head, Box::new(again)))
}

/// The bytes of a file that is in memory.
struct SharedBytes(Arc<Zeroizing<Vec<u8>>>);

impl AsRef<[u8]> for SharedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Counts the bytes that were read.
struct Counted<R> {
    inner: R,
    position: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.position.fetch_add(u64::try_from(read).unwrap_or_default(), Ordering::Relaxed);
        Ok(read)
    }
}
