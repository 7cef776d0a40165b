//! The data folder of `dev` and its lock.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use crate::cli::output::Failure;

/// An open data folder. It is locked until this value is dropped.
pub(super) struct DataFolder {
    path: PathBuf,
    /// Holds the lock. The operating system releases it when the process ends.
    _lock: File,
}

impl DataFolder {
    /// Creates the folder if it is missing, and locks it.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let failed = |error: io::Error| {
            Failure::new(format!("cannot use the data folder {}: {error}", path.display()))
        };
        DirBuilder::new().recursive(true).mode(0o755).create(path).map_err(failed)?;
        let path = path.canonicalize().map_err(failed)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path.join("lock"))
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(Failure::new(format!(
                "the data folder {} is locked by another dev; stop it or pass another --data",
                path.display()
            ))),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// The absolute path of the folder.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The keyring file.
    pub(super) fn keyring(&self) -> PathBuf {
        self.path.join("keyring.json")
    }

    /// The certificate of `dev --tls`.
    pub(super) fn certificate(&self) -> PathBuf {
        self.path.join("tls-certificate.pem")
    }

    /// The key of [`Self::certificate`].
    pub(super) fn certificate_key(&self) -> PathBuf {
        self.path.join("tls-key.pem")
    }

    /// A unique name for data that is stored outside of the folder. It is deleted with the folder,
    /// so that a new folder never uses the data of a deleted one.
    pub(super) fn identity(&self) -> Result<String, Failure> {
        let file = self.path.join("identity");
        match fs::read_to_string(&file) {
            Ok(text) if is_identity(text.trim()) => Ok(text.trim().to_owned()),
            Ok(_) => Err(Failure::new(format!(
                "invalid identity in {}; delete the data folder to create a new one",
                file.display()
            ))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let identity = uuid::Uuid::new_v4().to_string();
                let temporary = self.path.join("identity.new");
                fs::write(&temporary, format!("{identity}\n"))?;
                fs::rename(&temporary, &file)?;
                Ok(identity)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Validates the text, because it becomes the name of a folder.
fn is_identity(text: &str) -> bool {
    uuid::Uuid::try_parse(text).is_ok_and(|identity| identity.to_string() == text)
}
