//! The reason that an actor gives for a change; the audit event of the change has it.

use super::{invalid_field::InvalidField, visible_text::require_visible};

/// The longest reason, in characters.
pub(crate) const MAXIMUM_REASON: usize = 200;

/// A reason: 1 to 200 characters with a visible one, and without control and invisible characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ActionReason(String);

impl ActionReason {
    /// Checks a reason.
    ///
    /// # Errors
    /// Names `field` when the reason is empty, blank or too long, or has a control or an invisible
    /// character.
    pub(crate) fn parse(field: &str, text: &str) -> Result<Self, InvalidField> {
        require_visible(field, text, MAXIMUM_REASON)?;
        Ok(Self(text.to_owned()))
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::invalid_field::Reason;

    #[test]
    fn a_reason_has_1_to_200_visible_characters() {
        let reason = |text: &str| ActionReason::parse("f", text).map_err(|error| error.reason);
        for text in ["x", "Ticket 4711: müde", &"å".repeat(MAXIMUM_REASON)] {
            assert_eq!(reason(text).unwrap().as_str(), text);
        }
        for (text, expected) in [
            ("", Reason::Empty),
            (" \u{3000}", Reason::Blank),
            ("a\nb", Reason::ControlCharacter),
            ("a\u{7f}", Reason::ControlCharacter),
            ("a\u{202e}b", Reason::InvisibleCharacter),
            (&"x".repeat(MAXIMUM_REASON + 1), Reason::TooManyCharacters(MAXIMUM_REASON)),
        ] {
            assert_eq!(reason(text), Err(expected), "{text:?}");
        }
    }
}
