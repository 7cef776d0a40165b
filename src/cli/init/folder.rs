//! The folder of an installation, and the rules for what `init` may write there.

use std::{
    fmt::Display,
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use rustix::process::geteuid;

use crate::cli::output::Failure;

/// The permissions of the group and of others to write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// A folder that exists and is safe, or that `init` creates.
#[derive(Debug)]
pub(super) struct Folder {
    /// Absolute.
    pub(super) path: PathBuf,
    pub(super) is_new: bool,
}

impl Folder {
    /// Checks the folder, and that no file in it would be overwritten. Writes nothing.
    ///
    /// # Errors
    /// When others may write the folder, or a file exists.
    pub(super) fn plan(directory: &Path) -> Result<Self, Failure> {
        let path = std::path::absolute(directory)?;
        let is_new = match fs::metadata(&path) {
            Ok(metadata) => {
                require_private(&path, &metadata).map_err(invalid)?;
                false
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let parent = path.parent().filter(|parent| parent.is_dir());
                let missing =
                    || format!("{} is in a folder that does not exist; create it", path.display());
                parent.ok_or_else(missing).map_err(invalid)?;
                true
            }
            Err(error) => return Err(invalid(format!("{}: {error}", path.display()))),
        };
        let folder = Self { path, is_new };
        for file in [folder.settings_file(), folder.password_file()] {
            require_absent(&file).map_err(invalid)?;
        }
        Ok(folder)
    }

    /// The settings file.
    pub(super) fn settings_file(&self) -> PathBuf {
        self.path.join("keeper.toml")
    }

    /// The file with the password of the database.
    pub(super) fn password_file(&self) -> PathBuf {
        self.path.join("database-password")
    }

    /// Where the keyring goes unless another file is named.
    pub(super) fn default_keyring(&self) -> PathBuf {
        self.path.join("keyring.json")
    }

    /// The absolute path of a new keyring.
    ///
    /// # Errors
    /// When the file exists, or others may write its folder.
    pub(super) fn new_keyring(&self, text: &str) -> Result<PathBuf, String> {
        let file = std::path::absolute(text).map_err(|error| error.to_string())?;
        if [self.settings_file(), self.password_file()].contains(&file) {
            return Err(
                "is the name of another file of the installation; choose another".to_owned()
            );
        }
        require_absent(&file)?;
        let parent = file.parent().unwrap_or(Path::new("/"));
        if self.is_new && parent == self.path {
            return Ok(file);
        }
        let unreadable = |error| format!("{}: {error}", parent.display());
        require_private(parent, &fs::metadata(parent).map_err(unreadable)?)?;
        Ok(file)
    }
}

fn invalid(reason: impl Display) -> Failure {
    Failure::new(format!("{reason}; nothing was written"))
}

/// Fails unless only root and this account may write the folder. Others who write it could replace
/// the settings and the keyring.
fn require_private(folder: &Path, metadata: &Metadata) -> Result<(), String> {
    let path = folder.display();
    if !metadata.is_dir() {
        return Err(format!("{path} is not a folder; choose another name"));
    }
    if metadata.mode() & WRITABLE_BY_OTHERS != 0 {
        return Err(format!(
            "permissions on {path} are too open, because other accounts may write it; run \
             `chmod go-w {path}`, or choose another folder"
        ));
    }
    if ![0, geteuid().as_raw()].contains(&metadata.uid()) {
        return Err(format!("{path} belongs to another account; choose another folder"));
    }
    Ok(())
}

/// Fails if the file exists, also as a symbolic link without target.
fn require_absent(file: &Path) -> Result<(), String> {
    match fs::symlink_metadata(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(format!("{}: {error}", file.display())),
        Ok(_) => Err(format!(
            "{} already exists, and `init` never overwrites a file; choose another folder, or \
             remove the file",
            file.display()
        )),
    }
}
