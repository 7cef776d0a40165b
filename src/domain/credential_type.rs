//! Which credential types this installation knows, and what each is for (protocol.md 7.3).

/// The type that holds a user's password.
pub(crate) const PASSWORD: &str = "CRM5/PASSWORD";

/// The type of Windows identities; its value is a SID.
pub(crate) const ACTIVE_DIRECTORY: &str = "ActiveDirectory";

/// Session tickets: internal, never saved through the API (protocol.md 10.12).
pub(crate) const TICKET: &str = "Ticket";

/// What the value of a type is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CredentialKind {
    /// Something only the user knows; the hash verifies it.
    Secret {
        /// Whether Basic may verify it.
        usable_for_basic: bool,
    },
    /// Something that names the user in another system. It never verifies what is presented; it
    /// maps an identity that was proven elsewhere (protocol.md 10.14).
    Identifier,
}

/// A credential type: the canonical spelling and the kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CredentialType {
    name: String,
    kind: CredentialKind,
}

impl CredentialType {
    /// A type of this spelling and kind.
    pub(crate) fn new(name: impl Into<String>, kind: CredentialKind) -> Self {
        Self { name: name.into(), kind }
    }

    /// The canonical spelling.
    pub(crate) fn as_str(&self) -> &str {
        &self.name
    }

    /// True when the value names the user elsewhere and must be unique over all users.
    pub(crate) fn is_identifier(&self) -> bool {
        self.kind == CredentialKind::Identifier
    }

    /// True when Basic verifies it, so that replacing it ends what was derived from it.
    pub(crate) fn is_usable_for_basic(&self) -> bool {
        self.kind == CredentialKind::Secret { usable_for_basic: true }
    }

    /// True for Windows identities.
    pub(crate) fn is_active_directory(&self) -> bool {
        self.name == ACTIVE_DIRECTORY
    }

    /// Under which name the texts of a built-in type are kept; others have none.
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

/// All types of this installation; `CRM5/PASSWORD` and `ActiveDirectory` are always there.
#[derive(Debug, Clone)]
pub(crate) struct CredentialTypes {
    types: Vec<CredentialType>,
    password: CredentialType,
    default: CredentialType,
}

impl CredentialTypes {
    /// The built-in types, those of the settings, and which of them is meant when none is named.
    /// `None` when the default is not among them.
    pub(crate) fn new(additional: Vec<CredentialType>, default: &str) -> Option<Self> {
        let password =
            CredentialType::new(PASSWORD, CredentialKind::Secret { usable_for_basic: true });
        let mut types = vec![
            password.clone(),
            CredentialType::new(ACTIVE_DIRECTORY, CredentialKind::Identifier),
        ];
        types.extend(additional);
        let default = find(&types, default)?.clone();
        Some(Self { types, password, default })
    }

    /// Every type, the built-in ones first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &CredentialType> {
        self.types.iter()
    }

    /// The type of that name, compared without regard to case.
    pub(crate) fn find(&self, name: &str) -> Option<&CredentialType> {
        find(&self.types, name)
    }

    /// The type that is meant when a request names none (protocol.md 10.11).
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
