//! Login names of new and renamed users. A look-up accepts any [`LoginName`], so users keep names
//! that are older than these rules.

use super::{
    invalid_field::{InvalidField, Reason},
    text::{is_blank, is_invisible, nfkc_case_fold},
    user::{DisplayName, LoginName, MAXIMUM_LOGIN_NAME},
};

/// A login name that people can distinguish from others: it has a visible character, and no
/// invisible or bidirectional control character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewLoginName(LoginName);

impl TryFrom<LoginName> for NewLoginName {
    type Error = InvalidField;

    fn try_from(name: LoginName) -> Result<Self, InvalidField> {
        let refuse = |reason| Err(InvalidField::new("UserName", reason));
        if name.as_str().chars().chain(name.canonical().chars()).any(is_invisible) {
            return refuse(Reason::InvisibleCharacter);
        }
        if name.as_str().chars().all(is_blank) {
            return refuse(Reason::Blank);
        }
        Ok(Self(name))
    }
}

impl From<&NewLoginName> for DisplayName {
    fn from(name: &NewLoginName) -> Self {
        Self::from_login_name(&name.0)
    }
}

impl NewLoginName {
    /// Parses a name.
    ///
    /// # Errors
    /// As [`LoginName::parse`], and when the name has invisible characters or no visible one.
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidField> {
        LoginName::parse(text)?.try_into()
    }

    /// The name with a number appended, shortened if necessary.
    pub(crate) fn variant(&self, number: u32) -> Self {
        let number = number.to_string();
        let text = self.as_str();
        let room = MAXIMUM_LOGIN_NAME.saturating_sub(number.len());
        let mut length = room.min(text.chars().count());
        loop {
            let short: String = text.chars().take(length).collect();
            if let Ok(variant) = Self::parse(&format!("{short}{number}")) {
                return variant;
            }
            // One character can become several in the canonical form.
            length = length.saturating_sub(1);
        }
    }

    /// The valid name that is most similar to a text; `None` when no character is valid.
    pub(crate) fn similar_to(text: &str) -> Option<Self> {
        let is_valid = |c: &char| {
            !is_invisible(*c) && *c != ':' && !nfkc_case_fold(&c.to_string()).contains(':')
        };
        let valid: String = text.chars().filter(is_valid).collect();
        let mut valid: String = valid.trim().chars().take(MAXIMUM_LOGIN_NAME).collect();
        while !valid.is_empty() {
            // A shorter name may end with a space inside the longer one.
            valid.truncate(valid.trim_end().len());
            if let Ok(name) = Self::parse(&valid) {
                return Some(name);
            }
            valid.pop();
        }
        None
    }

    /// The name that the first of these texts suggests which has a valid character: a name of a
    /// person (`Ola Nord` suggests `ola.nord`), an account of a domain (`DOM\\ola` suggests `ola`) or
    /// an e-mail address.
    pub(crate) fn suggested_by<'texts>(texts: impl IntoIterator<Item = &'texts str>) -> Self {
        let suggested = |text: &str| {
            let account = text.rsplit('\\').next().unwrap_or(text);
            let words: Vec<_> = account.split_whitespace().collect();
            Self::similar_to(&words.join(".").to_lowercase())
        };
        texts.into_iter().find_map(suggested).unwrap_or_else(Self::default_suggestion)
    }

    /// The name to suggest when none was given.
    pub(crate) fn default_suggestion() -> Self {
        Self(LoginName::default_suggestion())
    }

    /// The name as given.
    pub(crate) fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The canonical form, for look-ups.
    pub(crate) fn canonical(&self) -> &str {
        self.0.canonical()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_invisible_characters_is_refused() {
        for (name, reason) in [
            (" ", Reason::Blank),
            ("\u{a0}\u{3000}", Reason::Blank),
            ("\u{2800}", Reason::Blank),
            ("\u{200b}", Reason::InvisibleCharacter),
            ("anna\u{200b}", Reason::InvisibleCharacter),
            ("anna\u{200d}", Reason::InvisibleCharacter),
            ("\u{202e}anna", Reason::InvisibleCharacter),
            ("an\u{2066}na", Reason::InvisibleCharacter),
            ("an\u{ad}na", Reason::InvisibleCharacter),
            ("an\u{fe0f}na", Reason::InvisibleCharacter),
            ("an\u{3164}na", Reason::InvisibleCharacter),
            ("an\u{2028}na", Reason::InvisibleCharacter),
            ("an\u{ffff}na", Reason::InvisibleCharacter),
            ("an\u{e0061}na", Reason::InvisibleCharacter),
            ("an\0na", Reason::NameCharacters),
        ] {
            assert_eq!(NewLoginName::parse(name).unwrap_err().reason, reason, "{name:?}");
        }
        for name in ["anna", "Anna Berg", "žluťoučký", "安娜", "آنا", "a🦀", "e\u{301}"]
        {
            assert!(NewLoginName::parse(name).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn a_text_about_a_person_suggests_a_name() {
        for (texts, name) in [
            (&["Ola Nord"][..], "ola.nord"),
            (&["  Ola \u{3000} Nord "], "ola.nord"),
            (&["DOM\\Ola"], "ola"),
            (&["DOM\\", "ola@example.com"], "ola@example.com"),
            (&["a:b"], "ab"),
            (&["", " ", ":", "\u{200b}"], "user"),
            (&[], "user"),
        ] {
            assert_eq!(NewLoginName::suggested_by(texts.iter().copied()).as_str(), name);
        }
    }

    #[test]
    fn a_name_similar_to_a_text_is_valid() {
        for (text, near) in [
            ("  an\u{200b}na: ", Some("anna")),
            ("\u{202e} b \u{2066}", Some("b")),
            ("\u{200b} \u{3000}", None),
            ("\u{2800}", None),
        ] {
            let found = NewLoginName::similar_to(text);
            assert_eq!(found.as_ref().map(NewLoginName::as_str), near, "{text:?}");
        }
        // Cut behind a space.
        let letters = "a".repeat(238);
        let found = NewLoginName::similar_to(&format!("{letters} b"));
        assert_eq!(found.as_ref().map(NewLoginName::as_str), Some(letters.as_str()));
        let long = NewLoginName::parse(&"å".repeat(239)).unwrap();
        assert_eq!(long.variant(7).as_str(), format!("{}7", "å".repeat(238)));
    }
}
