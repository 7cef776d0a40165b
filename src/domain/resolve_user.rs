//! The command that finds the user of a credential, or adds one
//! (docs/reference/wire-contract.md#finding-or-adding-a-user).

use secrecy::SecretString;

use super::{
    credential::{CredentialValue, DisplayValue},
    credential_type::CredentialTypes,
    invalid_field::{InvalidField, Reason},
    new_login_name::NewLoginName,
    save_credential::{NewCredential, NewSecret, UncheckedCredential},
    user::{DisplayName, LoginName, UserType},
    vendor_ids::VendorId,
};

/// The user to find or to add.
#[derive(Debug)]
pub(crate) struct ResolveUser {
    pub(crate) user_type: UserType,
    /// The display name of a new user; `None`: the login name.
    pub(crate) display_name: Option<DisplayName>,
    pub(crate) key: UserKey,
    pub(crate) credential: NewCredential,
}

/// What the user is found by.
#[derive(Debug, Clone)]
pub(crate) enum UserKey {
    /// The identifier of the credential. A new user gets this login name, or a variant that is free.
    Identifier { credential_type: String, identifier: SecretString, suggestion: NewLoginName },
    /// The login name, because nobody is found by a password.
    LoginName(NewLoginName),
}

impl UserKey {
    /// The login name of a new user.
    pub(crate) fn login_name(&self) -> &NewLoginName {
        match self {
            Self::Identifier { suggestion, .. } => suggestion,
            Self::LoginName(name) => name,
        }
    }
}

/// The members as received.
#[derive(Debug)]
pub(crate) struct UncheckedResolveUser {
    pub(crate) contact_id: Option<i32>,
    pub(crate) person_name: Option<String>,
    pub(crate) emails: Vec<String>,
    /// Already parsed.
    pub(crate) user_type: Result<UserType, InvalidField>,
    pub(crate) credential: UncheckedCredential,
}

impl UncheckedResolveUser {
    /// Checks every member.
    ///
    /// # Errors
    /// Names the first missing or invalid member.
    pub(crate) fn check(self, types: &CredentialTypes) -> Result<ResolveUser, InvalidField> {
        VendorId::require("ContactId", self.contact_id)?;
        let user_type = self.user_type?;
        let person_name = self.person_name.filter(|name| !name.is_empty());
        let display_name = person_name.as_deref();
        let display_name =
            display_name.map(|text| DisplayName::parse("PersonName", text)).transpose()?;
        let credential = self.credential.check("Credential", types)?;
        if !credential.credential_type.is_allowed_for(user_type) {
            return Err(InvalidField::new("Credential.Type.Type", Reason::TypeNotForUser));
        }
        let shown = credential.display_value.as_ref().map(DisplayValue::as_str);
        let key = match &credential.secret {
            NewSecret::Value(value) if credential.credential_type.is_identifier() => {
                let texts = shown.into_iter().chain(self.emails.iter().map(String::as_str));
                identifier_key(&credential, value, texts.chain(person_name.as_deref()))
            }
            NewSecret::Value(_) | NewSecret::Hash(_) => {
                const FIELD: &str = "Credential.DisplayValue";
                let name = LoginName::require(FIELD, shown)?;
                let name = NewLoginName::try_from(name);
                UserKey::LoginName(
                    name.map_err(|refused| InvalidField::new(FIELD, refused.reason))?,
                )
            }
        };
        Ok(ResolveUser { user_type, display_name, key, credential })
    }
}

fn identifier_key<'texts>(
    credential: &NewCredential,
    value: &CredentialValue,
    texts: impl Iterator<Item = &'texts str>,
) -> UserKey {
    UserKey::Identifier {
        credential_type: credential.credential_type.as_str().to_owned(),
        identifier: value.secret().clone(),
        suggestion: NewLoginName::suggested_by(texts),
    }
}
