//! `keys confirm-backup`: proves that a copy of the keyring opens the database.

use std::{
    fs::{self, File},
    io::{self, IsTerminal},
    os::{fd::AsFd, unix::fs::MetadataExt},
    path::{Path, PathBuf},
    process::ExitCode,
};

use super::{
    command_context,
    output::{self, Failure},
    secret_input::read_input,
};
use crate::{
    clock,
    configuration::Settings,
    security::keyring::{Keyring, StoredKeyring},
    service::keys::backup::confirm_backup,
    startup,
    storage::privileges::GrantedRole,
};

/// Runs the command. Reads the copy from a file or from standard input.
pub(super) async fn confirm(
    mut settings: Settings,
    file: Option<PathBuf>,
) -> Result<ExitCode, Failure> {
    let stored = read_copy(&settings, file.as_deref())?;
    let copy = Keyring::from_file(&startup::open_keyring_copy(&settings, stored).await?)?;
    // Nothing is hashed.
    settings.hashing.threads = 1;
    let components = command_context::open_with(settings, GrantedRole::Service).await?;
    let keyring = components.keyring.current();
    let confirmed = confirm_backup(&components.database, &keyring, &copy, clock::now()).await?;
    output::print_status(format_args!(
        "the copy opens the database; confirmed the backup of {}",
        confirmed.join(", ")
    ));
    Ok(ExitCode::SUCCESS)
}

fn read_copy(settings: &Settings, file: Option<&Path>) -> Result<StoredKeyring, Failure> {
    let metadata = match file {
        Some(file) => fs::metadata(file),
        None => File::from(io::stdin().as_fd().try_clone_to_owned()?).metadata(),
    };
    // A missing file is an error of the next step.
    let identity = metadata.ok().map(|metadata| (metadata.dev(), metadata.ino()));
    let in_use = settings.keyring_file.as_ref().and_then(|path| fs::metadata(path).ok());
    let in_use = in_use.map(|metadata| (metadata.dev(), metadata.ino()));
    if identity.is_some() && identity == in_use {
        return Err(Failure::new(
            "this is the keyring in use (keyring.file), not a copy; pass the copy that you keep elsewhere",
        ));
    }
    if let Some(file) = file {
        return Ok(StoredKeyring::read(file)?);
    }
    // A prompt would read the first line, and the terminal would pass the others to the shell.
    if io::stdin().is_terminal() {
        return Err(Failure::new(
            "standard input is a terminal; pass the copy with --file, or with a pipe",
        ));
    }
    let text = read_input()?;
    StoredKeyring::parse_secret(&text)
        .ok_or_else(|| Failure::new("standard input is not a keyring; pass the copy that you keep"))
}
