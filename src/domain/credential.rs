//! The parts of a credential: its secret value, and the display value that is shown instead.

use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::{
    change_cause::ChangeCause,
    invalid_field::{InvalidField, Reason},
    text::{nfc, nfd, nfkc_case_fold},
    user::UserId,
    validity::Validity,
};

/// The longest value, in bytes of its NFC form; longer ones are refused before any hashing.
pub(crate) const MAXIMUM_VALUE: usize = 1024;

/// The longest display value, in code points.
const MAXIMUM_DISPLAY_VALUE: usize = 254;

/// True when a text is not empty.
pub(crate) fn is_present(text: &SecretString) -> bool {
    !text.expose_secret().is_empty()
}

/// The value of a credential: NFC, 1 to 1,024 bytes, no NUL, never trimmed
/// (docs/reference/wire-contract.md#d25-limits).
///
/// `Debug` does not show the value.
#[derive(Debug, Clone)]
pub(crate) struct CredentialValue(SecretString);

impl CredentialValue {
    /// Normalizes and checks a value.
    ///
    /// # Errors
    /// Names `field` when the value is empty, too long or contains NUL.
    pub(crate) fn parse(field: &str, value: &SecretString) -> Result<Self, InvalidField> {
        let normalized = Zeroizing::new(nfc(value.expose_secret()));
        if normalized.is_empty() {
            return Err(InvalidField::new(field, Reason::Empty));
        }
        if normalized.len() > MAXIMUM_VALUE {
            return Err(InvalidField::new(field, Reason::TooManyBytes(MAXIMUM_VALUE)));
        }
        if normalized.contains('\0') {
            return Err(InvalidField::new(field, Reason::Nul));
        }
        Ok(Self(SecretString::from(normalized.as_str())))
    }

    /// Checks a required value.
    ///
    /// # Errors
    /// As [`Self::parse`], and when the value is missing.
    pub(crate) fn require(field: &str, value: Option<&SecretString>) -> Result<Self, InvalidField> {
        let value = value.ok_or_else(|| InvalidField::new(field, Reason::Required))?;
        Self::parse(field, value)
    }

    /// The length in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.0.expose_secret().len()
    }

    /// The length in code points.
    pub(crate) fn characters(&self) -> usize {
        self.0.expose_secret().chars().count()
    }

    /// The value in NFD, as other systems may have hashed it; `None` when it equals the NFC form.
    pub(crate) fn decomposed(&self) -> Option<Self> {
        let decomposed = Zeroizing::new(nfd(self.0.expose_secret()));
        let is_same = decomposed.as_bytes().ct_eq(self.0.expose_secret().as_bytes());
        (!bool::from(is_same)).then(|| Self(SecretString::from(decomposed.as_str())))
    }

    /// The form for comparisons with words and lists, without regard to case and width.
    pub(crate) fn folded(&self) -> Zeroizing<String> {
        Zeroizing::new(nfkc_case_fold(self.0.expose_secret()))
    }

    /// True for the same value. The time depends on the lengths only.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        self.0.expose_secret().as_bytes().ct_eq(other.0.expose_secret().as_bytes()).into()
    }

    /// The plain value, for `security` only.
    pub(crate) fn secret(&self) -> &SecretString {
        &self.0
    }
}

/// The text that is shown instead of a value: at most 254 code points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DisplayValue(String);

impl DisplayValue {
    /// Checks a display value.
    ///
    /// # Errors
    /// Names `field` when the text is too long or contains NUL, which PostgreSQL cannot store.
    pub(crate) fn parse(field: &str, text: &str) -> Result<Self, InvalidField> {
        if text.chars().count() > MAXIMUM_DISPLAY_VALUE {
            return Err(InvalidField::new(field, Reason::TooManyCharacters(MAXIMUM_DISPLAY_VALUE)));
        }
        if text.contains('\0') {
            return Err(InvalidField::new(field, Reason::Nul));
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A stored credential without its value, which is never returned
/// (docs/reference/wire-contract.md#d15-values-are-write-only).
#[derive(Debug, Clone)]
pub(crate) struct CredentialSummary {
    pub(crate) user_id: UserId,
    pub(crate) credential_type: String,
    pub(crate) display_value: String,
    /// The sequence of the audit event that wrote it.
    pub(crate) version: i64,
    pub(crate) registered_at: OffsetDateTime,
    /// `None`: an operator's command, or the old system that the user moved from.
    pub(crate) registered_by: Option<UserId>,
    pub(crate) updated_at: OffsetDateTime,
    /// `None`: as for `registered_by`.
    pub(crate) updated_by: Option<UserId>,
    pub(crate) validity: Validity,
    /// Why its owner must change it; `None`: they need not.
    pub(crate) change_required: Option<ChangeCause>,
    /// `None`: no use is recorded.
    pub(crate) last_use: Option<LastUse>,
}

/// The last use of a credential to log in.
#[derive(Debug, Clone)]
pub(crate) struct LastUse {
    pub(crate) at: OffsetDateTime,
    pub(crate) scheme: String,
    pub(crate) address: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(value: &str) -> Result<CredentialValue, InvalidField> {
        CredentialValue::parse("Credential.Value", &SecretString::from(value))
    }

    #[test]
    fn a_value_has_1_to_1024_bytes() {
        assert!(parse(&"x".repeat(1024)).is_ok());
        assert!(parse(&"x".repeat(1025)).is_err());
        assert!(parse(&"é".repeat(512)).is_ok());
        assert!(parse(&"é".repeat(513)).is_err());
        assert!(parse("").is_err());
        assert!(parse("a\0b").is_err());
    }

    #[test]
    fn spaces_are_kept_and_composed_and_decomposed_forms_are_equal() {
        assert_eq!(parse(" a ").unwrap().secret().expose_secret(), " a ");
        assert_eq!(parse("e\u{301}").unwrap().secret().expose_secret(), "é");
    }

    #[test]
    fn neither_debug_nor_the_error_shows_the_value() {
        assert!(!format!("{:?}", parse("marker-7c1").unwrap()).contains("marker"));
        let error = parse("marker-7c1\0").unwrap_err();
        assert!(!format!("{error:?} {error}").contains("marker"));
    }

    #[test]
    fn a_display_value_has_at_most_254_code_points() {
        assert!(DisplayValue::parse("f", &"å".repeat(254)).is_ok());
        assert!(DisplayValue::parse("f", &"å".repeat(255)).is_err());
        assert!(DisplayValue::parse("f", "a\0").is_err());
        assert!(DisplayValue::parse("f", "").is_ok());
    }
}
