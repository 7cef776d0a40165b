//! The credential that a subcommand of `credential` applies to.

use clap::Args;

use crate::{
    domain::{InvalidField, Reason, credential_type::CredentialType},
    service::credentials::saving::Credentials,
};

/// The credential that a subcommand applies to.
#[derive(Args)]
pub(super) struct Target {
    /// User id or login name; use `id:7` or `name:7` if a number is ambiguous.
    #[arg(long)]
    pub(super) user: String,
    /// Credential type [default: `credentials.default_type`].
    #[arg(long = "type")]
    pub(super) credential_type: Option<String>,
}

/// The type of the credential; without one, the default type of the installation.
///
/// # Errors
/// When the type is unknown.
pub(super) fn credential_type<'types>(
    credentials: &'types Credentials,
    target: &Target,
) -> Result<&'types CredentialType, InvalidField> {
    let unknown = || InvalidField::new("--type", Reason::UnknownType);
    match &target.credential_type {
        None => Ok(credentials.types().default_type()),
        Some(name) => credentials.types().find(name).ok_or_else(unknown),
    }
}
