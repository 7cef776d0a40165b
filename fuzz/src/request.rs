//! A request body with every kind of member that the API has.

use arbitrary::Arbitrary;
use serde::{Deserialize, Serialize};
use wire_formats::{ReadError, XmlNames};

/// A request body.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, Arbitrary)]
#[serde(rename_all = "PascalCase", default)]
pub struct Request {
    /// An integer.
    pub user_id: Option<i32>,
    /// A boolean.
    pub is_active: Option<bool>,
    /// A string.
    pub display_value: Option<String>,
    /// A list of strings.
    pub names: Option<Vec<String>>,
    /// An object.
    pub credential: Option<Credential>,
    /// A list of objects.
    pub credentials: Option<Vec<Credential>>,
}

/// An object of a body.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, Arbitrary)]
#[serde(rename_all = "PascalCase", default)]
pub struct Credential {
    /// A string.
    pub value: Option<String>,
    /// An object in an object.
    pub r#type: Option<Type>,
}

/// An object with one member.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, Arbitrary)]
#[serde(rename_all = "PascalCase", default)]
pub struct Type {
    /// A string.
    pub r#type: Option<String>,
}

impl XmlNames for Request {
    const NAME: &'static str = "Request";
    const NAMESPACE: &'static str = "http://schemas.datacontract.org/2004/07/Example";
    const ITEMS: &'static [(&'static str, &'static str)] = &[("Credentials", "Credential")];
}

/// Every name in a [`Request`].
const NAMES: [&str; 8] =
    ["UserId", "IsActive", "DisplayValue", "Names", "Credential", "Credentials", "Value", "Type"];

/// Checks that an error names members of the type only, and so contains nothing from the body.
///
/// # Panics
/// When it contains anything else.
pub fn assert_path_of_request(error: &ReadError) {
    let path = match error {
        ReadError::Body(_) | ReadError::DuplicateMember { path: None } => return,
        ReadError::Member { path, .. } | ReadError::DuplicateMember { path: Some(path) } => path,
    };
    for name in path.split('.') {
        let (name, indexes) = name.split_once('[').unwrap_or((name, "]"));
        let is_index = |c: char| c.is_ascii_digit() || c == '[' || c == ']';
        let is_of_type = NAMES.contains(&name) && indexes.chars().all(is_index);
        assert!(is_of_type, "the error contains a part of the body: {error}");
    }
}
