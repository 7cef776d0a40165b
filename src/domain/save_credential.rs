//! The command of the heart of this service: add or replace a user's credential of one type.

use secrecy::SecretString;

use super::{
    InvalidField, Reason,
    credential::{CredentialValue, DisplayValue},
    credential_type::{CredentialType, CredentialTypes, TICKET},
    user::UserId,
};

/// A request to save, checked; the plain value dies with it.
#[derive(Debug)]
pub(crate) struct SaveCredential {
    pub(crate) user_id: UserId,
    pub(crate) credential_type: CredentialType,
    pub(crate) value: CredentialValue,
    /// `None`: the login name is shown.
    pub(crate) display_value: Option<DisplayValue>,
}

/// The members of a request to save, as they were sent.
#[derive(Debug, Default)]
pub(crate) struct UncheckedSaveCredential {
    pub(crate) user_id: Option<i32>,
    pub(crate) type_name: Option<String>,
    pub(crate) value: Option<SecretString>,
    pub(crate) display_value: Option<String>,
}

impl UncheckedSaveCredential {
    /// Checks every member (protocol.md 10.11, 10.12, 10.15).
    ///
    /// # Errors
    /// Names the first member that is missing or refused.
    pub(crate) fn check(self, types: &CredentialTypes) -> Result<SaveCredential, InvalidField> {
        let user_id = self.user_id.ok_or_else(|| InvalidField::new("UserId", Reason::Required))?;
        let value =
            self.value.ok_or_else(|| InvalidField::new("Credential.Value", Reason::Required))?;
        let display_value = self
            .display_value
            .map(|text| DisplayValue::parse("Credential.DisplayValue", &text))
            .transpose()?;
        Ok(SaveCredential {
            user_id: UserId::try_from(user_id)?,
            credential_type: find_type(self.type_name.as_deref(), types)?,
            value: CredentialValue::parse("Credential.Value", &value)?,
            // An empty one says nothing: the published samples send "" for a password.
            display_value: display_value.filter(|text| !text.as_str().is_empty()),
        })
    }
}

/// The named type, or the default when none or an empty one is named.
fn find_type(name: Option<&str>, types: &CredentialTypes) -> Result<CredentialType, InvalidField> {
    let refuse = |reason| InvalidField::new("Credential.Type.Type", reason);
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
        UncheckedSaveCredential {
            user_id: Some(1),
            type_name: type_name.map(str::to_owned),
            value: Some(SecretString::from("v")),
            display_value: Some(String::new()),
        }
    }

    fn types() -> CredentialTypes {
        CredentialTypes::new(Vec::new(), PASSWORD).unwrap()
    }

    #[test]
    fn no_type_means_the_default() {
        for name in [None, Some("")] {
            let command = unchecked(name).check(&types()).unwrap();
            assert!(command.credential_type.is_password());
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
        assert!(unchecked(None).check(&types()).unwrap().display_value.is_none());
    }
}
