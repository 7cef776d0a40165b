//! Checks the files that settings name, the database URL and the log filter.

use std::{fs::File, io, path::Path};

use super::{
    audit_sinks::{problems_of_sinks, unwritable_files},
    database_files::{read_password, read_public},
    directory::problems_of_directory,
    keyring_file::{SETTING, mismatch},
    mail::problems_of_mail,
    migration::problems_of_migration,
    options::load_issuers,
    telemetry::problems_of_telemetry,
    tls::problems_of_certificates,
};
use crate::{
    configuration::{MasterKeySettings, Problem, Settings},
    log_filter,
    security::{
        keyring::{Keyring, StoredKeyring},
        secret_file::{self, SecretFileError},
        tls::http_authorities,
    },
    storage::{ConnectionSecurity, DatabaseUrl},
    telemetry::error_chain,
};

/// The problems of settings and of the files that they name, for an operator who checks them.
pub(crate) fn problems_of_serving(settings: &Settings) -> Vec<Problem> {
    let mut problems = settings.problems_of_serving();
    problems.extend(problem_of_log_level(settings));
    problems.extend(problems_of_files(settings));
    problems.extend(unwritable_files(settings));
    problems
}

/// The problem of the log filter. It names no file, so reading the settings again does not solve it.
pub(super) fn problem_of_log_level(settings: &Settings) -> Option<Problem> {
    let error = log_filter::parse(&settings.log.level).err()?;
    Some(problem("log.level", error.to_string()))
}

/// Problems of files and of the database URL. A correction of a file solves them, so a reload repeats
/// them.
pub(super) fn problems_of_files(settings: &Settings) -> Vec<Problem> {
    let mut problems = problems_of_database(settings);
    let mut reject = |setting: &str, error: &(dyn std::error::Error + 'static)| {
        problems.push(problem(setting, error_chain(error)));
    };
    let types = settings.credential_types();
    if let Some(Err(error)) = types.map(|types| load_issuers(settings, &types, &[])) {
        reject("authentication.issuers", &error);
    }
    problems.extend(problems_of_certificates(settings));
    problems.extend(problems_of_keyring(settings));
    problems.extend(problems_of_master_keys(&settings.master_keys));
    problems.extend(settings.directory.as_ref().map(problems_of_directory).unwrap_or_default());
    let mail = settings.mail.as_ref();
    problems.extend(mail.map(|mail| problems_of_mail(settings, mail)).unwrap_or_default());
    problems.extend(settings.migration.as_ref().map(problems_of_migration).unwrap_or_default());
    problems.extend(settings.telemetry.as_ref().map(problems_of_telemetry).unwrap_or_default());
    problems.extend(problems_of_sinks(settings));
    problems
}

/// Problems of the keyring file. Does not ask for its master key.
fn problems_of_keyring(settings: &Settings) -> Option<Problem> {
    let stored = match StoredKeyring::read(settings.keyring_file.as_deref()?) {
        Ok(stored) => stored,
        Err(error) => return Some(problem(SETTING, error_chain(&error))),
    };
    if let Some(reason) = mismatch(settings, &stored) {
        return Some(problem(SETTING, reason));
    }
    let StoredKeyring::Plain(file) = stored else { return None };
    let error = Keyring::from_file(&file).err()?;
    Some(problem(SETTING, error_chain(&error)))
}

/// Problems of the files that the master keys need.
fn problems_of_master_keys(settings: &MasterKeySettings) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut reject = |setting: &str, error: &(dyn std::error::Error + 'static)| {
        problems.push(problem(setting, error_chain(error)));
    };
    if let Some(transit) = &settings.transit {
        if let Err(error) = secret_file::read(&transit.token_file) {
            reject("keyring.transit.token_file", &error);
        }
        if let Some(Err(error)) = transit.ca_file.as_deref().map(http_authorities) {
            reject("keyring.transit.ca_file", &error);
        }
    }
    if let Some(pkcs11) = &settings.pkcs11 {
        if let Err(error) = require_readable(&pkcs11.module) {
            reject("keyring.pkcs11.module", &error);
        }
        if let Err(error) = secret_file::read(&pkcs11.pin_file) {
            reject("keyring.pkcs11.pin_file", &error);
        }
    }
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
            if url.has_options && settings.database.transaction_pooling {
                let reason = "contains options of the session, which a connection pooler in \
                              transaction mode does not keep; use ALTER ROLE … SET instead";
                problems.push(problem("database.url", reason));
            }
            let certificates = url.root_certificate.iter().chain(&url.client_certificate);
            let unreadable = certificates.filter_map(|file| read_public(file).err());
            let unusable = url.client_key.iter().filter_map(|file| secret_file::read(file).err());
            let reasons = unreadable.chain(unusable).map(|error| error_chain(&error));
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

/// Fails when a file of any length cannot be read.
fn require_readable(file: &Path) -> Result<(), SecretFileError> {
    let unreadable = |error: io::Error| SecretFileError::Unreadable(file.to_owned(), error);
    File::open(file).map(drop).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn an_invalid_log_level_is_no_problem_of_files() {
        let variable = ("KEEPER__LOG__LEVEL".to_owned(), "loud".to_owned());
        let settings = Settings::read(None, HashMap::from([variable])).unwrap();
        let of_files = problems_of_files(&settings);
        assert!(of_files.is_empty(), "a reload would repeat it: {of_files:?}");
        let all = problems_of_serving(&settings);
        assert!(all.iter().any(|problem| problem.setting == "log.level"), "{all:?}");
    }
}
