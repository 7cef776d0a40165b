//! The states of files, which show whether a file has changed.

use std::{
    fs::{self, Metadata},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// The state of each file; `None` for a file that cannot be found.
pub(super) type Fingerprints = Vec<Option<Fingerprint>>;

/// What changes when a file is replaced, written or gets other permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fingerprint {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// Looks at the files.
pub(super) fn fingerprints(files: &[PathBuf]) -> Fingerprints {
    files.iter().map(|file| fingerprint(file)).collect()
}

/// The state of the file that symbolic links lead to.
fn fingerprint(file: &Path) -> Option<Fingerprint> {
    let of = |metadata: Metadata| Fingerprint {
        device: metadata.dev(),
        inode: metadata.ino(),
        size: metadata.size(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    };
    fs::metadata(file).ok().map(of)
}
