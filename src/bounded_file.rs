//! Reads the files that settings name, up to a length that none of them needs. A setting with a wrong
//! path, such as that of a log or a device, must not use up the memory.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use zeroize::Zeroizing;

/// The maximum length of a file, in bytes.
pub(crate) const MAXIMUM_LENGTH: u64 = 1024 * 1024;

/// Reads a file.
///
/// # Errors
/// When it cannot be read, or is longer than [`MAXIMUM_LENGTH`] ([`io::ErrorKind::FileTooLarge`]).
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    read_opened(&File::open(path)?).map(|mut bytes| std::mem::take(&mut *bytes))
}

/// Reads an opened file, which may contain a secret.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_opened(file: &File) -> io::Result<Zeroizing<Vec<u8>>> {
    let metadata = file.metadata()?;
    // A pipe has no length.
    let expected = if metadata.is_file() { metadata.len() } else { MAXIMUM_LENGTH };
    if expected > MAXIMUM_LENGTH {
        return Err(too_long());
    }
    // More than the content, so that the buffer does not grow: a copy of a secret would remain.
    let capacity = usize::try_from(expected + 1024).map_err(io::Error::other)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(capacity));
    // One byte more tells a longer file, such as one that grows meanwhile.
    file.take(MAXIMUM_LENGTH + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAXIMUM_LENGTH { Err(too_long()) } else { Ok(bytes) }
}

fn too_long() -> io::Error {
    let text = "the file is longer than 1 MiB; check that it is the right one";
    io::Error::new(io::ErrorKind::FileTooLarge, text)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_is_read_as_a_whole_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let maximum = usize::try_from(MAXIMUM_LENGTH).unwrap();
        for length in [0, 1, 31, 32, 33, 1024, 1025, 70_000, maximum - 1, maximum] {
            let content: Vec<_> = (0..length).map(|position| position.to_le_bytes()[0]).collect();
            fs::write(&path, &content).unwrap();
            assert_eq!(read(&path).unwrap(), content, "{length}");
            let read = read_opened(&File::open(&path).unwrap()).unwrap();
            assert!(read.capacity() < length + 2048, "the buffer grew: {}", read.capacity());
        }
        fs::write(&path, vec![b'x'; maximum + 1]).unwrap();
        for endless in [&*path, Path::new("/dev/zero")] {
            assert_eq!(read(endless).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        }
        assert_eq!(read(folder.path()).unwrap_err().kind(), io::ErrorKind::IsADirectory);
    }
}
