//! Forms into a [`Document`], in both spellings of nested names: `a.b.c` and `a[b][c]`
//! (protocol.md 4.7).

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::document::{Document, MAXIMUM_DEPTH, Text, is_same_name, join};
use crate::http::error::{BodyFault, ErrorKind};

/// Keys of one form (protocol.md 4.7).
const MAXIMUM_KEYS: usize = 1000;

/// Parses a body; an empty one is an object without members.
///
/// # Errors
/// When a `%` sequence or a bracket is broken, a key is given twice, or there are too many.
pub(super) fn parse(text: &str) -> Result<Document, ErrorKind> {
    let pairs = text.trim_ascii().split('&').filter(|pair| !pair.is_empty());
    let mut members = Vec::new();
    for (index, pair) in pairs.enumerate() {
        if index == MAXIMUM_KEYS {
            return Err(BodyFault::TooManyValues.into());
        }
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let path = path(&decode(key)?)?;
        let value = Document::Untyped(Text::from(decode(value)?.as_ref()));
        insert(&mut members, "", &path, value)?;
    }
    Ok(Document::Object(members))
}

/// Text of `application/x-www-form-urlencoded`, strictly: lenient decoders disagree.
fn decode(text: &str) -> Result<String, BodyFault> {
    let is_hex = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let bytes = text.as_bytes();
    let is_broken = bytes.iter().enumerate().any(|(at, byte)| {
        *byte == b'%' && !(is_hex(bytes.get(at + 1)) && is_hex(bytes.get(at + 2)))
    });
    if is_broken {
        return Err(BodyFault::NotForm);
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().map_err(|_| BodyFault::NotUtf8)?;
    Ok(Cow::into_owned(decoded))
}

/// The names of a key: `a[b][c]` is `a.b.c`, and `a[]` is `a`.
fn path(key: &str) -> Result<Vec<String>, BodyFault> {
    let mut names = Vec::new();
    let mut rest = key;
    while let Some((before, bracket)) = rest.split_once('[') {
        let (inside, after) = bracket.split_once(']').ok_or(BodyFault::NotForm)?;
        names.extend([before, inside]);
        rest = after;
    }
    names.push(rest);
    let names = names.into_iter().flat_map(|name| name.split('.'));
    let names: Vec<String> = names.filter(|name| !name.is_empty()).map(str::to_owned).collect();
    match names.len() {
        0 => Err(BodyFault::NotForm),
        length if length > MAXIMUM_DEPTH => Err(BodyFault::TooDeep),
        _ => Ok(names),
    }
}

fn insert(
    members: &mut Vec<(String, Document)>,
    parent: &str,
    path: &[String],
    value: Document,
) -> Result<(), ErrorKind> {
    let Some((name, rest)) = path.split_first() else { return Ok(()) };
    let field = join(parent, name);
    let at = members.iter().position(|(given, _)| is_same_name(given, name));
    let Some(at) = at else {
        let value = rest
            .iter()
            .rev()
            .fold(value, |value, name| Document::Object(vec![(name.clone(), value)]));
        members.push((name.clone(), value));
        return Ok(());
    };
    match (members.get_mut(at), rest.is_empty()) {
        (Some((_, Document::Object(inner))), false) => insert(inner, &field, rest, value),
        _ => Err(ErrorKind::DuplicateMember { field }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_and_their_mixture_are_the_same() {
        let dots = parse("a.b.c=1&a.d=%C3%A6+x&e=").unwrap();
        assert_eq!(parse("a[b][c]=1&a[d]=%c3%a6%20x&e").unwrap(), dots);
        assert_eq!(parse("a[b].c=1&&a.d=æ+x&e=&").unwrap(), dots);
        assert_eq!(parse("a%5Bb%5D%5Bc%5D[]=1&a.d=æ x&e=").unwrap(), dots);
    }

    #[test]
    fn a_key_given_twice_is_refused_in_every_spelling() {
        for (body, field) in [
            ("a=1&A=2", "A"),
            ("a.b=1&a[B]=2", "a.B"),
            ("a=1&a.b=2", "a"),
            ("a.b=1&a=2", "a"),
            ("a[]=1&a[]=2", "a"),
        ] {
            let error = parse(body).unwrap_err();
            assert_eq!(error, ErrorKind::DuplicateMember { field: field.to_owned() }, "{body}");
        }
    }

    #[test]
    fn what_is_broken_is_refused() {
        for body in ["a[b=1", "a=%", "a=%4", "a=%zz", "=1", "[]=1", "%=1"] {
            assert_eq!(parse(body), Err(BodyFault::NotForm.into()), "{body}");
        }
        for body in ["a=%ff", "a=%ED%A0%80", "%C3=1"] {
            assert_eq!(parse(body), Err(BodyFault::NotUtf8.into()), "{body}");
        }
    }

    #[test]
    fn keys_and_nesting_are_limited() {
        let keys =
            |count: usize| (0..count).map(|n| format!("a{n}=&")).collect::<Vec<_>>().concat();
        assert!(parse(&keys(MAXIMUM_KEYS)).is_ok());
        assert_eq!(parse(&keys(MAXIMUM_KEYS + 1)), Err(BodyFault::TooManyValues.into()));
        assert_eq!(parse(&format!("a{}=1", ".a".repeat(200))), Err(BodyFault::TooDeep.into()));
    }
}
