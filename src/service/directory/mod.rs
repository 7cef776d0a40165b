//! The search for groups and users in a directory, such as Active Directory.

pub(crate) mod search;
