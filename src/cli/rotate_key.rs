//! `rotate-key`: replaces the sealing key and reseals stored credentials. Users need not log in.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Subcommand};
use zeroize::Zeroizing;

use super::{
    command_context,
    output::{self, Failure},
    progress,
    stop::Stop,
};
use crate::{
    clock,
    configuration::Settings,
    security::keyring::{KeyState, Keyring, KeyringFile, KeyringLock},
    service::keys::rotation::{KeyRotation, ResealPass},
    startup,
};

/// The subcommands of `rotate-key`.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Step 1: add a key, which instances use to unseal only. Distribute the keyring, and wait until
    /// every instance has it.
    Add {
        #[command(flatten)]
        keyring: Output,
    },
    /// Step 2: make a key the writing key, which seals new data. Distribute the keyring, and wait
    /// until every instance uses it.
    Use {
        /// Key id.
        key: String,
        #[command(flatten)]
        keyring: Output,
    },
    /// Step 3: reseal existing data under the writing key while instances keep serving. Run the
    /// same command to resume a stopped run.
    Reseal,
    /// Step 4: retire a key permanently. Fails while data is sealed under it.
    Retire {
        /// Key id.
        key: String,
        #[command(flatten)]
        keyring: Output,
    },
}

/// The destination of the changed keyring.
#[derive(Args)]
pub(super) struct Output {
    /// Print the changed keyring instead of writing the file, for an external secret store.
    #[arg(long)]
    stdout: bool,
}

impl Output {
    fn write(&self, path: &Path, text: &str) -> Result<(), Failure> {
        if self.stdout {
            return output::print_or_fail(text.trim_end());
        }
        Ok(KeyringFile::replace(path, text)?)
    }

    /// Keeps other commands from changing the file, if it will be written.
    fn lock(&self, path: &Path) -> Result<Option<KeyringLock>, Failure> {
        if self.stdout { Ok(None) } else { Ok(Some(KeyringLock::take(path)?)) }
    }

    /// Fails if the file could not be written.
    fn require_writable(&self, path: &Path) -> Result<(), Failure> {
        if self.stdout { Ok(()) } else { Ok(KeyringFile::require_replaceable(path)?) }
    }
}

/// Runs a subcommand.
pub(super) async fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Add { keyring } => {
            let (settings, path) = settings()?;
            let _lock = keyring.lock(&path)?;
            let mut file = startup::open_keyring_file(&settings, &path).await?;
            let key = Keyring::add_key(&mut file)?;
            keyring.write(&path, &file.to_json()?)?;
            output::print_status(format_args!(
                "added key {key}; next, wait until every instance has this keyring (metric \
                 keeper_keyring_key) and run `rotate-key use {key}`"
            ));
        }
        Command::Use { key, keyring } => {
            let (settings, path) = settings()?;
            let _lock = keyring.lock(&path)?;
            let text = changed(&settings, &path, &key, KeyState::Writing).await?;
            keyring.write(&path, &text)?;
            output::print_status(format_args!(
                "key {key} is the writing key; next, wait until every instance has this keyring \
                 (metric keeper_keyring_key) and run `rotate-key reseal`"
            ));
        }
        Command::Reseal => {
            let stop = Stop::listen()?;
            return reseal(&command_context::open().await?.administration.key_rotation, stop).await;
        }
        Command::Retire { key, keyring } => retire(&key, &keyring).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn retire(key: &str, keyring: &Output) -> Result<(), Failure> {
    let (settings, path) = settings()?;
    let _lock = keyring.lock(&path)?;
    changed(&settings, &path, key, KeyState::Retired).await?;
    keyring.require_writable(&path)?;
    let rotation = command_context::open().await?.administration.key_rotation;
    // First the database: instances refuse a key that is retired in the keyring only.
    rotation.retire(key, clock::now()).await?;
    let written = async {
        // Read again: something else than a command may have replaced the file in the meantime.
        let text = changed(&settings, &path, key, KeyState::Retired).await?;
        keyring.write(&path, &text)
    };
    written.await.map_err(|failure: Failure| {
        Failure::new(format!(
            "key {key} is retired in the database, but the keyring may not have the change; nothing \
             is lost; unless `keys list` shows the key as retired, run `rotate-key retire {key}` \
             again after correcting this: {failure}"
        ))
    })?;
    output::print_status(format_args!(
        "retired key {key}; keep it in the keyring, because it verifies audit events"
    ));
    Ok(())
}

fn settings() -> Result<(Settings, PathBuf), Failure> {
    let settings = command_context::read_settings()?;
    let path = command_context::keyring_file(&settings)?;
    Ok((settings, path))
}

/// The text of the keyring with a key in another state. A wrapped keyring keeps its data key.
async fn changed(
    settings: &Settings,
    path: &Path,
    key: &str,
    state: KeyState,
) -> Result<Zeroizing<String>, Failure> {
    let mut file = startup::open_keyring_file(settings, path).await?;
    Keyring::change_key(&mut file, key, state)?;
    Ok(file.to_json()?)
}

async fn reseal(rotation: &KeyRotation, mut stop: Stop) -> Result<ExitCode, Failure> {
    let bar = progress::bar(rotation.count_to_reseal().await?, progress::RATE);
    let mut pass = ResealPass::default();
    let outcome = loop {
        if stop.is_requested() {
            break Ok(());
        }
        match rotation.reseal_next(&mut pass).await {
            Ok(true) => bar.set_position(pass.seen),
            Ok(false) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    bar.finish_and_clear();
    for (user_id, credential_type) in &pass.unopened {
        output::print_status(format_args!(
            "{credential_type} of user {user_id} cannot be unsealed; check that the keyring \
             contains its key, and run `audit verify`"
        ));
    }
    // Credentials before an error are named, too.
    outcome?;
    let left = rotation.count_to_reseal().await?;
    output::print_status(format_args!("resealed {} credentials, {left} left", pass.resealed));
    if left == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    if stop.is_requested() {
        output::print_status("stopped; run the same command to resume");
    } else if pass.locked > 0 {
        output::print_status(format_args!(
            "left {} credentials: timed out waiting for another transaction, or conflicted with it; \
             run the same command again",
            pass.locked
        ));
    } else if pass.unopened.is_empty() {
        output::print_status(
            "an instance still seals under another key; wait until every instance has this \
             keyring (metric keeper_keyring_key) and run `rotate-key reseal` again",
        );
    }
    Ok(ExitCode::FAILURE)
}
