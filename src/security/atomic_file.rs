//! Writes a file with a secret as a whole, so that an interrupted command leaves no part of it.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use data_encoding::HEXLOWER;

use super::random::random_bytes;

/// Why a file is not written for certain.
#[derive(Debug)]
pub(super) enum WriteError {
    /// The file is as it was before.
    Unchanged(io::Error),
    /// The file is changed, but the change may not survive a crash of the machine.
    NotDurable(io::Error),
}

/// Writes a temporary file in the folder of `path`, with mode 0400, and moves it into place.
///
/// # Errors
/// See [`WriteError`].
pub(super) fn write_atomically(
    path: &Path,
    text: &str,
    move_into_place: impl FnOnce(&File, &OsStr) -> io::Result<()>,
) -> Result<(), WriteError> {
    write_and_sync(path, text, move_into_place, File::sync_all)
}

/// As [`write_atomically`]. `sync_folder` makes the names in a folder durable.
fn write_and_sync(
    path: &Path,
    text: &str,
    move_into_place: impl FnOnce(&File, &OsStr) -> io::Result<()>,
    sync_folder: impl Fn(&File) -> io::Result<()>,
) -> Result<(), WriteError> {
    // In a container, every command has the same process id.
    let suffix = random_bytes::<8>();
    let suffix = suffix.map_err(|error| WriteError::Unchanged(io::Error::other(error)))?;
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}", HEXLOWER.encode(&suffix)));
    let file = OpenOptions::new().write(true).create_new(true).mode(0o400).open(&temporary);
    let mut file = file.map_err(WriteError::Unchanged)?;
    let write = || -> io::Result<File> {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        // Before the move, so that a file system that cannot sync a folder changes nothing.
        let folder = File::open(folder_of(path))?;
        sync_folder(&folder)?;
        move_into_place(&file, &temporary)?;
        Ok(folder)
    };
    let moved = write().map_err(WriteError::Unchanged);
    let written = moved.and_then(|folder| sync_folder(&folder).map_err(WriteError::NotDurable));
    // Removes the temporary name. It does not exist if the file was renamed.
    let _ = fs::remove_file(&temporary);
    written
}

/// The folder of a file.
pub(super) fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_failure_after_the_move_is_told_apart_from_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "former").unwrap();
        // The disk fails after this number of syncs of the folder.
        let replace = |text: &str, syncs: u32| {
            let left = Cell::new(syncs);
            let sync_folder = |_: &File| -> io::Result<()> {
                let rest = left.get().checked_sub(1).ok_or_else(|| io::Error::other("no disk"))?;
                left.set(rest);
                Ok(())
            };
            let rename = |_: &File, temporary: &OsStr| fs::rename(temporary, &path);
            write_and_sync(&path, text, rename, sync_folder)
        };
        assert!(matches!(replace("first", 0), Err(WriteError::Unchanged(_))));
        assert_eq!(fs::read(&path).unwrap(), b"former");
        assert!(matches!(replace("second", 1), Err(WriteError::NotDurable(_))));
        assert_eq!(fs::read(&path).unwrap(), b"second");
        replace("third", 2).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"third");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
