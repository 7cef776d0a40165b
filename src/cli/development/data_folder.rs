//! The folder that `dev` keeps its data in, and the lock that says it is in use.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use crate::cli::output::Failure;

/// An open data folder; nobody else can open it until this is dropped.
pub(super) struct DataFolder {
    path: PathBuf,
    /// Held, not read. The system lets go of it however the process ends.
    _lock: File,
}

impl DataFolder {
    /// Makes the folder when it is missing, and takes its lock.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let cannot = |error: io::Error| {
            Failure::because(format!("the data folder {} cannot be used: {error}", path.display()))
        };
        DirBuilder::new().recursive(true).mode(0o755).create(path).map_err(cannot)?;
        let path = path.canonicalize().map_err(cannot)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path.join("lock"))
            .map_err(cannot)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(Failure::because(format!(
                "the data folder {} is in use by another dev",
                path.display()
            ))),
            Err(TryLockError::Error(error)) => Err(cannot(error)),
        }
    }

    /// The folder itself, as an absolute path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The keyring of this trial.
    pub(super) fn keyring(&self) -> PathBuf {
        self.path.join("keyring.json")
    }

    /// A name of this folder's own, for data that has to lie elsewhere. It goes with the folder,
    /// so that a deleted folder never meets its former data again.
    pub(super) fn identity(&self) -> Result<String, Failure> {
        let file = self.path.join("identity");
        match fs::read_to_string(&file) {
            Ok(text) if is_identity(text.trim()) => Ok(text.trim().to_owned()),
            Ok(_) => Err(Failure::because(format!("{} is damaged", file.display()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let identity = uuid::Uuid::new_v4().to_string();
                let unfinished = self.path.join("identity.new");
                fs::write(&unfinished, format!("{identity}\n"))?;
                fs::rename(&unfinished, &file)?;
                Ok(identity)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The text becomes a folder's name, so it is held to what was written.
fn is_identity(text: &str) -> bool {
    uuid::Uuid::try_parse(text).is_ok_and(|identity| identity.to_string() == text)
}
