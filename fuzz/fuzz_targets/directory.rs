//! What a directory sends, and what callers search there: messages of LDAP, security identifiers,
//! and filters with a search string.
#![no_main]

use arbitrary::Arbitrary;
use credential_keeper::fuzz_support::{
    decode_sid, encode_sid, fill_filter, is_directory_message, is_filter, read_entry_as_ldap3,
};
use credential_keeper_fuzz::{Limits, within};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
enum Case<'data> {
    Message(&'data [u8]),
    Sid(&'data [u8]),
    Search { template: &'data str, text: &'data str },
    SidText(&'data str),
}

fuzz_target!(|case: Case<'_>| match case {
    Case::Message(message) => {
        if within(Limits::PARSER, message.len(), || is_directory_message(message)) {
            // Must not panic.
            let _ = read_entry_as_ldap3(message);
        }
    }
    Case::Sid(bytes) => {
        let decoded = within(Limits::PARSER, bytes.len(), || decode_sid(bytes));
        let Some((text, relative_id)) = decoded else { return };
        assert_eq!((bytes[0], bytes.len()), (1, 8 + 4 * usize::from(bytes[1])));
        assert_eq!(encode(&text).as_deref(), Some(bytes), "another SID: {text}");
        assert_eq!(encode_sid(&text).as_deref(), Some(bytes), "another SID: {text}");
        let last = text.rsplit('-').next().and_then(|number| number.parse().ok());
        assert_eq!(relative_id, last, "{text}");
    }
    Case::Search { template, text } => {
        let length = template.len() * (1 + text.len());
        let Some(filter) = within(Limits::PARSER, length, || fill_filter(template, text)) else {
            return;
        };
        let Some(plain) = fill_filter(template, "x") else { return };
        assert_eq!(structure(&filter), structure(&plain), "the text changed the filter");
        assert!(text.is_empty() || is_filter(&filter), "an invalid filter: {filter:?}");
    }
    Case::SidText(text) => {
        let Some(bytes) = within(Limits::PARSER, text.len(), || encode_sid(text)) else { return };
        let decoded = decode_sid(&bytes).map(|(text, _)| text);
        assert_eq!(decoded.as_deref(), Some(text), "another SID: {bytes:?}");
    }
});

/// The binary form of the text of a SID.
fn encode(text: &str) -> Option<Vec<u8>> {
    let mut parts = text.strip_prefix("S-1-")?.split('-');
    let authority = parts.next()?;
    let authority: u64 = match authority.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok()?,
        None => authority.parse().ok()?,
    };
    let numbers: Option<Vec<u32>> = parts.map(|number| number.parse().ok()).collect();
    let numbers = numbers?;
    let mut bytes = vec![1, u8::try_from(numbers.len()).ok()?];
    bytes.extend(&authority.to_be_bytes()[2..]);
    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    Some(bytes)
}

/// The parentheses of a filter.
fn structure(filter: &str) -> String {
    filter.chars().filter(|c| matches!(c, '(' | ')')).collect()
}
