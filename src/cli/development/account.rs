//! The account that the private PostgreSQL runs as. It refuses to run as root, so root lends it
//! `postgres`, or `nobody` where there is no such user.

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

/// Who PostgreSQL runs as.
#[derive(Debug, Clone, Copy)]
pub(super) enum Account {
    /// Whoever started `dev`.
    Own,
    /// Another user, because `dev` was started as root.
    Lent { uid: u32, gid: u32 },
}

impl Account {
    /// The account for this process.
    pub(super) fn choose() -> Result<Self, Failure> {
        if !Uid::effective().is_root() {
            return Ok(Self::Own);
        }
        for name in ["postgres", "nobody"] {
            if let Some(user) = User::from_name(name)? {
                return Ok(Self::Lent { uid: user.uid.as_raw(), gid: user.gid.as_raw() });
            }
        }
        Err(Failure::because(
            "PostgreSQL refuses to run as root, and there is neither a postgres nor a nobody user",
        ))
    }

    /// A command that will run as this account, from a folder that everybody can enter.
    pub(super) fn command(self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir("/").stdin(Stdio::null());
        if let Self::Lent { uid, gid } = self {
            // Also drops root's supplementary groups.
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Makes the account the owner of a path.
    pub(super) fn own(self, path: &Path) -> Result<(), Failure> {
        if let Self::Lent { uid, gid } = self {
            chown(path, Some(uid), Some(gid))?;
        }
        Ok(())
    }

    /// Fails when a folder belongs to somebody else.
    pub(super) fn check_owner(self, folder: &Path) -> Result<(), Failure> {
        let account = match self {
            Self::Own => Uid::effective().as_raw(),
            Self::Lent { uid, .. } => uid,
        };
        if fs::metadata(folder)?.uid() == account {
            return Ok(());
        }
        Err(Failure::because(format!(
            "the database files in {} belong to another user: start dev as whoever made them",
            folder.display()
        )))
    }

    /// True when the account can write into the folder, through all the folders above it.
    pub(super) fn can_write(self, folder: &Path) -> Result<bool, Failure> {
        if matches!(self, Self::Own) {
            return Ok(true);
        }
        let test = self.command(Path::new("/usr/bin/test")).arg("-w").arg(folder).status()?;
        Ok(test.success())
    }
}
