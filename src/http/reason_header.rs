//! `Keeper-Reason`: the reason of a change, as percent-encoded UTF-8, for the audit event.

use actix_web::http::header::{HeaderMap, HeaderName};
use percent_encoding::percent_decode_str;

use super::headers;
use crate::domain::{InvalidField, Reason, action_reason::ActionReason};

/// The header, and the field that errors name.
pub(super) const KEEPER_REASON: &str = "Keeper-Reason";

/// The name in lower case, as header maps have it.
pub(super) const KEEPER_REASON_NAME: HeaderName = HeaderName::from_static("keeper-reason");

/// The reason of a request; `None` without the header.
///
/// # Errors
/// When the header is repeated, is not percent-encoded UTF-8, or has an invalid reason.
pub(super) fn read(headers: &HeaderMap) -> Result<Option<ActionReason>, InvalidField> {
    let refuse = |reason| InvalidField::new(KEEPER_REASON, reason);
    let value = headers::single(headers, &KEEPER_REASON_NAME).map_err(|error| {
        refuse(match error {
            headers::UnreadableHeader::Repeated => Reason::InvalidHeader,
            headers::UnreadableHeader::NotText => Reason::NotUtf8,
        })
    })?;
    let Some(value) = value else { return Ok(None) };
    let text = decode(value).ok_or_else(|| refuse(Reason::NotUtf8))?;
    ActionReason::parse(KEEPER_REASON, &text).map(Some)
}

/// Decodes percent-encoded UTF-8; `None` when a percent sequence, a character or the UTF-8 is invalid.
fn decode(value: &str) -> Option<String> {
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let bytes = value.as_bytes();
    let is_sequence = |(place, byte): (usize, &u8)| {
        *byte != b'%' || (is_digit(bytes.get(place + 1)) && is_digit(bytes.get(place + 2)))
    };
    if !value.is_ascii() || !bytes.iter().enumerate().all(is_sequence) {
        return None;
    }
    percent_decode_str(value).decode_utf8().ok().map(String::from)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn reason_of(values: &[&[u8]]) -> Result<Option<String>, Reason> {
        let pair = |value: &&[u8]| (KEEPER_REASON_NAME, HeaderValue::from_bytes(value).unwrap());
        let headers: HeaderMap = values.iter().map(pair).collect();
        let read = read(&headers).map_err(|error| error.reason);
        read.map(|reason| reason.map(|reason| reason.as_str().to_owned()))
    }

    #[test]
    fn a_reason_is_percent_encoded_utf8() {
        assert_eq!(reason_of(&[]), Ok(None));
        let given = reason_of(&[b"Ticket%204711:%20m%C3%BCde+alt"]);
        assert_eq!(given, Ok(Some("Ticket 4711: müde+alt".to_owned())));
        for (values, reason) in [
            (&[b"".as_slice()][..], Reason::Empty),
            (&[b"a", b"b"], Reason::InvalidHeader),
            (&[b"50%"], Reason::NotUtf8),
            (&[b"%zz"], Reason::NotUtf8),
            (&[b"%4"], Reason::NotUtf8),
            (&[b"%ff"], Reason::NotUtf8),
            (&["müde".as_bytes()], Reason::NotUtf8),
            (&[b"\xff"], Reason::NotUtf8),
            (&[b"a%0Ab"], Reason::ControlCharacter),
            (&[b"a%00b"], Reason::ControlCharacter),
            (&[b"%E2%80%AE"], Reason::InvisibleCharacter),
        ] {
            assert_eq!(reason_of(values), Err(reason), "{values:?}");
        }
    }
}
