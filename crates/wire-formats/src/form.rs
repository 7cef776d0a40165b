//! Parses forms. Nested names are written `a.b.c` or `a[b][c]`; `a[0].b` is a member of a list
//! item.

use std::{borrow::Cow, collections::HashMap};

use percent_encoding::percent_decode_str;

use crate::body_tree::{BodyTree, MAXIMUM_DEPTH, Text};
use crate::error::BodyError;

/// The maximum number of keys in one form.
const MAXIMUM_KEYS: usize = 1000;

/// Parses a body; an empty one is an object without members.
///
/// # Errors
/// When a percent sequence or a bracket is invalid, or there are too many keys. Duplicate keys are
/// kept, so that they are refused as in every other format.
pub(crate) fn parse(text: &str) -> Result<BodyTree, BodyError> {
    // The text is not trimmed: a space may be part of a secret. Browsers encode line endings.
    if text.chars().any(char::is_control) {
        return Err(BodyError::ControlCharacter);
    }
    let mut root = Branch::default();
    for (index, pair) in text.split('&').filter(|pair| !pair.is_empty()).enumerate() {
        if index == MAXIMUM_KEYS {
            return Err(BodyError::TooManyValues);
        }
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let path = path(&decode(key)?)?;
        let value = Text::from(decode(value)?.as_str());
        root.insert(&path, value);
    }
    Ok(BodyTree::Object(root.into_members()))
}

/// The members below a common prefix, in order, and their positions by lower-case name.
#[derive(Default)]
struct Branch {
    positions: HashMap<String, usize>,
    members: Vec<(String, Member)>,
}

enum Member {
    Value(Text),
    Branch(Branch),
}

impl Branch {
    fn insert(&mut self, path: &[String], value: Text) {
        let Some((name, rest)) = path.split_first() else { return };
        let position = self.positions.get(&name.to_lowercase()).copied();
        let existing = position.and_then(|position| self.members.get_mut(position));
        if let (Some((_, Member::Branch(branch))), false) = (existing, rest.is_empty()) {
            return branch.insert(rest, value);
        }
        let member = if rest.is_empty() {
            Member::Value(value)
        } else {
            let mut branch = Self::default();
            branch.insert(rest, value);
            Member::Branch(branch)
        };
        self.positions.insert(name.to_lowercase(), self.members.len());
        self.members.push((name.clone(), member));
    }

    fn into_members(self) -> Vec<(String, BodyTree)> {
        let members = self.members.into_iter().map(|(name, member)| match member {
            Member::Value(text) => (name, BodyTree::Untyped(text)),
            Member::Branch(branch) => (name, branch.into_tree()),
        });
        members.collect()
    }

    /// A list when the names are the indexes from 0 on, in any order; else an object.
    fn into_tree(self) -> BodyTree {
        let length = self.members.len();
        let is_list = (0..length).all(|index| self.positions.contains_key(&index.to_string()));
        let mut members = self.into_members();
        if !is_list {
            return BodyTree::Object(members);
        }
        members.sort_by_key(|(index, _)| index.parse::<usize>().unwrap_or(usize::MAX));
        BodyTree::List(members.into_iter().map(|(_, item)| item).collect())
    }
}

/// Decodes a key or a value strictly, because lenient decoders disagree with each other.
fn decode(text: &str) -> Result<String, BodyError> {
    let is_hex = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let bytes = text.as_bytes();
    let is_invalid = bytes.iter().enumerate().any(|(index, byte)| {
        *byte == b'%' && !(is_hex(bytes.get(index + 1)) && is_hex(bytes.get(index + 2)))
    });
    if is_invalid {
        return Err(BodyError::NotForm);
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().map_err(|_| BodyError::NotUtf8)?;
    Ok(Cow::into_owned(decoded))
}

/// Splits a key into names: `a[b][c]` is `a.b.c`, and `a[]` is `a`.
fn path(key: &str) -> Result<Vec<String>, BodyError> {
    let mut names = Vec::new();
    let mut rest = key;
    while let Some((before, bracket)) = rest.split_once('[') {
        let (inside, after) = bracket.split_once(']').ok_or(BodyError::NotForm)?;
        names.extend([before, inside]);
        rest = after;
    }
    names.push(rest);
    let names = names.into_iter().flat_map(|name| name.split('.'));
    let names: Vec<String> = names.filter(|name| !name.is_empty()).map(str::to_owned).collect();
    match names.len() {
        0 => Err(BodyError::NotForm),
        length if length > MAXIMUM_DEPTH => Err(BodyError::TooDeep),
        _ => Ok(names),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ReadError;

    #[test]
    fn dots_and_brackets_are_equivalent() {
        let dots = parse("a.b.c=1&a.d=%C3%A6+x&e=").unwrap();
        assert_eq!(parse("a[b][c]=1&a[d]=%c3%a6%20x&e").unwrap(), dots);
        assert_eq!(parse("a[b].c=1&&a.d=æ+x&e=&").unwrap(), dots);
        assert_eq!(parse("a%5Bb%5D%5Bc%5D[]=1&a.d=æ x&e=").unwrap(), dots);
    }

    #[test]
    fn a_key_given_twice_is_refused_in_every_spelling() {
        for body in ["a=1&A=2", "a.b=1&a[B]=2", "a=1&a.b=2", "a.b=1&a=2", "a[]=1&a[]=2"] {
            let error = parse(body).unwrap().check_duplicates().unwrap_err();
            assert_eq!(error, ReadError::DuplicateMember { path: None }, "{body}");
        }
    }

    #[test]
    fn indexes_from_0_on_are_a_list_and_others_are_names() {
        let list = |body: &str| {
            let BodyTree::Object(mut members) = parse(body).unwrap() else { panic!("{body}") };
            members.remove(0).1
        };
        let texts = |items: &[&str]| {
            let untyped = |item: &&str| BodyTree::Untyped(Text::from(*item));
            BodyTree::List(items.iter().map(untyped).collect())
        };
        assert_eq!(list("a[0]=x&a[1]=y"), texts(&["x", "y"]));
        assert_eq!(list("a[1]=y&a.0=x"), texts(&["x", "y"]));
        let many: Vec<_> = (0..12).rev().map(|index| format!("a[{index}]={index}")).collect();
        let sorted: Vec<_> = (0..12).map(|index| index.to_string()).collect();
        let sorted: Vec<_> = sorted.iter().map(String::as_str).collect();
        assert_eq!(list(&many.join("&")), texts(&sorted));
        for body in ["a[1]=x", "a[0]=x&a[2]=y", "a[0]=x&a[b]=y", "a[0]=x&a[0]=y", "a[00]=x"] {
            assert!(matches!(list(body), BodyTree::Object(_)), "{body}");
        }
        assert!(parse("a[0]=x&a[0]=y").unwrap().check_duplicates().is_err());
    }

    #[test]
    fn values_are_not_trimmed() {
        let value =
            |text| BodyTree::Object(vec![("a".to_owned(), BodyTree::Untyped(Text::from(text)))]);
        assert_eq!(parse("a= b ").unwrap(), value(" b "));
        assert_eq!(parse("a=+b%20").unwrap(), value(" b "));
        assert_eq!(parse("a=b%0A").unwrap(), value("b\n"));
        assert_eq!(parse("a=b\n"), Err(BodyError::ControlCharacter));
    }

    #[test]
    fn invalid_forms_are_refused() {
        for body in ["a[b=1", "a=%", "a=%4", "a=%zz", "=1", "[]=1", "%=1"] {
            assert_eq!(parse(body), Err(BodyError::NotForm), "{body}");
        }
        for body in ["a=%ff", "a=%ED%A0%80", "%C3=1"] {
            assert_eq!(parse(body), Err(BodyError::NotUtf8), "{body}");
        }
    }

    #[test]
    fn keys_and_nesting_are_limited() {
        let keys =
            |count: usize| (0..count).map(|n| format!("a{n}=&")).collect::<Vec<_>>().concat();
        assert!(parse(&keys(MAXIMUM_KEYS)).is_ok());
        assert_eq!(parse(&keys(MAXIMUM_KEYS + 1)), Err(BodyError::TooManyValues));
        assert_eq!(parse(&format!("a{}=1", ".a".repeat(200))), Err(BodyError::TooDeep));
    }
}
