//! `export`: users with their credentials as JSON lines, which `import` reads: without any secret to
//! stdout, or whole into an encrypted file for another installation.

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
use zeroize::Zeroizing;

use super::{
    command_context::{self, moment},
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
    /// Everything, hashes and identifiers too, into this new file, encrypted with a passphrase from
    /// stdin or a prompt.
    #[arg(long, value_name = "FILE")]
    whole: Option<PathBuf>,
}

/// Runs the command.
pub(super) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let export = command_context::open().await?.administration.export;
    match arguments.whole {
        None => list(&export).await,
        Some(file) => whole(&export, &file).await,
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

/// The file has its name only when it is whole.
async fn whole(export: &Export, file: &Path) -> Result<ExitCode, Failure> {
    if file.exists() {
        return Err(Failure::because(format!("{} is there already", file.display())));
    }
    let passphrase = read_new_secret("Passphrase")?;
    // A file that is not whole goes, whatever ends the command.
    let stop = Stop::listen()?;
    let mut name = file.as_os_str().to_owned();
    name.push(".unfinished");
    let unfinished = PathBuf::from(name);
    let out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished);
    let named = |error| Failure::because(format!("{}: {error}", unfinished.display()));
    let out = out.map_err(named)?;
    let written = match ArchiveWriter::new(out, &passphrase) {
        Ok(archive) => write_all(export, archive, stop).await,
        Err(error) => Err(error.into()),
    };
    let (count, closed) = written.inspect_err(|_| drop(fs::remove_file(&unfinished)))?;
    // Unlike a new name, another name never replaces a file that came meanwhile.
    let linked = fs::hard_link(&unfinished, file);
    linked.map_err(|error| Failure::because(format!("{}: {error}", file.display())))?;
    fs::remove_file(unfinished)?;
    output::print_status(format_args!("exported {count} users, {closed} credentials do not open"));
    Ok(if closed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How many users were written, and how many credentials do not open.
async fn write_all(
    export: &Export,
    mut archive: ArchiveWriter<File>,
    mut stop: Stop,
) -> Result<(usize, usize), Failure> {
    let (mut count, mut closed) = (0, 0);
    let mut after = None;
    loop {
        if stop.is_requested() {
            return Err(Failure::because("stopped; no file was written"));
        }
        let (page, secrets) = export.list_whole_after(after).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.user.user_id);
        let opened: HashMap<(UserId, &str), &OpenedSecret> = secrets
            .iter()
            .filter_map(|of| Some(((of.user_id, of.credential_type.as_str()), of.secret.as_ref()?)))
            .collect();
        for user in &page {
            let of = |summary: &CredentialSummary| {
                opened.get(&(summary.user_id, summary.credential_type.as_str())).copied()
            };
            for summary in user.credentials.iter().filter(|summary| of(summary).is_none()) {
                closed += 1;
                let CredentialSummary { user_id, credential_type, .. } = summary;
                output::print_status(format_args!(
                    "{credential_type} of user {user_id} does not open"
                ));
            }
            let text = Zeroizing::new(line(user, of).to_string());
            archive.write_all(text.as_bytes())?;
            archive.write_all(b"\n")?;
            count += 1;
        }
    }
    archive.finish()?.sync_all()?;
    Ok((count, closed))
}

fn line<'secret>(
    UserWithCredentials { user, credentials }: &UserWithCredentials,
    secret: impl Fn(&CredentialSummary) -> Option<&'secret OpenedSecret>,
) -> Value {
    let credential = |summary: &CredentialSummary| credential(summary, secret(summary));
    json!({
        "id": user.user_id.as_i32(),
        "login_name": user.login_name,
        "display_name": user.display_name,
        "type": user.user_type.as_str(),
        "administrator": user.is_administrator,
        "retired": user.is_retired,
        "credentials": credentials.iter().map(credential).collect::<Vec<_>>(),
    })
}

fn credential(summary: &CredentialSummary, secret: Option<&OpenedSecret>) -> Value {
    let perhaps = |at: Option<time::OffsetDateTime>| at.map_or(Value::Null, moment);
    let mut credential = json!({
        "type": summary.credential_type,
        "display_value": summary.display_value,
        "valid_from": perhaps(summary.validity.from()),
        "valid_to": perhaps(summary.validity.to()),
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
