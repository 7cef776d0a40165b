//! A named pipe in place of a file: a volume that does not answer.

use std::{fs::File, path::Path};

use rustix::fs::{CWD, FileType, Mode, mknodat};

/// Makes a named pipe. Opening it blocks until the other end is opened.
pub(crate) fn make_pipe(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
}

/// Replaces a pipe with a file, and ends the reads that wait for it.
pub(crate) fn end_pipe(path: &Path, replace: impl FnOnce()) {
    let both_ends = File::options().read(true).write(true).open(path).unwrap();
    replace();
    drop(both_ends);
}
