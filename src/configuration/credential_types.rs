//! The credential types that settings add to the built-in ones.

use std::time::Duration;

use serde::Deserialize;

use super::Problem;
use crate::domain::{
    credential::MAXIMUM_VALUE,
    credential_type::{CredentialKind, CredentialType, TypeTexts, ValueControl, ValueLimits},
    user::UserType,
};

/// The longest name or text, in characters.
const MAXIMUM_TEXT: usize = 254;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A hundred years: beyond a few thousand, clocks overflow.
const MAXIMUM_DAYS: u32 = 36_500;

const SETTING: &str = "credentials.additional_types";

/// One entry of `credentials.additional_types`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TypeSettings {
    pub(crate) name: String,
    pub(crate) kind: TypeKind,
    #[serde(default)]
    pub(crate) usable_for_basic: bool,
    /// What people read; the name when there is none.
    pub(crate) display_type: Option<String>,
    #[serde(default)]
    pub(crate) description: String,
    /// How a value is entered; by the kind when it is not said.
    pub(crate) control: Option<ControlKind>,
    /// Users of which types can have it; empty: all.
    #[serde(default)]
    pub(crate) user_types: Vec<UserKind>,
    #[serde(default = "one")]
    pub(crate) minimum_bytes: usize,
    #[serde(default = "longest_value")]
    pub(crate) maximum_bytes: usize,
    /// How long a credential counts after it was saved; none: for ever.
    pub(crate) validity_days: Option<u32>,
}

/// A value is never empty.
fn one() -> usize {
    1
}

fn longest_value() -> usize {
    MAXIMUM_VALUE
}

/// How a value of an additional type is entered.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ControlKind {
    Static,
    Edit,
    Password,
    Link,
    Hidden,
}

/// The types of users, as settings spell them.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum UserKind {
    Internal,
    Resource,
    External,
    Anonymous,
    System,
}

/// What the value of an additional type is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TypeKind {
    /// Verified by its hash.
    Secret,
    /// Maps an identity of another system.
    Identifier,
}

impl TypeSettings {
    /// The type that is described.
    pub(super) fn credential_type(&self) -> CredentialType {
        let kind = match self.kind {
            TypeKind::Secret => CredentialKind::Secret { usable_for_basic: self.usable_for_basic },
            TypeKind::Identifier => CredentialKind::Identifier,
        };
        let of_kind = CredentialType::new(&self.name, kind);
        let control = self.control.map_or_else(|| of_kind.control(), ValueControl::from);
        let (minimum_bytes, maximum_bytes) = (self.minimum_bytes, self.maximum_bytes);
        of_kind
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

    /// What cannot be meant, of this entry alone.
    pub(super) fn contradictions(&self) -> Vec<Problem> {
        let is_text = |text: &str| {
            text.chars().count() <= MAXIMUM_TEXT && !text.chars().any(char::is_control)
        };
        let texts = [self.display_type.as_deref().unwrap_or("x"), &self.description];
        let is_range = (1..=self.maximum_bytes).contains(&self.minimum_bytes)
            && self.maximum_bytes <= MAXIMUM_VALUE;
        let rules = [
            (!self.name.is_empty() && is_text(&self.name), "a name must have 1 to 254 characters"),
            (
                !(self.kind == TypeKind::Identifier && self.usable_for_basic),
                "an identifier proves nothing to Basic",
            ),
            (texts.into_iter().all(is_text), "a text must have at most 254 characters"),
            (
                self.validity_days.is_none_or(|days| (1..=MAXIMUM_DAYS).contains(&days)),
                "validity_days must be 1 to 36500",
            ),
            (is_range, "minimum_bytes and maximum_bytes must be a range within 1 to 1024"),
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
