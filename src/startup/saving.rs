//! Builds the capabilities that save users and credentials.

use std::sync::Arc;

use super::parts::Parts;
use crate::{
    configuration::Settings,
    domain::credential_type::ACTIVE_DIRECTORY,
    security::issuer_token::Issuer,
    service::{
        audit::audit_reader::AuditReader,
        credentials::{
            change_requirements::ChangeRequirements, hasher::CredentialHasher,
            password_checker::PasswordChecker, writer::CredentialWriter,
        },
        untrusted_credentials::{untrusted::UntrustedCredentials, writer::UntrustedWriter},
        users::{directory::UserDirectory, saving::Users, writer::UserWriter},
    },
};

/// The capabilities that save users and credentials.
pub(super) struct Saving {
    pub(super) directory: Arc<UserDirectory>,
    pub(super) checker: Arc<PasswordChecker>,
    pub(super) hasher: Arc<CredentialHasher>,
    pub(super) credential_writer: Arc<CredentialWriter>,
    pub(super) user_writer: Arc<UserWriter>,
    pub(super) users: Arc<Users>,
    pub(super) requirements: Arc<ChangeRequirements>,
}

impl Saving {
    pub(super) fn new(parts: &Parts, settings: &Settings, issuers: &[Issuer]) -> Self {
        let single_per_user = settings.credentials.single_per_user;
        let directory = Arc::new(UserDirectory { database: parts.database() });
        let checker = Arc::new(PasswordChecker {
            hashing: parts.hashing(),
            policy: settings.password_policy(),
        });
        let hasher = Arc::new(CredentialHasher {
            hashing: parts.hashing(),
            passwords: Arc::clone(&checker),
            single_per_user,
            requires_change_after_reset: settings.passwords.change_required_after_reset,
        });
        let credential_writer = Arc::new(CredentialWriter {
            keyring: parts.keyring(),
            transactions: parts.transactions(),
            proven_types: proven_types(settings, issuers),
            single_per_user,
            statements: parts.database().statements(),
        });
        let untrusted_writer = Arc::new(UntrustedWriter {
            keyring: parts.keyring(),
            transactions: parts.transactions(),
        });
        let user_writer = Arc::new(UserWriter {
            database: parts.database(),
            keyring: parts.keyring(),
            transactions: parts.transactions(),
            credentials: Arc::clone(&credential_writer),
            untrusted: Arc::clone(&untrusted_writer),
        });
        let users = Arc::new(Users {
            database: parts.database(),
            types: Arc::clone(&parts.types),
            directory: Arc::clone(&directory),
            hasher: Arc::clone(&hasher),
            passwords: Arc::clone(&checker),
            writer: Arc::clone(&user_writer),
            transactions: parts.transactions(),
            untrusted: Arc::new(UntrustedCredentials {
                database: parts.database(),
                writer: untrusted_writer,
            }),
            audit: Arc::new(AuditReader {
                database: parts.database(),
                transactions: parts.transactions(),
            }),
        });
        let requirements = Arc::new(ChangeRequirements {
            database: parts.database(),
            keyring: parts.keyring(),
            writer: Arc::clone(&credential_writer),
            transactions: parts.transactions(),
        });
        Self { directory, checker, hasher, credential_writer, user_writer, users, requirements }
    }
}

/// The types of identifiers that another system proves: an issuer, or the directory.
fn proven_types(settings: &Settings, issuers: &[Issuer]) -> Vec<String> {
    let verification = settings.directory.as_ref().and_then(|directory| directory.verification);
    let of_directory = verification.map(|_| ACTIVE_DIRECTORY.to_owned());
    let of_issuers = issuers.iter().map(|issuer| issuer.credential_type().to_owned());
    of_issuers.chain(of_directory).collect()
}
