//! The parsers of a directory, for fuzz targets.

use ldap3::{
    LdapResult, ResultEntry, SearchEntry,
    asn1::{Tag, parse_tag},
};

use super::{
    filter::{FilterTemplate, Placeholder},
    message,
    sid::Sid,
};

/// The text and the relative identifier of a SID; `None` when the bytes are none.
#[must_use]
pub fn decode_sid(bytes: &[u8]) -> Option<(String, Option<u32>)> {
    Sid::decode(bytes).map(|sid| (sid.text(), sid.relative_id()))
}

/// The binary form of the text of a SID; `None` when the text is none.
#[must_use]
pub fn encode_sid(text: &str) -> Option<Vec<u8>> {
    Sid::parse(text).map(|sid| sid.encode())
}

/// A filter of the settings with a search string; `None` when the filter is invalid.
#[must_use]
pub fn fill_filter(template: &str, search: &str) -> Option<String> {
    let template = FilterTemplate::parse(template, &[Placeholder::Search]).ok()?;
    Some(template.fill(|_| search.to_owned()))
}

/// True for a message that a directory may send.
#[must_use]
pub fn is_directory_message(message: &[u8]) -> bool {
    message::check(message).is_ok()
}

/// True for a filter that `ldap3` sends.
#[must_use]
pub fn is_filter(text: &str) -> bool {
    ldap3::parse_filter(text).is_ok()
}

/// Has `ldap3` read an accepted message, which must not panic: the name of an entry, or the text of
/// a result.
#[must_use]
pub fn read_entry_as_ldap3(message: &[u8]) -> Option<String> {
    let (_, envelope) = parse_tag(message).ok()?;
    let operation = envelope.expect_constructed()?.into_iter().nth(1)?;
    match operation.id {
        4 => Some(SearchEntry::construct(ResultEntry::new(operation)).dn),
        1 | 5 | 24 => Some(LdapResult::from(Tag::StructureTag(operation)).text),
        _ => None,
    }
}
