//! Reads the attributes of an entry as the groups and users that callers choose from.

use ldap3::SearchEntry;

use super::{options::UserOptions, sid::Sid};
use crate::domain::{
    credential::{DisplayValue, MAXIMUM_VALUE},
    directory::{DirectoryGroup, DirectoryUser},
};

/// The attribute with a security identifier. Its value is binary.
pub(super) const OBJECT_SID: &str = "objectSid";

/// An entry of the directory.
pub(super) struct Entry(pub(super) SearchEntry);

impl Entry {
    /// The distinguished name.
    pub(super) fn dn(&self) -> &str {
        &self.0.dn
    }

    /// The first value of an attribute that is a text. Names compare without regard to case.
    fn text(&self, name: &str) -> Option<&str> {
        let mut attributes = self.0.attrs.iter();
        let (_, values) = attributes.find(|(found, _)| found.eq_ignore_ascii_case(name))?;
        values.first().map(String::as_str)
    }

    /// The first value of an attribute, text or not.
    fn bytes(&self, name: &str) -> Option<&[u8]> {
        let mut binary = self.0.bin_attrs.iter();
        match binary.find(|(found, _)| found.eq_ignore_ascii_case(name)) {
            Some((_, values)) => values.first().map(Vec::as_slice),
            None => self.text(name).map(str::as_bytes),
        }
    }

    /// The security identifier, if it is valid.
    pub(super) fn sid(&self) -> Option<Sid> {
        Sid::decode(self.bytes(OBJECT_SID)?)
    }

    /// The entry as a group.
    pub(super) fn to_group(&self, name_attribute: &str) -> DirectoryGroup {
        let display_name = self.text(name_attribute).unwrap_or(self.dn());
        DirectoryGroup { name: self.dn().to_owned(), display_name: display_name.to_owned() }
    }

    /// The entry as a user; `None` without a value and a name that can be saved.
    pub(super) fn to_user(&self, options: &UserOptions) -> Option<DirectoryUser> {
        let value = if options.value_attribute.eq_ignore_ascii_case(OBJECT_SID) {
            self.sid()?.text()
        } else {
            self.text(&options.value_attribute)?.to_owned()
        };
        if value.is_empty() || value.len() > MAXIMUM_VALUE || value.contains('\0') {
            return None;
        }
        let name = self.text(&options.name_attribute)?;
        let display_value = match &options.domain {
            Some(domain) => format!("{domain}\\{name}"),
            None => name.to_owned(),
        };
        DisplayValue::parse("", &display_value).ok()?;
        let column = |attribute: &String| self.text(attribute).unwrap_or_default().to_owned();
        let columns = options.columns.iter().map(column).collect();
        Some(DirectoryUser { value, display_value, columns })
    }
}
