//! The command that adds or replaces a user's credential of one type.

use secrecy::SecretString;

use super::{
    change_cause::ChangeCause,
    credential::{CredentialValue, DisplayValue, is_present},
    credential_type::{CredentialType, CredentialTypes, TICKET},
    invalid_field::{InvalidField, Reason},
    user::UserId,
    validity::Validity,
};

/// A checked command to save a credential.
#[derive(Debug)]
pub(crate) struct SaveCredential {
    pub(crate) user_id: UserId,
    pub(crate) credential: NewCredential,
    /// The version of the credential that this one replaces, 0 for a first one; the save fails if
    /// the credential has changed since. `None`: no check for changes.
    pub(crate) replaces: Option<i64>,
}

/// A credential to save.
#[derive(Debug)]
pub(crate) struct NewCredential {
    /// Its path in the request, such as `Credentials[1]`, for error messages.
    pub(crate) field: String,
    pub(crate) credential_type: CredentialType,
    pub(crate) secret: NewSecret,
    /// `None`: the login name.
    pub(crate) display_value: Option<DisplayValue>,
    /// `None`: the default of the type.
    pub(crate) validity: Option<Validity>,
    /// Why the owner must change it; `None`: they need not.
    pub(crate) change_required: Option<ChangeCause>,
}

/// The secret of a new credential.
#[derive(Debug)]
pub(crate) enum NewSecret {
    /// The plain value.
    Value(CredentialValue),
    /// A hash that another system computed.
    Hash(SecretString),
}

impl NewCredential {
    /// A credential that displays the login name.
    pub(crate) fn new(credential_type: CredentialType, value: CredentialValue) -> Self {
        let secret = NewSecret::Value(value);
        let field = "Credential".to_owned();
        Self {
            field,
            credential_type,
            secret,
            display_value: None,
            validity: None,
            change_required: None,
        }
    }

    /// The plain password, if this is one.
    pub(crate) fn password(&self) -> Option<&CredentialValue> {
        match &self.secret {
            NewSecret::Value(value) if self.credential_type.is_password() => Some(value),
            NewSecret::Value(_) | NewSecret::Hash(_) => None,
        }
    }

    /// The identifier, if this is one.
    pub(crate) fn identifier(&self) -> Option<&SecretString> {
        match &self.secret {
            NewSecret::Value(value) if self.credential_type.is_identifier() => Some(value.secret()),
            NewSecret::Value(_) | NewSecret::Hash(_) => None,
        }
    }

    /// True when both have the same type, so that one replaces the other.
    pub(super) fn has_type_of(&self, other: &Self) -> bool {
        self.credential_type == other.credential_type
    }
}

/// The members of a credential as received.
#[derive(Debug, Default)]
pub(crate) struct UncheckedCredential {
    pub(crate) type_name: Option<String>,
    pub(crate) value: Option<SecretString>,
    /// Replaces the value; not in the vendor's carrier.
    pub(crate) hash: Option<SecretString>,
    pub(crate) display_value: Option<String>,
    /// Already checked; not in the vendor's carrier.
    pub(crate) validity: Option<Validity>,
    /// Not in the vendor's carrier.
    pub(crate) change_required: Option<ChangeCause>,
}

/// The members of a request to save as received.
#[derive(Debug, Default)]
pub(crate) struct UncheckedSaveCredential {
    pub(crate) user_id: Option<i32>,
    pub(crate) credential: UncheckedCredential,
}

impl UncheckedSaveCredential {
    /// Checks every member (docs/reference/wire-contract.md#d11-default-credential-type,
    /// docs/reference/wire-contract.md#d12-unknown-users-and-types,
    /// docs/reference/wire-contract.md#d15-values-are-write-only).
    ///
    /// # Errors
    /// Names the first missing or invalid member.
    pub(crate) fn check(self, types: &CredentialTypes) -> Result<SaveCredential, InvalidField> {
        let user_id = UserId::require("UserId", self.user_id)?;
        let credential = self.credential.check("Credential", types)?;
        Ok(SaveCredential { user_id, credential, replaces: None })
    }
}

impl UncheckedCredential {
    /// Checks every member; `field` is the path of the credential.
    ///
    /// # Errors
    /// Names the first missing or invalid member.
    pub(crate) fn check(
        self,
        field: &str,
        types: &CredentialTypes,
    ) -> Result<NewCredential, InvalidField> {
        let value_field = format!("{field}.Value");
        if self.value.is_none() && self.hash.is_none() {
            return Err(InvalidField::new(value_field, Reason::Required));
        }
        let display_value = self
            .display_value
            .map(|text| DisplayValue::parse(&format!("{field}.DisplayValue"), &text))
            .transpose()?;
        let type_field = format!("{field}.Type.Type");
        let credential_type = find_type(&type_field, self.type_name.as_deref(), types)?;
        let secret = match self.hash {
            None => {
                let value = CredentialValue::require(&value_field, self.value.as_ref())?;
                credential_type.check(&value_field, &value)?;
                NewSecret::Value(value)
            }
            Some(hash) => {
                let has_value = self.value.as_ref().is_some_and(is_present);
                if has_value || credential_type.is_identifier() {
                    // Identifiers are looked up by their value, which a hash does not contain.
                    return Err(InvalidField::new(format!("{field}.Hash"), Reason::Contradiction));
                }
                NewSecret::Hash(hash)
            }
        };
        Ok(NewCredential {
            field: field.to_owned(),
            credential_type,
            secret,
            // An empty text counts as none: the published samples send "" for a password.
            display_value: display_value.filter(|text| !text.as_str().is_empty()),
            validity: self.validity,
            change_required: self.change_required,
        })
    }

    /// As [`Self::check`]; `None` without a value, as in a user that was read and sent back.
    pub(super) fn check_if_present(
        self,
        field: &str,
        types: &CredentialTypes,
    ) -> Result<Option<NewCredential>, InvalidField> {
        let has_value = self.hash.is_some() || self.value.as_ref().is_some_and(is_present);
        if has_value { self.check(field, types).map(Some) } else { Ok(None) }
    }
}

/// The type with that name, or the default type for a missing or empty name.
pub(crate) fn find_type(
    field: &str,
    name: Option<&str>,
    types: &CredentialTypes,
) -> Result<CredentialType, InvalidField> {
    let refuse = |reason| InvalidField::new(field, reason);
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return Ok(types.default_type().clone());
    };
    if name.eq_ignore_ascii_case(TICKET) {
        return Err(refuse(Reason::Ticket));
    }
    types.find(name).cloned().ok_or_else(|| refuse(Reason::UnknownType))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::credential_type::PASSWORD;

    fn unchecked(type_name: Option<&str>) -> UncheckedSaveCredential {
        let credential = UncheckedCredential {
            type_name: type_name.map(str::to_owned),
            value: Some(SecretString::from("v")),
            hash: None,
            display_value: Some(String::new()),
            validity: None,
            change_required: None,
        };
        UncheckedSaveCredential { user_id: Some(1), credential }
    }

    fn types() -> CredentialTypes {
        CredentialTypes::new(Vec::new(), PASSWORD).unwrap()
    }

    #[test]
    fn no_type_means_the_default() {
        for name in [None, Some("")] {
            let command = unchecked(name).check(&types()).unwrap();
            assert!(command.credential.credential_type.is_password());
        }
    }

    #[test]
    fn an_unknown_type_and_tickets_are_refused() {
        for name in ["ticket", "Ticket", "Nope"] {
            let error = unchecked(Some(name)).check(&types()).unwrap_err();
            assert_eq!(error.field, "Credential.Type.Type");
        }
    }

    #[test]
    fn an_empty_display_value_means_none() {
        assert!(unchecked(None).check(&types()).unwrap().credential.display_value.is_none());
    }
}
