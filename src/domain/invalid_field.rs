//! The one parse failure: which field, and why; never the rejected value.

/// A value that was refused. `field` is spelled as the caller knows it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub(crate) struct InvalidField {
    /// The offending member, for example `Credential.Value`.
    pub(crate) field: String,
    /// What is wrong with it, in words that never contain the value.
    pub(crate) reason: &'static str,
}

impl InvalidField {
    /// A refusal of `field`.
    pub(crate) fn new(field: impl Into<String>, reason: &'static str) -> Self {
        Self { field: field.into(), reason }
    }
}
