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

use super::{
    compression::{self, Compression},
    text::TextReader,
};
use crate::{
    cli::{output::Failure, secret_input::read_secret},
    domain::encoding::{MAXIMUM_BOM_LENGTH, bom_length, require_no_other_encoding},
    security::archive::{ArchiveReader, MAGIC_LENGTH, is_archive},
};

/// The source of an import.
#[derive(Debug, Clone)]
pub(in crate::cli::import) enum Source {
    File(PathBuf),
    Stdin,
}

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
        }
    }
}

/// A reader of decoded text.
type Reader = Box<dyn BufRead + Send>;

/// The text of a source.
pub(in crate::cli::import) struct Input {
    pub(in crate::cli::import) source: Source,
    /// UTF-8 without a byte order mark. Other bytes are an error.
    pub(in crate::cli::import) reader: Reader,
    /// Number of bytes of the source in total, if known.
    pub(in crate::cli::import) length: Option<u64>,
    /// True for an encrypted archive of `export --whole`.
    pub(in crate::cli::import) is_archive: bool,
    position: Arc<AtomicU64>,
}

impl Input {
    /// Opens a source. Asks for the passphrase of an archive.
    ///
    /// # Errors
    /// When the source cannot be read, is empty, or has another encoding or an unknown compression.
    pub(in crate::cli::import) fn open(source: &Source) -> Result<Self, Failure> {
        Self::open_with(source, decrypt)
    }

    /// Opens a source that is not encrypted.
    ///
    /// # Errors
    /// As [`Self::open`], and when the source is an archive.
    pub(in crate::cli::import) fn open_text(source: &Source) -> Result<Self, Failure> {
        Self::open_with(source, |source, _| {
            let next_step = "pass it to `import`, which encrypts its secrets again";
            Err(Failure::new(format!("{source} is an encrypted archive; {next_step}")))
        })
    }

    fn open_with(
        source: &Source,
        decrypt: impl FnOnce(&Source, Reader) -> Result<Reader, Failure>,
    ) -> Result<Self, Failure> {
        let failed = |error: io::Error| Failure::new(format!("{source}: {error}"));
        let position = Arc::new(AtomicU64::new(0));
        let (reader, length): (Box<dyn Read + Send>, _) = match source {
            Source::Stdin => (Box::new(io::stdin()), None),
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
            .map_err(|error| Failure::new(format!("{source} {error}")))?;
        let (head, reader) = peek(compression::decompress(compression, reader)).map_err(failed)?;
        require_content(source, &head)?;
        let is_archive = is_archive(&head);
        let reader =
            if is_archive { decrypt(source, reader)? } else { decode(source, &head, reader)? };
        Ok(Self { source: source.clone(), reader, length, is_archive, position })
    }

    /// Text that is in memory.
    #[cfg(feature = "fuzz")]
    pub(in crate::cli::import) fn of_text(reader: Reader) -> Self {
        let reader = Box::new(BufReader::with_capacity(BUFFER, TextReader::new(reader)));
        let position = Arc::new(AtomicU64::new(0));
        Self { source: Source::Stdin, reader, length: None, is_archive: false, position }
    }

    /// Number of bytes of the source that were read.
    pub(in crate::cli::import) fn position(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.position)
    }

    /// A failure that names the source.
    pub(in crate::cli::import) fn failure(&self, problem: impl Display) -> Failure {
        Failure::new(format!("{}: {problem}", self.source))
    }

    /// The first bytes, which are not consumed.
    pub(in crate::cli::import) fn head(&mut self) -> Result<&[u8], Failure> {
        let source = &self.source;
        self.reader.fill_buf().map_err(|error| Failure::new(format!("{source}: {error}")))
    }
}

/// Refuses an empty source, also a compressed one.
fn require_content(source: &Source, head: &[u8]) -> Result<(), Failure> {
    if head.is_empty() {
        return Err(Failure::new(format!("{source} is empty; pass a file with users")));
    }
    Ok(())
}

/// Decrypts an archive.
fn decrypt(source: &Source, reader: Reader) -> Result<Reader, Failure> {
    if matches!(source, Source::Stdin) {
        return Err(Failure::new(
            "cannot read an archive from standard input, which is used for its passphrase; pass \
             the file name",
        ));
    }
    let archive = ArchiveReader::new(reader, &read_secret("Passphrase")?)?;
    Ok(Box::new(BufReader::with_capacity(BUFFER, TextReader::new(BufReader::new(archive)))))
}

/// Skips a byte order mark, and checks that the text is UTF-8.
fn decode(source: &Source, head: &[u8], mut reader: Reader) -> Result<Reader, Failure> {
    let mark = bom_length(head).and_then(|mark| require_no_other_encoding(head).map(|()| mark));
    let mark = mark.map_err(|error| Failure::new(format!("{source} {error}")))?;
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
