//! The credential types of an installation (docs/reference/wire-contract.md#credential-types).

use std::time::Duration;

use super::{
    credential::CredentialValue,
    invalid_field::{InvalidField, Reason},
    user::UserType,
};

/// The type that holds a user's password.
pub(crate) const PASSWORD: &str = "CRM5/PASSWORD";

/// The type of Windows identities; its value is a SID.
pub(crate) const ACTIVE_DIRECTORY: &str = "ActiveDirectory";

/// Session tickets: internal, never saved through the API
/// (docs/reference/wire-contract.md#d12-unknown-users-and-types).
pub(crate) const TICKET: &str = "Ticket";

/// The kind of the values of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CredentialKind {
    /// A secret that only the user knows; a hash verifies it.
    Secret {
        /// Whether Basic may verify it.
        usable_for_basic: bool,
    },
    /// The name of the user in another system. It never verifies a secret; it maps an identity that
    /// another system has proved (docs/reference/wire-contract.md#d14-identifier-types).
    Identifier,
}

/// The input control for a value (the vendor's `CredentialControlType`,
/// docs/reference/wire-contract.md#carriers).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueControl {
    /// Shown as text.
    Static,
    /// A text field.
    Edit,
    /// A password field.
    Password,
    /// A choice from a list.
    Link,
    /// Not shown.
    Hidden,
}

/// The texts of a type from the settings, the same in every language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TypeTexts {
    pub(crate) display_type: String,
    pub(crate) description: String,
}

/// The limits of the length of a value, in bytes of its NFC form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ValueLimits {
    pub(crate) minimum_bytes: usize,
    pub(crate) maximum_bytes: usize,
}

/// A credential type: its canonical spelling, its kind, and its rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CredentialType {
    name: String,
    kind: CredentialKind,
    control: ValueControl,
    texts: Option<TypeTexts>,
    /// The user types that may have it; empty: all.
    user_types: Vec<UserType>,
    limits: Option<ValueLimits>,
    lifetime: Option<Duration>,
}

impl CredentialType {
    /// A type of this spelling and kind, for all users and values.
    pub(crate) fn new(name: impl Into<String>, kind: CredentialKind) -> Self {
        let control = match kind {
            CredentialKind::Secret { .. } => ValueControl::Password,
            CredentialKind::Identifier => ValueControl::Edit,
        };
        Self {
            name: name.into(),
            kind,
            control,
            texts: None,
            user_types: Vec::new(),
            limits: None,
            lifetime: None,
        }
    }

    /// With another input control.
    pub(crate) fn with_control(self, control: ValueControl) -> Self {
        Self { control, ..self }
    }

    /// With its own texts.
    pub(crate) fn with_texts(self, texts: Option<TypeTexts>) -> Self {
        Self { texts, ..self }
    }

    /// For users of these types only; empty: for all.
    pub(crate) fn for_user_types(self, user_types: Vec<UserType>) -> Self {
        Self { user_types, ..self }
    }

    /// With limits of the length.
    pub(crate) fn with_limits(self, limits: Option<ValueLimits>) -> Self {
        Self { limits, ..self }
    }

    /// With a lifetime of credentials that are saved without a validity.
    pub(crate) fn with_lifetime(self, lifetime: Option<Duration>) -> Self {
        Self { lifetime, ..self }
    }

    /// The lifetime of a credential after it was saved; `None`: without limit.
    pub(crate) fn lifetime(&self) -> Option<Duration> {
        self.lifetime
    }

    /// The canonical spelling.
    pub(crate) fn as_str(&self) -> &str {
        &self.name
    }

    /// True for identifiers, which must be unique among all users.
    pub(crate) fn is_identifier(&self) -> bool {
        self.kind == CredentialKind::Identifier
    }

    /// True when Basic verifies it; replacing it revokes the issued tickets, sessions and tokens.
    pub(crate) fn is_usable_for_basic(&self) -> bool {
        self.kind == CredentialKind::Secret { usable_for_basic: true }
    }

    /// True when users of that type may have a credential of this type.
    pub(crate) fn is_allowed_for(&self, user_type: UserType) -> bool {
        self.user_types.is_empty() || self.user_types.contains(&user_type)
    }

    /// The input control.
    pub(crate) fn control(&self) -> ValueControl {
        self.control
    }

    /// The texts from the settings.
    pub(crate) fn texts(&self) -> Option<&TypeTexts> {
        self.texts.as_ref()
    }

    /// Checks a value against the limits of the type.
    ///
    /// # Errors
    /// Names `field` when it is too short or too long.
    pub(crate) fn check(&self, field: &str, value: &CredentialValue) -> Result<(), InvalidField> {
        let Some(ValueLimits { minimum_bytes, maximum_bytes }) = self.limits else {
            return Ok(());
        };
        let refuse = |reason| Err(InvalidField::new(field, reason));
        if value.bytes() < minimum_bytes {
            return refuse(Reason::TooFewBytes(minimum_bytes));
        }
        if value.bytes() > maximum_bytes {
            return refuse(Reason::TooManyBytes(maximum_bytes));
        }
        Ok(())
    }

    /// The key of the texts of a built-in type in `locales`.
    pub(crate) fn text_key(&self) -> Option<&'static str> {
        match self.name.as_str() {
            PASSWORD => Some("credential-type-password"),
            ACTIVE_DIRECTORY => Some("credential-type-active-directory"),
            _ => None,
        }
    }

    /// True for the user's own password.
    pub(crate) fn is_password(&self) -> bool {
        self.name == PASSWORD
    }
}

/// All types of an installation, `CRM5/PASSWORD` and `ActiveDirectory` among them.
#[derive(Debug, Clone)]
pub(crate) struct CredentialTypes {
    types: Vec<CredentialType>,
    password: CredentialType,
    default: CredentialType,
}

impl CredentialTypes {
    /// The built-in types and those of the settings, with the name of the default type. `None` when
    /// the default is not one of the types.
    pub(crate) fn new(additional: Vec<CredentialType>, default: &str) -> Option<Self> {
        let password =
            CredentialType::new(PASSWORD, CredentialKind::Secret { usable_for_basic: true });
        let mut types = vec![
            password.clone(),
            CredentialType::new(ACTIVE_DIRECTORY, CredentialKind::Identifier)
                .with_control(ValueControl::Link),
        ];
        types.extend(additional);
        let default = find(&types, default)?.clone();
        Some(Self { types, password, default })
    }

    /// All types, the built-in ones first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &CredentialType> {
        self.types.iter()
    }

    /// The type with that name, without regard to case.
    pub(crate) fn find(&self, name: &str) -> Option<&CredentialType> {
        find(&self.types, name)
    }

    /// The type of a request that names none
    /// (docs/reference/wire-contract.md#d11-default-credential-type).
    pub(crate) fn default_type(&self) -> &CredentialType {
        &self.default
    }

    /// The type of the user's own password.
    pub(crate) fn password(&self) -> &CredentialType {
        &self.password
    }

    /// Names of the types that Basic verifies, the password first.
    pub(crate) fn usable_for_basic(&self) -> Vec<String> {
        self.types
            .iter()
            .filter(|credential_type| credential_type.is_usable_for_basic())
            .map(|credential_type| credential_type.name.clone())
            .collect()
    }
}

fn find<'types>(types: &'types [CredentialType], name: &str) -> Option<&'types CredentialType> {
    let name = name.to_lowercase();
    types.iter().find(|credential_type| credential_type.name.to_lowercase() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_compare_without_regard_to_case() {
        let types = CredentialTypes::new(Vec::new(), "crm5/password").unwrap();
        assert_eq!(types.find("activedirectory").unwrap().as_str(), ACTIVE_DIRECTORY);
        assert!(types.default_type().is_password());
        assert!(types.find(TICKET).is_none());
    }

    #[test]
    fn only_secrets_marked_for_it_are_usable_for_basic() {
        let pin = |usable| CredentialKind::Secret { usable_for_basic: usable };
        let additional = vec![
            CredentialType::new("Pin", pin(true)),
            CredentialType::new("Answer", pin(false)),
            CredentialType::new("OpenId", CredentialKind::Identifier),
        ];
        let types = CredentialTypes::new(additional, PASSWORD).unwrap();
        assert_eq!(types.usable_for_basic(), [PASSWORD, "Pin"]);
    }
}
