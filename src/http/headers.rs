//! Reads request headers. A header value consists of bytes (RFC 9110, section 5.5), which may not
//! be text. It may be split over several lines, and one invalid element must not hide the others.

use std::str;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

/// The maximum number of elements that are read from a list.
const MAXIMUM_ELEMENTS: usize = 64;

/// An error from reading a header that must have a single value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::http) enum UnreadableHeader {
    #[error("the header is given more than once")]
    Repeated,
    #[error("the header is not valid UTF-8")]
    NotText,
}

/// The text of a header that must not be repeated; `None` when it is absent.
///
/// # Errors
/// When the header is repeated or is not text.
pub(in crate::http) fn single<'headers>(
    headers: &'headers HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'headers str>, UnreadableHeader> {
    single_of(headers.get_all(name))
}

/// As [`single`], for values outside a header map.
///
/// # Errors
/// As [`single`].
pub(in crate::http) fn single_of<'values>(
    mut values: impl Iterator<Item = &'values HeaderValue>,
) -> Result<Option<&'values str>, UnreadableHeader> {
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(UnreadableHeader::Repeated);
    }
    text(value.as_bytes()).map(Some).ok_or(UnreadableHeader::NotText)
}

/// The elements of a list over all lines of the header (RFC 9110, section 5.3), except empty ones.
pub(in crate::http) fn elements<'headers>(
    headers: &'headers HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'headers [u8]> {
    let elements = lines(headers, name).flat_map(|line| split(line, b','));
    elements.filter(|element| !element.is_empty())
}

/// The value of every line of the header.
pub(in crate::http) fn lines<'headers>(
    headers: &'headers HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'headers [u8]> {
    headers.get_all(name).map(HeaderValue::as_bytes)
}

/// The elements of a list that are text. Other elements are ignored like unknown ones.
pub(in crate::http) fn texts<'headers>(
    headers: &'headers HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'headers str> {
    elements(headers, name).filter_map(text)
}

/// The first elements of a list that are text, at most 64.
pub(in crate::http) fn list<'headers>(
    headers: &'headers HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'headers str> {
    texts(headers, name).take(MAXIMUM_ELEMENTS)
}

/// Splits a value at a separator and trims each part.
pub(in crate::http) fn split(value: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    value.split(move |byte| *byte == separator).map(<[u8]>::trim_ascii)
}

/// Bytes as text; `None` when they are not UTF-8.
pub(in crate::http) fn text(bytes: &[u8]) -> Option<&str> {
    str::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::ACCEPT;

    use super::*;

    fn headers(lines: &[&[u8]]) -> HeaderMap {
        let pair = |line: &&[u8]| (ACCEPT, HeaderValue::from_bytes(line).unwrap());
        lines.iter().map(pair).collect()
    }

    #[test]
    fn several_lines_are_one_list_and_an_invalid_element_hides_no_other() {
        let given = headers(&[b"a, \xff ,b", b"", b",\tc,", b"\xe6, d"]);
        assert_eq!(texts(&given, &ACCEPT).collect::<Vec<_>>(), ["a", "b", "c", "d"]);
        assert_eq!(elements(&given, &ACCEPT).count(), 6);
        assert_eq!(elements(&HeaderMap::new(), &ACCEPT).count(), 0);
    }

    #[test]
    fn a_single_header_is_absent_or_read_or_refused() {
        let read =
            |lines: &[&[u8]]| single(&headers(lines), &ACCEPT).map(|text| text.map(str::len));
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[b""]), Ok(Some(0)));
        assert_eq!(read(&["ä".as_bytes()]), Ok(Some(2)));
        assert_eq!(read(&[b"\xff"]), Err(UnreadableHeader::NotText));
        assert_eq!(read(&[b"a", b"a"]), Err(UnreadableHeader::Repeated));
    }
}
