//! Rotates the file of a sink: the full one becomes `.1`, `.1` becomes `.2`, and so on.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

/// Renames the file and those before it, and deletes the oldest one beyond `kept`.
pub(super) fn rotate(path: &Path, kept: u32) -> io::Result<()> {
    let oldest = rotated(path, kept);
    let removed = if kept == 0 { fs::remove_file(path) } else { fs::remove_file(oldest) };
    ignore_missing(removed)?;
    for number in (1..kept).rev() {
        ignore_missing(fs::rename(rotated(path, number), rotated(path, number + 1)))?;
    }
    if kept > 0 {
        fs::rename(path, rotated(path, 1))?;
    }
    sync_folder(path)
}

/// Makes the names in the folder of a file survive a crash of the machine.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn rotated(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

fn ignore_missing(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}
