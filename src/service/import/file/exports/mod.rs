//! Reads whole exports of other systems, entry by entry.
//!
//! A converter turns an entry into a line of the import format. It grants no rights: who administers
//! the other system does not administer this one.

mod django;
mod entries;
mod firebase;
mod firebase_config;
mod guard;
mod json;
mod keycloak;
mod keycloak_password;
mod kratos;
mod ldif;
mod ldif_user;
mod zitadel;

use self::{entries::Entries, json::Shape};
use super::{entry::Sink, error::InputError, input::Input};

pub(crate) use self::firebase_config::HashConfig;

/// A kind of export, with its options.
pub(crate) enum Export {
    Keycloak,
    Kratos,
    Zitadel,
    Firebase(HashConfig),
    Ldif,
    Django {
        /// The model of users in lowercase, for example `auth.user`.
        user_model: String,
    },
}

impl Export {
    /// The name for messages, as in "looks like …".
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Keycloak => "a Keycloak realm",
            Self::Kratos => "Kratos identities",
            Self::Zitadel => "a ZITADEL export",
            Self::Firebase(_) => "a Firebase export",
            Self::Ldif => "LDIF",
            Self::Django { .. } => "a Django dump",
        }
    }

    /// The options that decide on what is read, without secrets.
    pub(crate) fn options(&self) -> Vec<String> {
        match self {
            Self::Firebase(config) => vec![config.public_part().to_owned()],
            Self::Django { user_model } => vec![user_model.clone()],
            Self::Keycloak | Self::Kratos | Self::Zitadel | Self::Ldif => Vec::new(),
        }
    }

    /// How to make an export that has users.
    fn hint(&self) -> &'static str {
        match self {
            Self::Keycloak => {
                "export it with `kc.sh export --realm NAME`: a partial export of the console has none"
            }
            Self::Kratos => "list them with `include_credential=password`",
            Self::Zitadel => "export the organizations with their human users and passwords",
            Self::Firebase(_) => "export them with `firebase auth:export FILE.json`",
            Self::Ldif => "export entries that have `uid`",
            Self::Django { .. } => {
                "dump the app with the users, or name their model with `--django-user-model`"
            }
        }
    }
}

/// Passes on every entry of an export.
///
/// # Errors
/// When the input cannot be read, is not of this kind, or has no entry.
pub(crate) fn read(export: &Export, input: Input, sink: &mut Sink<'_>) -> Result<(), InputError> {
    let source = input.source.clone();
    let mut entries = Entries::new(sink);
    match export {
        Export::Keycloak => read_json(export, input, &keycloak::REALM, &mut |_, text| {
            entries.convert(|| keycloak::convert(text))
        }),
        Export::Kratos => read_json(export, input, &kratos::IDENTITIES, &mut |_, text| {
            entries.convert(|| kratos::convert(text))
        }),
        Export::Zitadel => read_json(export, input, &zitadel::EXPORT, &mut |list, text| {
            entries.convert(|| zitadel::convert(list, text))
        }),
        Export::Firebase(config) => {
            read_json(export, input, &firebase::ACCOUNTS, &mut |_, text| {
                entries.convert(|| firebase::convert(config, text))
            })
        }
        Export::Django { user_model } => {
            read_json(export, input, &django::OBJECTS, &mut |_, text| {
                entries.convert(|| django::convert(user_model, text))
            })
        }
        Export::Ldif => ldif::read(input, &mut |line, record| {
            entries.convert_numbered(line, || ldif_user::convert(record))
        }),
    }?;
    if entries.is_empty() {
        let (name, hint) = (export.name(), export.hint());
        return Err(InputError::new(format!("{source}: {name} without users; {hint}")));
    }
    Ok(())
}

fn read_json(
    export: &Export,
    input: Input,
    shape: &'static Shape,
    sink: &mut json::Sink<'_>,
) -> Result<(), InputError> {
    let source = input.source.clone();
    let read = json::read(input.reader, shape, sink);
    read.map_err(|error| InputError::new(format!("{source}: {}", error.message(export.name()))))
}
