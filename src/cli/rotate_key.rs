//! `rotate-key`: another key for everything that is sealed, without anybody logging in.

use std::{path::Path, process::ExitCode};

use clap::{Args, Subcommand};

use super::{
    command_context,
    output::{self, Failure},
    progress,
    stop::Stop,
};
use crate::{
    clock,
    security::keyring::{KeyState, Keyring},
    service::keys::rotation::{KeyRotation, ResealPass},
};

/// The subcommands of `rotate-key`.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Step 1: adds a key that can be read. Bring the keyring to every instance, and restart each.
    Add {
        #[command(flatten)]
        keyring: Output,
    },
    /// Step 2: everything new is sealed under that key. Bring the keyring to every instance again.
    Use {
        /// The key's id.
        key: String,
        #[command(flatten)]
        keyring: Output,
    },
    /// Step 3: seals everything else under it, while all instances go on serving. Stopped, it goes on
    /// where it was.
    Reseal,
    /// Afterwards: takes a key out of use for ever. Refuses while anything is sealed under it.
    Retire {
        /// The key's id.
        key: String,
        #[command(flatten)]
        keyring: Output,
    },
}

/// Where the changed keyring goes.
#[derive(Args)]
pub(super) struct Output {
    /// Print it instead of writing the file, for systems that keep secrets elsewhere.
    #[arg(long)]
    stdout: bool,
}

impl Output {
    fn write(&self, path: &Path, text: &str) -> Result<(), Failure> {
        if self.stdout {
            return output::report(text.trim_end());
        }
        Ok(Keyring::replace_file(path, text)?)
    }
}

/// Runs a subcommand.
pub(super) async fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Add { keyring } => {
            let path = command_context::keyring_file()?;
            let (text, key) = Keyring::add_key(&path)?;
            keyring.write(&path, &text)?;
            output::print_status(format_args!(
                "added key {key}; when every instance has it: rotate-key use {key}"
            ));
        }
        Command::Use { key, keyring } => {
            let path = command_context::keyring_file()?;
            let text = Keyring::change_key(&path, &key, KeyState::Writing)?;
            keyring.write(&path, &text)?;
            output::print_status(format_args!(
                "key {key} is the writing one; when every instance has it: rotate-key reseal"
            ));
        }
        Command::Reseal => {
            let stop = Stop::listen()?;
            return reseal(&command_context::open().await?.administration.key_rotation, stop).await;
        }
        Command::Retire { key, keyring } => {
            let path = command_context::keyring_file()?;
            Keyring::change_key(&path, &key, KeyState::Retired)?;
            let rotation = command_context::open().await?.administration.key_rotation;
            rotation.retire(&key, clock::now()).await?;
            // Read again: somebody may have added a key meanwhile.
            keyring.write(&path, &Keyring::change_key(&path, &key, KeyState::Retired)?)?;
            output::print_status(format_args!(
                "key {key} is retired; keep it in the keyring, audit events are verified with it"
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn reseal(rotation: &KeyRotation, mut stop: Stop) -> Result<ExitCode, Failure> {
    let bar = progress::bar(rotation.count_to_reseal().await?, progress::RATE);
    let mut pass = ResealPass::default();
    while !stop.is_requested() && rotation.reseal_next(&mut pass).await? {
        bar.set_position(pass.seen);
    }
    bar.finish_and_clear();
    for (user_id, credential_type) in &pass.unopened {
        output::print_status(format_args!("{credential_type} of user {user_id} does not open"));
    }
    let left = rotation.count_to_reseal().await?;
    output::print_status(format_args!("{} sealed anew, {left} left", pass.resealed));
    if left == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    if stop.is_requested() {
        output::print_status("stopped; the same command goes on there");
    } else if pass.unopened.is_empty() {
        output::print_status("an instance still seals under another key; run it again");
    }
    Ok(ExitCode::FAILURE)
}
