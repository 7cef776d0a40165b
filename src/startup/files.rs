//! Checks the files that settings name, the database URL and the log filter.

use std::{fs::File, io, path::Path};

use super::{
    database_files::read_password, options::load_issuers, tls::problems_of_certificates,
};
use crate::{
    configuration::{Problem, Settings},
    log_filter,
    security::{
        keyring::Keyring,
        secret_file::{self, SecretFileError},
    },
    storage::{ConnectionSecurity, DatabaseUrl},
    telemetry::error_chain,
};

/// Problems of files, of the database URL and of the log filter.
pub(crate) fn problems_of_files(settings: &Settings) -> Vec<Problem> {
    let mut problems = problems_of_database(settings);
    let mut reject = |setting: &str, error: &(dyn std::error::Error + 'static)| {
        problems.push(problem(setting, error_chain(error)));
    };
    if let Err(error) = log_filter::parse(&settings.log.level) {
        reject("log.level", &error);
    }
    if let Some(Err(error)) = settings.keyring_file.as_deref().map(Keyring::load) {
        reject("keyring.file", &error);
    }
    let types = settings.credential_types();
    if let Some(Err(error)) = types.map(|types| load_issuers(settings, &types)) {
        reject("authentication.issuers", &error);
    }
    problems.extend(problems_of_certificates(settings));
    problems
}

/// Problems of the database URL and its files. Every command that opens the database rejects them.
pub(super) fn problems_of_database(settings: &Settings) -> Vec<Problem> {
    let mut problems = Vec::new();
    let password_file = settings.database.password_file.as_deref();
    match settings.database.url.as_ref().map(DatabaseUrl::parse) {
        None => {}
        Some(Err(error)) => problems.push(problem("database.url", error.to_string())),
        Some(Ok(url)) => {
            let is_allowed = settings.database.allow_unverified_server;
            problems.extend(server_problem(url.security, is_allowed));
            if url.has_password && password_file.is_some() {
                let reason =
                    "contains a password, and database.password_file is set; remove either one";
                problems.push(problem("database.url", reason));
            }
            let certificates = url.root_certificate.iter().chain(&url.client_certificate);
            let unreadable = certificates.filter_map(|file| require_readable(file).err());
            let insecure = url.client_key.iter().filter_map(|file| secret_file::open(file).err());
            let reasons = unreadable.chain(insecure).map(|error| error_chain(&error));
            problems.extend(reasons.map(|reason| problem("database.url", reason)));
        }
    }
    if let Some(Err(error)) = password_file.map(read_password) {
        problems.push(problem("database.password_file", error_chain(&error)));
    }
    problems
}

/// The problem of a server that is not verified, or of a waiver that has no effect.
fn server_problem(security: ConnectionSecurity, is_allowed: bool) -> Option<Problem> {
    match (security.is_local || security.verifies_server, is_allowed) {
        (true, false) | (false, true) => None,
        (false, false) => Some(problem(
            "database.url",
            "the server is on another machine, and its certificate is not verified; add \
             sslmode=verify-full, and sslrootcert=FILE for a private certificate authority. \
             database.allow_unverified_server = true accepts the risk",
        )),
        (true, true) => Some(problem(
            "database.allow_unverified_server",
            "has no effect, because the server is verified or on this machine; remove it",
        )),
    }
}

fn problem(setting: &str, reason: impl Into<String>) -> Problem {
    Problem { setting: setting.to_owned(), reason: reason.into() }
}

/// Fails when a public file cannot be read.
fn require_readable(file: &Path) -> Result<(), SecretFileError> {
    let unreadable = |error: io::Error| SecretFileError::Unreadable(file.to_owned(), error);
    File::open(file).map(drop).map_err(unreadable)
}
