//! `keys`: generates and lists the keys of the keyring file, and wraps them with a master key.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::{
    command_context, key_backup,
    output::{self, Failure, Format},
};
use crate::{
    configuration::Settings,
    security::{
        keyring::{Keyring, KeyringFile, KeyringLock, StoredKeyring},
        wrapped_keyring::{MasterKeyKind, WrappedDataKey},
    },
    startup,
};

/// The subcommands of `keys`.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Generate a keyring with one new key. Never overwrites an existing file.
    ///
    /// If the settings name a master key, it wraps the keyring.
    Generate {
        /// File to write [default: `keyring.file` of the settings].
        #[arg(long)]
        file: Option<PathBuf>,
        /// Print the keyring instead of writing a file, for an external secret store.
        #[arg(long, conflicts_with = "file")]
        stdout: bool,
        #[command(flatten)]
        master_key: MasterKey,
    },
    /// List the keys, without their secrets.
    List {
        /// File to read [default: `keyring.file` of the settings].
        #[arg(long)]
        file: Option<PathBuf>,
    },
    /// Encrypt a plain keyring with the master key of the settings.
    ///
    /// Replaces the file after reading the new one back. The master key stays in the transit
    /// engine or on the token. Every process then needs it to load the keyring.
    Wrap {
        #[command(flatten)]
        keyring: Source,
        #[command(flatten)]
        master_key: MasterKey,
    },
    /// Encrypt a wrapped keyring again, with a new data key and the newest version of the master
    /// key of the settings, or with another master key.
    Rewrap {
        #[command(flatten)]
        keyring: Source,
        #[command(flatten)]
        master_key: MasterKey,
    },
    /// Decrypt a wrapped keyring, for an offline copy or to stop using a master key.
    Unwrap {
        #[command(flatten)]
        keyring: Source,
    },
    /// Prove that a copy of the keyring opens the database, and record it for `doctor`.
    ///
    /// Reads the copy from standard input or a file, and writes no key anywhere.
    ConfirmBackup {
        /// File with the copy [default: standard input].
        #[arg(long)]
        file: Option<PathBuf>,
    },
}

/// The keyring to change, and its destination.
#[derive(Args)]
pub(super) struct Source {
    /// File to change [default: `keyring.file` of the settings].
    #[arg(long)]
    file: Option<PathBuf>,
    /// Print the changed keyring instead of writing the file, for an external secret store.
    #[arg(long)]
    stdout: bool,
}

/// The choice of a master key.
#[derive(Args)]
pub(super) struct MasterKey {
    /// Master key to use. Required if the settings name both kinds.
    #[arg(long, value_name = "KIND")]
    master_key: Option<Kind>,
}

/// The kind of a master key, as an argument.
#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// `keyring.transit`.
    Transit,
    /// `keyring.pkcs11`.
    Pkcs11,
}

impl MasterKey {
    /// The chosen kind, or the only configured one.
    fn find(&self, settings: &Settings) -> Result<Option<MasterKeyKind>, Failure> {
        let configured = startup::configured_kinds(settings);
        let chosen = self.master_key.map(|kind| match kind {
            Kind::Transit => MasterKeyKind::Transit,
            Kind::Pkcs11 => MasterKeyKind::Pkcs11,
        });
        match (chosen, configured.as_slice()) {
            (Some(kind), _) if !configured.contains(&kind) => {
                Err(Failure::new(format!("keyring.{} is not set; set that section", kind.as_str())))
            }
            (Some(kind), _) => Ok(Some(kind)),
            (None, []) => Ok(None),
            (None, [kind]) => Ok(Some(*kind)),
            (None, _) => Err(Failure::new(
                "keyring.transit and keyring.pkcs11 are both set; choose one with --master-key",
            )),
        }
    }

    fn require(&self, settings: &Settings) -> Result<MasterKeyKind, Failure> {
        self.find(settings)?.ok_or_else(|| {
            Failure::new("the settings name no master key; set keyring.transit or keyring.pkcs11")
        })
    }
}

/// Runs a subcommand.
pub(super) async fn run(command: Command, format: Format) -> Result<ExitCode, Failure> {
    let settings = command_context::read_settings()?;
    match command {
        Command::Generate { file, stdout, master_key } => {
            generate(&settings, file, stdout, &master_key).await?;
        }
        Command::List { file } => list(&path(&settings, file)?, format)?,
        Command::Wrap { keyring, master_key } => wrap(&settings, keyring, &master_key).await?,
        Command::Rewrap { keyring, master_key } => rewrap(&settings, keyring, &master_key).await?,
        Command::Unwrap { keyring } => unwrap(&settings, keyring).await?,
        Command::ConfirmBackup { file } => {
            return Box::pin(key_backup::confirm(settings, file)).await;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn path(settings: &Settings, file: Option<PathBuf>) -> Result<PathBuf, Failure> {
    file.map_or_else(|| command_context::keyring_file(settings), Ok)
}

async fn generate(
    settings: &Settings,
    file: Option<PathBuf>,
    stdout: bool,
    master_key: &MasterKey,
) -> Result<(), Failure> {
    let mut keyring = KeyringFile::generate()?;
    let text = match master_key.find(settings)? {
        Some(kind) => startup::wrap_keyring(settings, kind, &mut keyring).await?,
        None => keyring.to_json()?,
    };
    if stdout {
        return output::print_or_fail(text.trim_end());
    }
    let path = path(settings, file)?;
    KeyringFile::write_new(&path, &text)?;
    output::print_status(format_args!(
        "wrote {}; store a copy separately from the database backups",
        path.display()
    ));
    Ok(())
}

fn list(path: &Path, format: Format) -> Result<(), Failure> {
    let stored = StoredKeyring::read(path)?;
    if let StoredKeyring::Plain(file) = &stored {
        Keyring::from_file(file)?;
    }
    let wrapped_by = stored.data_key().map_or(Value::Null, |wrapped| json!(name(wrapped)));
    let keys = stored.keys().into_iter();
    let rows = keys.map(|(id, state)| [json!(id), json!(state.as_str()), wrapped_by.clone()]);
    output::print_rows(format, ["KEY", "STATE", "WRAPPED BY"], &rows.collect::<Vec<_>>())
}

/// The master key of a wrapped keyring, for people.
fn name(wrapped: &WrappedDataKey) -> String {
    format!("{}:{}", wrapped.kind.as_str(), wrapped.key)
}

async fn wrap(settings: &Settings, keyring: Source, key: &MasterKey) -> Result<(), Failure> {
    let path = path(settings, keyring.file)?;
    let kind = key.require(settings)?;
    let _lock = lock(&path, keyring.stdout)?;
    let mut file = match StoredKeyring::read(&path)? {
        StoredKeyring::Plain(file) => file,
        StoredKeyring::Wrapped(wrapped) => {
            return Err(Failure::new(format!(
                "the keyring {} is already wrapped by {}; run `keys rewrap` to wrap it again",
                path.display(),
                name(wrapped.data_key())
            )));
        }
    };
    let text = startup::wrap_keyring(settings, kind, &mut file).await?;
    write(&path, keyring.stdout, &text, "wrapped", "distribute it and restart every instance")
}

async fn rewrap(settings: &Settings, keyring: Source, key: &MasterKey) -> Result<(), Failure> {
    let path = path(settings, keyring.file)?;
    let kind = key.require(settings)?;
    let _lock = lock(&path, keyring.stdout)?;
    let mut file = startup::open_keyring_file(settings, &path).await?;
    let text = startup::wrap_keyring(settings, kind, &mut file).await?;
    write(&path, keyring.stdout, &text, "rewrapped", "distribute it to every instance")
}

async fn unwrap(settings: &Settings, keyring: Source) -> Result<(), Failure> {
    let path = path(settings, keyring.file)?;
    let _lock = lock(&path, keyring.stdout)?;
    if StoredKeyring::read(&path)?.data_key().is_none() {
        return Err(Failure::new(format!("the keyring {} is not wrapped", path.display())));
    }
    let mut file = startup::open_keyring_file(settings, &path).await?;
    file.remove_wrap();
    let next = "remove keyring.transit and keyring.pkcs11 from the settings";
    write(&path, keyring.stdout, &file.to_json()?, "unwrapped", next)
}

/// Keeps other commands from changing the file, unless the changed keyring is printed.
fn lock(path: &Path, is_printed: bool) -> Result<Option<KeyringLock>, Failure> {
    if is_printed { Ok(None) } else { Ok(Some(KeyringLock::take(path)?)) }
}

fn write(
    path: &Path,
    is_printed: bool,
    text: &str,
    done: &str,
    next_step: &str,
) -> Result<(), Failure> {
    if is_printed {
        return output::print_or_fail(text.trim_end());
    }
    KeyringFile::replace(path, text)?;
    let path = path.display();
    output::print_status(format_args!("{done} the keyring {path}; next, {next_step}"));
    Ok(())
}
