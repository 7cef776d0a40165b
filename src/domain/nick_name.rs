//! Nicknames, which are unique like login names. Nobody logs in with one.

use super::{
    invalid_field::{InvalidField, Reason},
    text::{is_blank, is_invisible, nfkc_case_fold},
};

/// The longest nickname, in code points.
const MAXIMUM_NICK_NAME: usize = 239;

/// A nickname that people can distinguish from others, or none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct NickName {
    text: String,
    canonical: String,
}

impl NickName {
    /// Parses a nickname; an empty text is none.
    ///
    /// # Errors
    /// Names `field` when the nickname is blank or too long, or has a control or an invisible
    /// character.
    pub(crate) fn parse(field: &str, text: &str) -> Result<Self, InvalidField> {
        let refuse = |reason| Err(InvalidField::new(field, reason));
        let canonical = nfkc_case_fold(text);
        if text.chars().count().max(canonical.chars().count()) > MAXIMUM_NICK_NAME {
            return refuse(Reason::TooManyCharacters(MAXIMUM_NICK_NAME));
        }
        let mut characters = text.chars().chain(canonical.chars());
        if characters.clone().any(char::is_control) {
            return refuse(Reason::ControlCharacter);
        }
        if characters.any(is_invisible) {
            return refuse(Reason::InvisibleCharacter);
        }
        if !text.is_empty() && text.chars().all(is_blank) {
            return refuse(Reason::Blank);
        }
        Ok(Self { text: text.to_owned(), canonical })
    }

    /// The nickname as given; empty when there is none.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The canonical form, for look-ups; empty when there is none.
    pub(crate) fn canonical(&self) -> &str {
        &self.canonical
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nickname_has_a_visible_character_and_no_invisible_one() {
        for (text, reason) in [
            (" \u{3000}", Reason::Blank),
            ("a\u{200b}", Reason::InvisibleCharacter),
            ("\u{202e}a", Reason::InvisibleCharacter),
            ("a\nb", Reason::ControlCharacter),
            ("a\0", Reason::ControlCharacter),
        ] {
            assert_eq!(NickName::parse("f", text).unwrap_err().reason, reason, "{text:?}");
        }
        let too_long = Reason::TooManyCharacters(MAXIMUM_NICK_NAME);
        // U+FDFA becomes 18 characters under NFKC.
        for text in ["å".repeat(240), "\u{fdfa}".repeat(14)] {
            assert_eq!(NickName::parse("f", &text).unwrap_err().reason, too_long);
        }
        for text in ["Ada", "a:b", "7T:x", "å b", &"å".repeat(239)] {
            assert_eq!(NickName::parse("f", text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn spellings_of_one_nickname_have_one_canonical_form() {
        let canonical = |text| NickName::parse("f", text).unwrap().canonical().to_owned();
        assert_eq!(canonical("ADA"), canonical("ada"));
        assert_eq!(canonical("Ａｄａ"), canonical("ada"));
        assert_eq!(NickName::parse("f", "").unwrap(), NickName::default());
    }
}
