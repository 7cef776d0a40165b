//! `export`: writes users and their credentials as JSON lines that `import` reads: to standard
//! output without secrets, or in full to an encrypted file for another installation.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use rustix::{
    fs::{CWD, RenameFlags, renameat_with},
    io::Errno,
};
use serde_json::Value;
use zeroize::Zeroizing;

use super::{
    command_context::{self, Operator, ReasonArgument},
    output::{self, Failure},
    secret_input::read_new_secret,
    stop::Stop,
};
use crate::{
    domain::{credential::CredentialSummary, untrusted_credential::StoredUntrusted, user::UserId},
    security::archive::ArchiveWriter,
    service::import::{
        export::{Export, OpenedSecret, WholePage},
        export_lines::{untrusted_line, user_line},
    },
};

/// The untrusted credentials on one line of an archive. With the longest texts they stay below the
/// longest line of an import.
const UNTRUSTED_PER_LINE: usize = 16;

/// The arguments of `export`.
#[derive(Args)]
pub(super) struct Arguments {
    /// Also export hashes, identifiers and untrusted credentials, to this new file, encrypted with a passphrase from
    /// standard input or a prompt.
    #[arg(long, value_name = "FILE")]
    whole: Option<PathBuf>,
    #[command(flatten)]
    reason: ReasonArgument,
}

/// Runs the command.
pub(super) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let operator = arguments.reason.operator()?;
    let export = command_context::open().await?.administration.export;
    export.authorize(operator.change_context())?;
    match arguments.whole {
        None => list(&export).await,
        Some(file) => export_archive(&export, &operator, &file).await,
    }
}

async fn list(export: &Export) -> Result<ExitCode, Failure> {
    let mut after = None;
    loop {
        let page = export.list_after(after).await?;
        let Some(last) = page.last() else { return Ok(ExitCode::SUCCESS) };
        after = Some(last.user.user_id);
        for user in &page {
            output::print_or_fail(user_line(user, |_| None))?;
        }
    }
}

/// Writes the archive under a temporary name and renames it when it is complete.
async fn export_archive(
    export: &Export,
    operator: &Operator,
    file: &Path,
) -> Result<ExitCode, Failure> {
    if file.exists() {
        return Err(Failure::new(format!(
            "{} already exists; choose another file name",
            file.display()
        )));
    }
    let passphrase = read_new_secret("Passphrase")?;
    // Handle signals before the file is created, so that a stop also removes the incomplete file.
    let stop = Stop::listen()?;
    let mut name = file.as_os_str().to_owned();
    name.push(".unfinished");
    let unfinished = PathBuf::from(name);
    let out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished);
    let failed = |error| Failure::new(format!("cannot create {}: {error}", unfinished.display()));
    let out = out.map_err(failed)?;
    let written = match ArchiveWriter::new(out, &passphrase) {
        Ok(archive) => write_all(export, operator, archive, stop).await,
        Err(error) => Err(error.into()),
    };
    let (count, failed) = written.inspect_err(|_| drop(fs::remove_file(&unfinished)))?;
    give_name(&unfinished, file).map_err(|error| {
        Failure::new(format!("cannot create {}: {error}; no file was written", file.display()))
    })?;
    output::print_status(format_args!(
        "exported {count} users; {failed} credentials cannot be unsealed"
    ));
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Gives a complete file its name, or removes it if another file has that name in the meantime.
fn give_name(unfinished: &Path, file: &Path) -> io::Result<()> {
    let named = match renameat_with(CWD, unfinished, CWD, file, RenameFlags::NOREPLACE) {
        Ok(()) => return Ok(()),
        // Some network file systems rename only with replacement. A hard link never replaces.
        Err(Errno::INVAL) => fs::hard_link(unfinished, file),
        Err(error) => Err(error.into()),
    };
    let removed = fs::remove_file(unfinished);
    named.and(removed)
}

/// Writes all users. Returns the number of users, and of credentials that cannot be unsealed.
async fn write_all(
    export: &Export,
    operator: &Operator,
    mut archive: ArchiveWriter<File>,
    mut stop: Stop,
) -> Result<(usize, usize), Failure> {
    let (mut count, mut failed) = (0, 0);
    let mut after = None;
    loop {
        if stop.is_requested() {
            return Err(Failure::new("stopped; no file was written, run the command again"));
        }
        let page = export.list_whole_after(operator.change_context(), after).await?;
        let WholePage { users, secrets, untrusted } = page;
        let Some(last) = users.last() else { break };
        after = Some(last.user.user_id);
        let opened: HashMap<(UserId, &str), &OpenedSecret> = secrets
            .iter()
            .filter_map(|entry| {
                Some(((entry.user_id, entry.credential_type.as_str()), entry.secret.as_ref()?))
            })
            .collect();
        for user in &users {
            let secret_of = |summary: &CredentialSummary| {
                opened.get(&(summary.user_id, summary.credential_type.as_str())).copied()
            };
            for summary in user.credentials.iter().filter(|summary| secret_of(summary).is_none()) {
                failed += 1;
                let CredentialSummary { user_id, credential_type, .. } = summary;
                output::print_status(format_args!(
                    "{credential_type} of user {user_id} cannot be unsealed; check that the \
                     keyring contains its key"
                ));
            }
            write_line(&mut archive, &user_line(user, secret_of))?;
            let of_user = untrusted.iter().filter(|found| found.row.user_id == user.user.user_id);
            let of_user: Vec<_> = of_user.collect();
            for found in of_user.iter().filter(|found| found.secret.is_none()) {
                failed += 1;
                let StoredUntrusted { user_id, credential_type, .. } = &found.row;
                output::print_status(format_args!(
                    "untrusted {credential_type} of user {user_id} cannot be unsealed; check that \
                     the keyring contains its key"
                ));
            }
            for chunk in of_user.chunks(UNTRUSTED_PER_LINE) {
                write_line(&mut archive, &untrusted_line(user, chunk))?;
            }
            count += 1;
        }
    }
    archive.finish()?.sync_all()?;
    Ok((count, failed))
}

fn write_line(archive: &mut ArchiveWriter<File>, line: &Value) -> std::io::Result<()> {
    let text = Zeroizing::new(line.to_string());
    archive.write_all(text.as_bytes())?;
    archive.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_created_meanwhile_is_kept_and_the_archive_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (unfinished, file) =
            (folder.path().join("users.unfinished"), folder.path().join("users"));
        fs::write(&unfinished, "archive").unwrap();
        fs::write(&file, "other").unwrap();
        let refused = give_name(&unfinished, &file).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&file).unwrap(), b"other");
        assert!(!unfinished.exists());
        fs::remove_file(&file).unwrap();
        fs::write(&unfinished, "archive").unwrap();
        give_name(&unfinished, &file).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"archive");
        assert!(!unfinished.exists());
    }
}
