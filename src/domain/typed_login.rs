//! A name and a password as a user typed them.

use secrecy::SecretString;

/// A name and a password before normalization. Another system may tell apart what is equal here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TypedLogin<'login> {
    pub(crate) name: &'login str,
    pub(crate) password: &'login SecretString,
}
