//! Writes a `tar.gz` archive (POSIX ustar) of small text files.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use flate2::{Compression, write::GzEncoder};

/// The size of a block of an archive.
const BLOCK: usize = 512;

/// An archive that is being written. Only its owner may read it.
pub(super) struct Archive {
    encoder: GzEncoder<File>,
    /// The time of each file, in seconds since 1970.
    modified: i64,
}

impl Archive {
    /// Creates the file, which must not exist.
    ///
    /// # Errors
    /// When it exists or cannot be created.
    pub(super) fn create(path: &Path, modified: i64) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        Ok(Self { encoder: GzEncoder::new(file, Compression::default()), modified })
    }

    /// Adds a file.
    ///
    /// # Errors
    /// When the archive cannot be written.
    pub(super) fn add(&mut self, name: &str, content: &str) -> io::Result<()> {
        self.encoder.write_all(&header(name, content.len(), self.modified))?;
        self.encoder.write_all(content.as_bytes())?;
        let padding = content.len().next_multiple_of(BLOCK) - content.len();
        self.encoder.write_all(&vec![0; padding])
    }

    /// Ends the archive and writes it to the disk.
    ///
    /// # Errors
    /// When the archive cannot be written.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.encoder.write_all(&[0; 2 * BLOCK])?;
        self.encoder.finish()?.sync_all()
    }
}

/// The header of a regular file with mode 0600.
fn header(name: &str, size: usize, modified: i64) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    let mut put = |offset: usize, field: &[u8]| {
        for (target, byte) in header.iter_mut().skip(offset).zip(field) {
            *target = *byte;
        }
    };
    put(0, name.as_bytes());
    put(100, b"0000600\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, format!("{:011o}\0", modified.max(0)).as_bytes());
    // The checksum is computed as if its field had spaces.
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().copied().map(u32::from).sum();
    let text = format!("{sum:06o}\0 ");
    for (target, byte) in header.iter_mut().skip(148).zip(text.bytes()) {
        *target = byte;
    }
    header
}
