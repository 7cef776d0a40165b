//! The language of texts (docs/reference/wire-contract.md#query-parameters-and-headers).
//!
//! `SO-Language` overrides `Accept-Language`. Its value `*` or `x` disables translation, and then
//! every text is its raw `[SR_…]` key. Unknown values are ignored.

use std::cmp::Reverse;

use actix_web::http::header::{ACCEPT_LANGUAGE, HeaderMap, HeaderName};
use wire_formats::media_type::split_weight;

use super::texts::{self, ENGLISH};
use crate::{
    domain::{InvalidField, Reason},
    http::{error::ErrorKind, headers},
};

const SO_LANGUAGE: HeaderName = HeaderName::from_static("so-language");

/// The language that a request selects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::http) enum Language {
    /// No supported language. Texts that clients translate are raw keys; errors are in English.
    Unasked,
    /// Translation is disabled.
    Off,
    /// The tag of a supported language.
    Known(&'static str),
}

impl Language {
    /// The language of a request with these headers.
    pub(in crate::http) fn of(headers: &HeaderMap) -> Self {
        let asked: Vec<_> = headers::list(headers, &SO_LANGUAGE).collect();
        if asked == ["*"] || asked.first().is_some_and(|tag| tag.eq_ignore_ascii_case("x")) {
            return Self::Off;
        }
        let accepted = headers::list(headers, &ACCEPT_LANGUAGE);
        find_best(asked.into_iter())
            .or_else(|| find_best(accepted))
            .map_or(Self::Unasked, Self::Known)
    }

    /// The language with a stored tag; English if it is no longer supported.
    pub(in crate::http) fn of_tag(tag: &str) -> Self {
        find(tag).map_or(Self::Unasked, Self::Known)
    }

    /// A text that clients translate, such as the name of a credential type.
    pub(in crate::http) fn text(&self, key: &str) -> String {
        match self {
            Self::Unasked | Self::Off => raw(key),
            Self::Known(tag) => look_up(tag, key, &[]),
        }
    }

    /// A text of a page or an error; in English unless the request asks for a language.
    pub(in crate::http) fn message(&self, key: &str, arguments: &[(&'static str, &str)]) -> String {
        match self {
            Self::Off => raw(key),
            Self::Unasked => look_up(ENGLISH, key, arguments),
            Self::Known(tag) => look_up(tag, key, arguments),
        }
    }

    /// A text of a page, which never shows raw keys.
    pub(in crate::http) fn page(&self, key: &str, arguments: &[(&'static str, &str)]) -> String {
        let language = if *self == Self::Off { &Self::Unasked } else { self };
        language.message(key, arguments)
    }

    /// The message of an error.
    pub(in crate::http) fn error(&self, kind: &ErrorKind) -> String {
        if let ErrorKind::InvalidField(refused) = kind {
            return self.invalid_field(refused);
        }
        if let ErrorKind::PasswordRefused { field, reasons } = kind {
            return self.reasons(field, reasons);
        }
        if let ErrorKind::DuplicateMember { field } = kind {
            return match field {
                Some(field) => format!("{field}: {}", self.message("field-repeated", &[])),
                None => self.message("body-repeated-member", &[]),
            };
        }
        self.message(&kind.text_key(), &[])
    }

    /// The message for an invalid member.
    pub(in crate::http) fn invalid_field(&self, refused: &InvalidField) -> String {
        self.reasons(&refused.field, &[refused.reason])
    }

    /// The message for a member that is invalid for several reasons.
    pub(in crate::http) fn reasons(&self, field: &str, reasons: &[Reason]) -> String {
        let text = |reason: &Reason| {
            let argument = reason.argument();
            let argument = argument.as_ref().map(|(name, value)| (*name, value.as_str()));
            self.message(reason.key(), argument.as_slice())
        };
        let texts: Vec<_> = reasons.iter().map(text).collect();
        format!("{field}: {}", texts.join(", "))
    }

    /// The tags of all supported languages, sorted.
    pub(in crate::http) fn tags() -> Vec<&'static str> {
        texts::tags().collect()
    }

    /// The language tag of a page.
    pub(in crate::http) fn tag(&self) -> &'static str {
        match self {
            Self::Unasked | Self::Off => ENGLISH,
            Self::Known(tag) => tag,
        }
    }
}

/// The best supported language of a list. A `*`, which some HTTP libraries always send, is ignored.
fn find_best<'list>(list: impl Iterator<Item = &'list str>) -> Option<&'static str> {
    let mut ranges: Vec<_> = list.map(split_weight).collect();
    // A stable sort: among equal weights, the first one wins.
    ranges.sort_by_key(|(_, weight)| Reverse(*weight));
    ranges.into_iter().filter(|(_, weight)| *weight > 0).find_map(|(tag, _)| find(tag))
}

/// The supported language for a tag, regardless of its region; `nb` also for `no` and `nn`.
pub(super) fn find(tag: &str) -> Option<&'static str> {
    let primary = tag.split(['-', '_']).next()?.to_ascii_lowercase();
    let primary = if matches!(primary.as_str(), "no" | "nn") { "nb" } else { primary.as_str() };
    texts::tags().find(|tag| *tag == primary)
}

fn look_up(tag: &str, key: &str, arguments: &[(&'static str, &str)]) -> String {
    texts::find(tag, key, arguments).unwrap_or_else(|| raw(key))
}

/// The raw key of a text, in the vendor's notation.
fn raw(key: &str) -> String {
    format!("[SR_{}]", key.to_ascii_uppercase().replace('-', "_"))
}
