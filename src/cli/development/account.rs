//! The account that the private PostgreSQL runs as. PostgreSQL refuses to run as root: if root
//! starts `dev`, PostgreSQL runs as `postgres`, or as `nobody` if that user does not exist.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, chown},
        process::CommandExt,
    },
    path::Path,
    process::{Command, Stdio},
};

use nix::unistd::{Uid, User};

use crate::cli::output::Failure;

/// The account that PostgreSQL runs as.
#[derive(Debug, Clone, Copy)]
pub(super) enum Account {
    /// The account that started `dev`.
    Current,
    /// Another account, because `dev` was started as root.
    Other { uid: u32, gid: u32 },
}

impl Account {
    /// Chooses the account.
    pub(super) fn choose() -> Result<Self, Failure> {
        if !Uid::effective().is_root() {
            return Ok(Self::Current);
        }
        for name in ["postgres", "nobody"] {
            if let Some(user) = User::from_name(name)? {
                return Ok(Self::Other { uid: user.uid.as_raw(), gid: user.gid.as_raw() });
            }
        }
        Err(Failure::new(
            "PostgreSQL cannot run as root; create a user postgres, or start dev as another user",
        ))
    }

    /// A command that runs as this account, in a folder that every account can access.
    pub(super) fn command(self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir("/").stdin(Stdio::null());
        if let Self::Other { uid, gid } = self {
            // This also drops the supplementary groups of root.
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Makes the account the owner of a path.
    pub(super) fn own(self, path: &Path) -> Result<(), Failure> {
        if let Self::Other { uid, gid } = self {
            chown(path, Some(uid), Some(gid))?;
        }
        Ok(())
    }

    /// Fails when a folder belongs to another account.
    pub(super) fn check_owner(self, folder: &Path) -> Result<(), Failure> {
        let account = match self {
            Self::Current => Uid::effective().as_raw(),
            Self::Other { uid, .. } => uid,
        };
        if fs::metadata(folder)?.uid() == account {
            return Ok(());
        }
        Err(Failure::new(format!(
            "the database files in {} belong to another user; start dev as that user",
            folder.display()
        )))
    }

    /// True when the account can write to the folder, including access to its parent folders.
    pub(super) fn can_write(self, folder: &Path) -> Result<bool, Failure> {
        if matches!(self, Self::Current) {
            return Ok(true);
        }
        let test = self.command(Path::new("/usr/bin/test")).arg("-w").arg(folder).status()?;
        Ok(test.success())
    }
}
