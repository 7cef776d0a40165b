//! Untrusted credentials: secrets that users keep for other systems, such as a mail server. They are
//! given back, so they are encrypted and not hashed, and they never log anybody in
//! (docs/reference/wire-contract.md#d32-untrusted-credentials).

use secrecy::{ExposeSecret, SecretString};

use super::{
    invalid_field::{InvalidField, Reason},
    text::{is_xml, nfkc_case_fold},
    user::UserId,
    validity::Validity,
};

/// The most untrusted credentials of a user, over all types.
pub(crate) const MAXIMUM_PER_USER: usize = 100;

/// The longest type, in code points, as for other credentials.
const MAXIMUM_TYPE: usize = 254;

/// The longest public value, in code points (docs/reference/wire-contract.md#carriers).
const MAXIMUM_PUBLIC_VALUE: usize = 238;

/// The longest comment, in code points.
const MAXIMUM_COMMENT: usize = 255;

/// The longest secret, in code points.
const MAXIMUM_SECRET: usize = 70;

/// The longest secret, in bytes.
pub(crate) const MAXIMUM_SECRET_BYTES: usize = MAXIMUM_SECRET * 4;

/// The kind of another system, such as `imap`, in its canonical form: types that differ in case are
/// the same. Each user of the API chooses the names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UntrustedType(String);

impl UntrustedType {
    /// Checks a required type.
    ///
    /// # Errors
    /// Names `field` when the type is missing, empty or too long, or has a control character.
    pub(crate) fn require(field: &str, text: Option<&str>) -> Result<Self, InvalidField> {
        let canonical = require_text(field, text, MAXIMUM_TYPE).map(nfkc_case_fold)?;
        // The canonical form may be longer, or empty.
        require_text(field, Some(&canonical), MAXIMUM_TYPE)?;
        Ok(Self(canonical))
    }

    /// The canonical form.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The plain part of an untrusted credential, such as a server with an account. It tells the
/// credentials of one type apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicValue(String);

impl PublicValue {
    /// Checks a required public value.
    ///
    /// # Errors
    /// Names `field` when the value is missing, empty or too long, or has a control character.
    pub(crate) fn require(field: &str, text: Option<&str>) -> Result<Self, InvalidField> {
        require_text(field, text, MAXIMUM_PUBLIC_VALUE).map(|text| Self(text.to_owned()))
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The secret of an untrusted credential. It is kept unchanged, because another system compares it.
#[derive(Debug, Clone)]
pub(crate) struct UntrustedSecret(SecretString);

impl UntrustedSecret {
    /// Checks a secret; `None` for an empty one.
    ///
    /// # Errors
    /// Names `field` when the secret is too long or has a control character, which XML cannot
    /// return.
    pub(crate) fn parse(field: &str, secret: SecretString) -> Result<Option<Self>, InvalidField> {
        let text = secret.expose_secret();
        if text.is_empty() {
            return Ok(None);
        }
        require_text(field, Some(text), MAXIMUM_SECRET)?;
        Ok(Some(Self(secret)))
    }

    /// The secret that was unsealed.
    pub(crate) fn unsealed(secret: SecretString) -> Self {
        Self(secret)
    }

    /// The plain secret, for `security`, and for the one who may have it.
    pub(crate) fn secret(&self) -> &SecretString {
        &self.0
    }
}

/// A text with 1 to `maximum` code points, without control characters and what XML cannot represent.
fn require_text<'text>(
    field: &str,
    text: Option<&'text str>,
    maximum: usize,
) -> Result<&'text str, InvalidField> {
    let refuse = |reason| Err(InvalidField::new(field, reason));
    match text {
        None => refuse(Reason::Required),
        Some("") => refuse(Reason::Empty),
        Some(text) if text.chars().count() > maximum => refuse(Reason::TooManyCharacters(maximum)),
        Some(text) if text.chars().any(char::is_control) => refuse(Reason::ControlCharacter),
        Some(text) if !text.chars().all(is_xml) => refuse(Reason::NotXml),
        Some(text) => Ok(text),
    }
}

/// The members of an untrusted credential that are neither its key nor its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UntrustedDetails {
    /// At most 255 code points, without control characters.
    comment: String,
    /// For the programs that read the credential; this service does not use it.
    pub(crate) is_active: bool,
    /// For the programs that read the credential; this service does not use it.
    pub(crate) validity: Validity,
}

impl UntrustedDetails {
    /// Checks the details.
    ///
    /// # Errors
    /// Names `field` when the comment is too long or has a control character.
    pub(crate) fn parse(
        field: &str,
        comment: Option<String>,
        is_active: bool,
        validity: Validity,
    ) -> Result<Self, InvalidField> {
        let comment = comment.unwrap_or_default();
        if !comment.is_empty() {
            require_text(field, Some(&comment), MAXIMUM_COMMENT)?;
        }
        Ok(Self { comment, is_active, validity })
    }

    /// The comment; empty when there is none.
    pub(crate) fn comment(&self) -> &str {
        &self.comment
    }
}

/// What a caller may read of the untrusted credentials of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UntrustedAccess {
    /// Read them with their secrets.
    Secrets,
    /// Read them without their secrets.
    Details,
}

/// The command that saves an untrusted credential of a user.
#[derive(Debug)]
pub(crate) struct SaveUntrusted {
    pub(crate) credential_type: UntrustedType,
    pub(crate) public_value: PublicValue,
    /// `None` keeps the stored secret.
    pub(crate) secret: Option<UntrustedSecret>,
    pub(crate) details: UntrustedDetails,
}

/// A stored untrusted credential, still sealed.
#[derive(Debug, Clone)]
pub(crate) struct StoredUntrusted {
    pub(crate) user_id: UserId,
    /// The canonical type.
    pub(crate) credential_type: String,
    pub(crate) public_value: String,
    pub(crate) details: UntrustedDetails,
    pub(crate) sealed_secret: Vec<u8>,
    pub(crate) key_id: String,
    /// The sequence of the audit event that saved it.
    pub(crate) version: i64,
}

/// An untrusted credential for the caller.
#[derive(Debug)]
pub(crate) struct UntrustedCredential {
    pub(crate) public_value: String,
    pub(crate) details: UntrustedDetails,
    /// `None` for a caller who may not have it.
    pub(crate) secret: Option<UntrustedSecret>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_that_differ_in_case_or_width_are_the_same() {
        let canonical = |text| UntrustedType::require("f", Some(text)).unwrap();
        assert_eq!(canonical("IMAP"), canonical("imap"));
        assert_eq!(canonical("ｉｍａｐ").as_str(), "imap");
    }

    #[test]
    fn each_text_has_its_limit_and_no_control_character() {
        type Check = fn(&str) -> Option<Reason>;
        let checks: [(Check, usize); 4] = [
            (|text| UntrustedType::require("f", Some(text)).err().map(|e| e.reason), 254),
            (|text| PublicValue::require("f", Some(text)).err().map(|e| e.reason), 238),
            (|text| UntrustedSecret::parse("f", text.into()).err().map(|e| e.reason), 70),
            (
                |text| {
                    UntrustedDetails::parse("f", Some(text.into()), true, Validity::default())
                        .err()
                        .map(|e| e.reason)
                },
                255,
            ),
        ];
        for (check, limit) in checks {
            // 'ꜳ' is one code point of three bytes, with a canonical form of one code point.
            assert_eq!(check(&"ꜳ".repeat(limit)), None);
            assert_eq!(
                check(&"a".repeat(limit + 1)),
                Some(Reason::TooManyCharacters(limit)),
                "{limit}"
            );
            assert_eq!(check("a\u{0}"), Some(Reason::ControlCharacter));
            assert_eq!(check("a\u{85}"), Some(Reason::ControlCharacter));
            assert_eq!(check("a\u{fffe}"), Some(Reason::NotXml));
            assert_eq!(check("\u{ffff}"), Some(Reason::NotXml));
            assert_eq!(check("a\u{fffd}\u{1ffff}"), None);
        }
        // The canonical form is longer.
        assert!(UntrustedType::require("f", Some(&"㌀".repeat(100))).is_err());
    }

    #[test]
    fn a_secret_is_kept_as_it_is_and_never_shown() {
        let given = " e\u{301} ";
        let secret = UntrustedSecret::parse("f", given.into()).unwrap().unwrap();
        assert_eq!(secret.secret().expose_secret(), given);
        assert!(!format!("{secret:?}").contains('\u{301}'));
        assert!(UntrustedSecret::parse("f", "".into()).unwrap().is_none());
    }
}
