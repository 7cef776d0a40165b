//! Settings of additional credential types.

use std::time::Duration;

use serde::Deserialize;

use super::problem::Problem;
use crate::domain::{
    credential::MAXIMUM_VALUE,
    credential_type::{CredentialKind, CredentialType, TypeTexts, ValueControl, ValueLimits},
    user::UserType,
};

/// The longest name or text, in characters.
const MAXIMUM_TEXT: usize = 254;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The longest validity, in days: 100 years. Times in the far future overflow.
const MAXIMUM_DAYS: u32 = 36_500;

const SETTING: &str = "credentials.additional_types";

/// One entry of `credentials.additional_types`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TypeSettings {
    pub(crate) name: String,
    pub(crate) kind: TypeKind,
    #[serde(default, deserialize_with = "super::value_types::deserialize_switch")]
    pub(crate) usable_for_basic: bool,
    /// The display name. Default: the name.
    pub(crate) display_type: Option<String>,
    #[serde(default)]
    pub(crate) description: String,
    /// The input control for a value. The default depends on the kind.
    pub(crate) control: Option<ControlKind>,
    /// The user types that can have this credential type. Empty: all.
    #[serde(default)]
    pub(crate) user_types: Vec<UserKind>,
    #[serde(default = "default_minimum_bytes")]
    pub(crate) minimum_bytes: usize,
    #[serde(default = "default_maximum_bytes")]
    pub(crate) maximum_bytes: usize,
    /// The validity of a credential after it is saved. `None`: no expiry.
    pub(crate) validity_days: Option<u32>,
}

/// The shortest allowed value: a value is never empty.
fn default_minimum_bytes() -> usize {
    1
}

fn default_maximum_bytes() -> usize {
    MAXIMUM_VALUE
}

/// The input control for values of an additional type.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ControlKind {
    Static,
    Edit,
    Password,
    Link,
    Hidden,
}

/// User types, in the spelling of the settings.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum UserKind {
    Internal,
    Resource,
    External,
    Anonymous,
    System,
}

/// The kind of an additional type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TypeKind {
    /// A secret that is verified by its hash.
    Secret,
    /// An identifier of the user in another system.
    Identifier,
}

impl TypeSettings {
    /// The credential type of this entry.
    pub(super) fn credential_type(&self) -> CredentialType {
        let kind = match self.kind {
            TypeKind::Secret => CredentialKind::Secret { usable_for_basic: self.usable_for_basic },
            TypeKind::Identifier => CredentialKind::Identifier,
        };
        let default_of_kind = CredentialType::new(&self.name, kind);
        let control = self.control.map_or_else(|| default_of_kind.control(), ValueControl::from);
        let (minimum_bytes, maximum_bytes) = (self.minimum_bytes, self.maximum_bytes);
        default_of_kind
            .with_control(control)
            .with_texts(self.texts())
            .for_user_types(self.user_types.iter().copied().map(UserType::from).collect())
            .with_limits(Some(ValueLimits { minimum_bytes, maximum_bytes }))
            .with_lifetime(self.validity_days.map(|days| DAY * days))
    }

    fn texts(&self) -> Option<TypeTexts> {
        let display_type = self.display_type.clone()?;
        Some(TypeTexts { display_type, description: self.description.clone() })
    }

    /// Problems of this entry.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let is_valid_text = |text: &str| {
            text.chars().count() <= MAXIMUM_TEXT && !text.chars().any(char::is_control)
        };
        let texts = [self.display_type.as_deref().unwrap_or("x"), &self.description];
        let is_valid_range = (1..=self.maximum_bytes).contains(&self.minimum_bytes)
            && self.maximum_bytes <= MAXIMUM_VALUE;
        let rules = [
            (
                !self.name.is_empty() && is_valid_text(&self.name),
                "name must have 1 to 254 characters",
            ),
            (
                !(self.kind == TypeKind::Identifier && self.usable_for_basic),
                "usable_for_basic requires kind = \"secret\"",
            ),
            (
                texts.into_iter().all(is_valid_text),
                "display_type and description must have at most 254 characters",
            ),
            (
                self.validity_days.is_none_or(|days| (1..=MAXIMUM_DAYS).contains(&days)),
                "validity_days must be between 1 and 36500",
            ),
            (is_valid_range, "minimum_bytes and maximum_bytes must form a range within 1 to 1024"),
        ];
        let broken = rules.into_iter().filter(|(holds, _)| !holds);
        broken.map(|(_, reason)| Problem::new(SETTING, reason)).collect()
    }
}

impl From<ControlKind> for ValueControl {
    fn from(control: ControlKind) -> Self {
        match control {
            ControlKind::Static => Self::Static,
            ControlKind::Edit => Self::Edit,
            ControlKind::Password => Self::Password,
            ControlKind::Link => Self::Link,
            ControlKind::Hidden => Self::Hidden,
        }
    }
}

impl From<UserKind> for UserType {
    fn from(kind: UserKind) -> Self {
        match kind {
            UserKind::Internal => Self::Internal,
            UserKind::Resource => Self::Resource,
            UserKind::External => Self::External,
            UserKind::Anonymous => Self::Anonymous,
            UserKind::System => Self::System,
        }
    }
}
