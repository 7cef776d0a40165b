//! A secret to verify, in one or two Unicode normalization forms.

use std::fmt;

/// A secret to verify, and its other normalization form if that has different bytes.
///
/// Other systems hashed keyboard input without normalization, and some keyboards produce decomposed
/// characters. A secret with two forms is verified in both. `Debug` does not show it.
#[derive(Clone, Copy)]
pub struct SecretForms<'secret> {
    /// The bytes that new hashes are computed from.
    pub secret: &'secret [u8],
    /// The same text in the other normalization form, if its bytes differ.
    pub other_form: Option<&'secret [u8]>,
}

impl SecretForms<'_> {
    /// Number of forms: 1 or 2.
    pub(crate) fn count(self) -> u32 {
        1 + u32::from(self.other_form.is_some())
    }

    /// Length of the longest form, in bytes.
    pub(crate) fn longest(self) -> usize {
        self.secret.len().max(self.other_form.map_or(0, <[u8]>::len))
    }
}

impl<'secret> From<&'secret str> for SecretForms<'secret> {
    fn from(secret: &'secret str) -> Self {
        Self { secret: secret.as_bytes(), other_form: None }
    }
}

impl fmt::Debug for SecretForms<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretForms([REDACTED])")
    }
}
