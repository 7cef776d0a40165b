//! Reads the attributes of an entry as the groups and users that callers choose from.

use ldap3::{ResultEntry, SearchEntry};

use super::{options::UserOptions, sid::Sid};
use crate::domain::{
    credential::{DisplayValue, MAXIMUM_VALUE},
    directory::{DirectoryGroup, DirectoryUser},
    text::is_xml,
};

/// The attribute with a security identifier. Its value is binary.
pub(super) const OBJECT_SID: &str = "objectSid";

/// An entry of the directory, with the first value of each attribute that was requested.
pub(super) struct Entry {
    dn: String,
    values: Vec<(String, Vec<u8>)>,
}

impl Entry {
    /// Keeps the first value of each of these attributes. Names compare without regard to case.
    pub(super) fn select(found: ResultEntry, attributes: &[String]) -> Self {
        let SearchEntry { dn, attrs: texts, bin_attrs: binary } = SearchEntry::construct(found);
        let value = |name: &String| {
            let mut binary = binary.iter();
            let mut texts = texts.iter();
            match binary.find(|(found, _)| found.eq_ignore_ascii_case(name)) {
                Some((_, values)) => values.first().cloned(),
                None => texts
                    .find(|(found, _)| found.eq_ignore_ascii_case(name))
                    .and_then(|(_, values)| values.first().map(|text| text.clone().into_bytes())),
            }
        };
        let values = attributes.iter().filter_map(|name| Some((name.clone(), value(name)?)));
        Self { values: values.collect(), dn }
    }

    /// The distinguished name.
    pub(super) fn dn(&self) -> &str {
        &self.dn
    }

    /// The value of an attribute if it is a text.
    fn text(&self, name: &str) -> Option<&str> {
        str::from_utf8(self.bytes(name)?).ok()
    }

    /// The value of an attribute, text or not.
    fn bytes(&self, name: &str) -> Option<&[u8]> {
        let mut values = self.values.iter();
        let (_, value) = values.find(|(found, _)| found.eq_ignore_ascii_case(name))?;
        Some(value)
    }

    /// The security identifier, if it is valid.
    pub(super) fn sid(&self) -> Option<Sid> {
        Sid::decode(self.bytes(OBJECT_SID)?)
    }

    /// The value of the attribute with the identifier of a user. A SID is decoded.
    pub(super) fn identifier(&self, attribute: &str) -> Option<String> {
        if attribute.eq_ignore_ascii_case(OBJECT_SID) {
            return self.sid().map(|sid| sid.text());
        }
        self.text(attribute).map(str::to_owned)
    }

    /// The entry as a group.
    pub(super) fn to_group(&self, name_attribute: &str) -> DirectoryGroup {
        let display_name = self.text(name_attribute).unwrap_or(self.dn());
        DirectoryGroup { name: self.dn().to_owned(), display_name: display_name.to_owned() }
    }

    /// The entry as a user; `None` without a name that can be saved, and a value that can be saved
    /// and returned in XML.
    pub(super) fn to_user(&self, options: &UserOptions) -> Option<DirectoryUser> {
        let value = self.identifier(&options.value_attribute)?;
        if !can_be_chosen(&value) {
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

/// True when a client can save the value. A client that got another one in XML would save that.
fn can_be_chosen(value: &str) -> bool {
    !value.is_empty() && value.len() <= MAXIMUM_VALUE && value.chars().all(is_xml)
}

#[cfg(test)]
mod tests {
    use ldap3::asn1::parse_tag;

    use super::*;

    fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        [&[tag, u8::try_from(content.len()).unwrap()], content].concat()
    }

    fn attribute(name: &str, values: &[&[u8]]) -> Vec<u8> {
        let values: Vec<u8> = values.iter().flat_map(|value| element(4, value)).collect();
        element(0x30, &[element(4, name.as_bytes()), element(0x31, &values)].concat())
    }

    #[test]
    fn a_value_that_xml_would_change_cannot_be_chosen() {
        assert!(can_be_chosen("a\u{fffd}\u{1ffff}"));
        for value in ["a\u{fffe}", "\u{ffff}", "a\u{1}", "a\0", ""] {
            assert!(!can_be_chosen(value), "{value:?}");
        }
    }

    #[test]
    fn an_entry_keeps_the_first_values_of_requested_attributes_only() {
        let attributes = [
            attribute("CN", &[b"a", b"b"]),
            attribute("other", &[b"c"]),
            attribute("objectSid", &[b"\xff", b"\xfe"]),
            attribute("mail", &[]),
        ];
        let content = [element(4, b"cn=x"), element(0x30, &attributes.concat())].concat();
        let message = element(0x64, &content);
        let (_, tag) = parse_tag(&message).unwrap();
        let requested = ["cn", "mail", "objectSid"].map(str::to_owned);
        let entry = Entry::select(ResultEntry::new(tag), &requested);
        assert_eq!(entry.dn(), "cn=x");
        let values = [("cn", &b"a"[..]), ("objectSid", &b"\xff"[..])];
        assert_eq!(entry.values, values.map(|(name, value)| (name.to_owned(), value.to_vec())));
    }
}
