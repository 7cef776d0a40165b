//! A parsed body, whatever format it came in, and typed access to its members.
//!
//! Member names match without regard to case, unknown ones are ignored, and one given twice is
//! refused: two parsers that disagree on which one counts are a way in (protocol.md 10.22).

use std::{collections::HashSet, fmt};

use secrecy::{ExposeSecret, SecretString};

use crate::{domain::InvalidField, http::error::ErrorKind};

/// A value of a body. Texts may be secrets, so all of them are kept as such.
pub(in crate::http) enum Document {
    /// JSON's `null`, or nothing at all.
    Null,
    Boolean,
    /// A whole number.
    Integer(i64),
    /// Any other number.
    OtherNumber,
    Text(SecretString),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl fmt::Debug for Document {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Document")
    }
}

impl Document {
    /// The members of the outermost object. No body and `null` are an object without members, as
    /// the vendor's clients send for calls without arguments.
    ///
    /// # Errors
    /// When the body is anything else, or a member of any object in it is given twice.
    pub(in crate::http) fn members(&self) -> Result<Members<'_>, ErrorKind> {
        self.check_duplicates("")?;
        match self {
            Self::Null => Ok(Members { path: String::new(), members: &[] }),
            Self::Object(members) => Ok(Members { path: String::new(), members }),
            Self::Boolean
            | Self::Integer(_)
            | Self::OtherNumber
            | Self::Text(_)
            | Self::List(_) => Err(ErrorKind::MalformedBody("it is not an object")),
        }
    }

    fn check_duplicates(&self, path: &str) -> Result<(), ErrorKind> {
        match self {
            Self::Object(members) => {
                let mut seen = HashSet::with_capacity(members.len());
                for (name, value) in members {
                    let field = join(path, name);
                    value.check_duplicates(&field)?;
                    if !seen.insert(name.to_lowercase()) {
                        return Err(ErrorKind::DuplicateMember { field });
                    }
                }
                Ok(())
            }
            Self::List(items) => items.iter().try_for_each(|item| item.check_duplicates(path)),
            Self::Null | Self::Boolean | Self::Integer(_) | Self::OtherNumber | Self::Text(_) => {
                Ok(())
            }
        }
    }
}

/// The members of one object, and where in the body it stands.
pub(in crate::http) struct Members<'body> {
    path: String,
    members: &'body [(String, Document)],
}

impl<'body> Members<'body> {
    /// An int32; `None` when it is absent or null.
    pub(in crate::http) fn integer(&self, name: &str) -> Result<Option<i32>, InvalidField> {
        match self.find(name) {
            None => Ok(None),
            Some(Document::Integer(number)) => {
                i32::try_from(*number).map(Some).map_err(|_| self.refuse(name, "is out of range"))
            }
            Some(_) => Err(self.refuse(name, "must be a whole number")),
        }
    }

    /// A text that may be shown.
    pub(in crate::http) fn text(&self, name: &str) -> Result<Option<String>, InvalidField> {
        Ok(self.secret(name)?.map(|text| text.expose_secret().to_owned()))
    }

    /// A text that is a secret.
    pub(in crate::http) fn secret(&self, name: &str) -> Result<Option<SecretString>, InvalidField> {
        match self.find(name) {
            None => Ok(None),
            Some(Document::Text(text)) => Ok(Some(text.clone())),
            Some(_) => Err(self.refuse(name, "must be a text")),
        }
    }

    /// An object.
    pub(in crate::http) fn object(
        &self,
        name: &str,
    ) -> Result<Option<Members<'body>>, InvalidField> {
        match self.find(name) {
            None => Ok(None),
            Some(Document::Object(members)) => {
                Ok(Some(Members { path: join(&self.path, name), members }))
            }
            Some(_) => Err(self.refuse(name, "must be an object")),
        }
    }

    /// A refusal of a member of this object.
    pub(in crate::http) fn refuse(&self, name: &str, reason: &'static str) -> InvalidField {
        InvalidField::new(join(&self.path, name), reason)
    }

    fn find(&self, name: &str) -> Option<&'body Document> {
        let name = name.to_lowercase();
        let (_, value) = self.members.iter().find(|(given, _)| given.to_lowercase() == name)?;
        if matches!(value, Document::Null) { None } else { Some(value) }
    }
}

/// `parent.name`; a name as long as only an attacker's is cut.
fn join(path: &str, name: &str) -> String {
    let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
    if path.is_empty() { name } else { format!("{path}.{name}") }
}
