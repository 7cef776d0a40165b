//! Texts that people read: names and reasons.

use super::{
    invalid_field::{InvalidField, Reason},
    text::{is_blank, is_hidden_in_text},
};

/// Fails unless the text has 1 to `maximum` code points with a visible one, and without control and
/// invisible characters.
///
/// # Errors
/// Names `field`.
pub(super) fn require_visible(field: &str, text: &str, maximum: usize) -> Result<(), InvalidField> {
    let refuse = |reason| Err(InvalidField::new(field, reason));
    if text.is_empty() {
        return refuse(Reason::Empty);
    }
    if text.chars().count() > maximum {
        return refuse(Reason::TooManyCharacters(maximum));
    }
    if text.chars().any(char::is_control) {
        return refuse(Reason::ControlCharacter);
    }
    if text.chars().any(is_hidden_in_text) {
        return refuse(Reason::InvisibleCharacter);
    }
    if text.chars().all(is_blank) {
        return refuse(Reason::Blank);
    }
    Ok(())
}
