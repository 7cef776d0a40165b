//! `export`: writes users and their credentials as JSON lines that `import` reads: to standard
//! output without secrets, or in full to an encrypted file for another installation.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::{
    command_context::{self, timestamp},
    output::{self, Failure},
    secret_input::read_new_secret,
    stop::Stop,
};
use crate::{
    domain::{credential::CredentialSummary, user::UserId},
    security::archive::ArchiveWriter,
    service::{
        import::export::{Export, OpenedSecret},
        users::directory::UserWithCredentials,
    },
};

/// The arguments of `export`.
#[derive(Args)]
pub(super) struct Arguments {
    /// Also export hashes and identifiers, to this new file, encrypted with a passphrase from
    /// standard input or a prompt.
    #[arg(long, value_name = "FILE")]
    whole: Option<PathBuf>,
}

/// Runs the command.
pub(super) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let export = command_context::open().await?.administration.export;
    match arguments.whole {
        None => list(&export).await,
        Some(file) => export_archive(&export, &file).await,
    }
}

async fn list(export: &Export) -> Result<ExitCode, Failure> {
    let mut after = None;
    loop {
        let page = export.list_after(after).await?;
        let Some(last) = page.last() else { return Ok(ExitCode::SUCCESS) };
        after = Some(last.user.user_id);
        for user in &page {
            output::print_result(line(user, |_| None))?;
        }
    }
}

/// Writes the archive under a temporary name and renames it when it is complete.
async fn export_archive(export: &Export, file: &Path) -> Result<ExitCode, Failure> {
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
        Ok(archive) => write_all(export, archive, stop).await,
        Err(error) => Err(error.into()),
    };
    let (count, failed) = written.inspect_err(|_| drop(fs::remove_file(&unfinished)))?;
    // A hard link fails if the target exists; a rename would replace a file created in the
    // meantime.
    let linked = fs::hard_link(&unfinished, file);
    linked.map_err(|error| Failure::new(format!("cannot create {}: {error}", file.display())))?;
    fs::remove_file(unfinished)?;
    output::print_status(format_args!(
        "exported {count} users; {failed} credentials cannot be unsealed"
    ));
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Writes all users. Returns the number of users, and of credentials that cannot be unsealed.
async fn write_all(
    export: &Export,
    mut archive: ArchiveWriter<File>,
    mut stop: Stop,
) -> Result<(usize, usize), Failure> {
    let (mut count, mut failed) = (0, 0);
    let mut after = None;
    loop {
        if stop.is_requested() {
            return Err(Failure::new("stopped; no file was written, run the command again"));
        }
        let (page, secrets) = export.list_whole_after(after).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.user.user_id);
        let opened: HashMap<(UserId, &str), &OpenedSecret> = secrets
            .iter()
            .filter_map(|entry| {
                Some(((entry.user_id, entry.credential_type.as_str()), entry.secret.as_ref()?))
            })
            .collect();
        for user in &page {
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
            let text = Zeroizing::new(line(user, secret_of).to_string());
            archive.write_all(text.as_bytes())?;
            archive.write_all(b"\n")?;
            count += 1;
        }
    }
    archive.finish()?.sync_all()?;
    Ok((count, failed))
}

fn line<'secret>(
    exported: &UserWithCredentials,
    secret: impl Fn(&CredentialSummary) -> Option<&'secret OpenedSecret>,
) -> Value {
    let UserWithCredentials { user, credentials } = exported;
    let credential = |summary: &CredentialSummary| credential(summary, secret(summary));
    let mut line = json!({
        "id": user.user_id.as_i32(),
        "login_name": user.login_name,
        "display_name": user.display_name,
        "type": user.user_type.as_str(),
        "administrator": user.is_administrator,
        "retired": user.is_retired,
        "credentials": credentials.iter().map(credential).collect::<Vec<_>>(),
    });
    let ids = user.vendor_ids;
    // Omitted when there is none, so that earlier releases can import the line.
    let numbers = [("person_id", ids.person), ("role_id", ids.role), ("ej_user_id", ids.ej_user)];
    if let Value::Object(members) = &mut line {
        for (name, id) in numbers.into_iter().filter(|(_, id)| !id.is_none()) {
            members.insert(name.to_owned(), id.as_i32().into());
        }
        if !user.nick_name.is_empty() {
            members.insert("nick_name".to_owned(), user.nick_name.as_str().into());
        }
    }
    line
}

fn credential(summary: &CredentialSummary, secret: Option<&OpenedSecret>) -> Value {
    let optional = |time: Option<OffsetDateTime>| time.map_or(Value::Null, timestamp);
    let mut credential = json!({
        "type": summary.credential_type,
        "display_value": summary.display_value,
        "valid_from": optional(summary.validity.from()),
        "valid_to": optional(summary.validity.to()),
    });
    let (name, secret) = match secret {
        None => return credential,
        Some(OpenedSecret::Hash(hash)) => ("hash", hash),
        Some(OpenedSecret::Identifier(identifier)) => ("value", identifier),
    };
    if let Value::Object(members) = &mut credential {
        members.insert(name.to_owned(), secret.expose_secret().into());
    }
    credential
}
