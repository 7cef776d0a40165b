//! Media types of requests and responses, chosen from header values.

use std::str;

use crate::charset::Charset;

/// A format of bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON (RFC 8259).
    Json,
    /// XML 1.0.
    Xml,
    /// `application/x-www-form-urlencoded`.
    Form,
}

/// Every media type of request bodies. All except forms are media types of responses too; a
/// wildcard chooses the first one.
const MEDIA_TYPES: [(&str, Format); 7] = [
    ("application/json", Format::Json),
    ("text/json", Format::Json),
    ("application/xml", Format::Xml),
    ("text/xml", Format::Xml),
    ("application/json-patch+json", Format::Json),
    ("application/merge-patch+json", Format::Json),
    ("application/x-www-form-urlencoded", Format::Form),
];

/// The media type of a response when the client accepts none that is supported.
const DEFAULT: ResponseType = ResponseType { essence: "application/json", format: Format::Json };

/// The media type of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResponseType {
    /// Type and subtype, such as `application/json`.
    pub essence: &'static str,
    /// The format of this media type.
    pub format: Format,
}

/// Every media type of request bodies with its format.
pub fn request_types() -> impl Iterator<Item = (&'static str, Format)> {
    MEDIA_TYPES.into_iter()
}

/// Every media type of responses.
pub fn response_types() -> impl Iterator<Item = ResponseType> {
    MEDIA_TYPES.into_iter().filter_map(response_type)
}

/// Format and charset of a request body; `None` when its media type is missing or not supported.
///
/// `content_type` is the value of the `Content-Type` header. Pass `None` when the header is
/// repeated, because the value is ambiguous.
#[must_use]
pub fn body_format(content_type: Option<&[u8]>) -> Option<(Format, Charset)> {
    let (_, format) = media_type(content_type)?;
    Some((format, body_charset(content_type)))
}

/// The charset of a request body; UTF-8 when `Content-Type` names none.
#[must_use]
pub fn body_charset(content_type: Option<&[u8]>) -> Charset {
    parameter(content_type, "charset")
        .map_or_else(Charset::default, |name| Charset::find(name).unwrap_or(Charset::Other))
}

/// True when `Content-Type` has this type and subtype.
#[must_use]
pub fn is_essence(content_type: Option<&[u8]>, essence: &str) -> bool {
    let given = content_type.and_then(|value| parts(value).next());
    given.is_some_and(|given| given.eq_ignore_ascii_case(essence.as_bytes()))
}

/// The media type of a response: the best one in `accept`, else that of the request, else JSON.
///
/// `accept` iterates over the elements of the `Accept` header.
pub fn response_format<'header>(
    accept: impl Iterator<Item = &'header str>,
    content_type: Option<&[u8]>,
) -> ResponseType {
    let ranges: Vec<Range<'_>> = accept.map(Range::parse).collect();
    accepted(&ranges).or_else(|| response_type(media_type(content_type)?)).unwrap_or(DEFAULT)
}

/// The charset of a response: the best one in `accept_charset`, else that of the request, else
/// UTF-8.
///
/// `accept_charset` iterates over the elements of the `Accept-Charset` header.
pub fn response_charset<'header>(
    accept_charset: impl Iterator<Item = &'header str>,
    content_type: Option<&[u8]>,
) -> Charset {
    let accepted = accept_charset.map(Range::parse).filter(|range| range.quality > 0);
    let known = accepted.filter_map(|range| Some((range.quality, Charset::find(range.essence)?)));
    // On a tie, the first one wins.
    let best = known.reduce(|best, other| if other.0 > best.0 { other } else { best });
    let of_request = || Charset::find(parameter(content_type, "charset")?);
    best.map(|(_, charset)| charset).or_else(of_request).unwrap_or_default()
}

/// True when the client prefers a supported media type to HTML, or excludes HTML. Wildcards without a
/// type express no preference.
pub fn is_preferred_to_html<'header>(accept: impl Iterator<Item = &'header str>) -> bool {
    let ranges: Vec<Range<'_>> = accept.map(Range::parse).collect();
    let best = |is_one: &dyn Fn(&Range<'_>) -> bool| {
        let named = ranges.iter().filter(|range| range.specificity() > 0 && is_one(range));
        named.map(|range| range.quality).max().unwrap_or_default()
    };
    let is_html = |range: &Range<'_>| range.matches("text/html");
    let is_supported =
        |range: &Range<'_>| response_types().any(|supported| range.matches(supported.essence));
    is_excluded(&ranges, "text/html") || best(&is_supported) > best(&is_html)
}

/// True when the most specific range that matches a media type has the weight 0.
fn is_excluded(ranges: &[Range<'_>], essence: &str) -> bool {
    let matching = ranges.iter().filter(|range| range.matches(essence));
    matching.max_by_key(|range| range.specificity()).is_some_and(|range| range.quality == 0)
}

/// The best accepted media type: by quality, then by specificity, then JSON first.
fn accepted(ranges: &[Range<'_>]) -> Option<ResponseType> {
    let is_possible = |supported: &ResponseType| !is_excluded(ranges, supported.essence);
    let possible: Vec<_> = response_types().filter(is_possible).collect();
    let candidates = ranges.iter().filter(|range| range.quality > 0).filter_map(|range| {
        let found = *possible.iter().find(|supported| range.matches(supported.essence))?;
        Some(((range.quality, range.specificity(), found.format == Format::Json), found))
    });
    // On a tie, the first one wins.
    let best = candidates.reduce(|best, other| if other.0 > best.0 { other } else { best });
    best.map(|(_, found)| found)
}

fn response_type((essence, format): (&'static str, Format)) -> Option<ResponseType> {
    (format != Format::Form).then_some(ResponseType { essence, format })
}

/// The supported media type of a `Content-Type` header.
fn media_type(content_type: Option<&[u8]>) -> Option<(&'static str, Format)> {
    let essence = parts(content_type?).next()?;
    MEDIA_TYPES.into_iter().find(|(name, _)| essence.eq_ignore_ascii_case(name.as_bytes()))
}

/// A parameter of a `Content-Type` header without its quotation marks; empty when it is not text.
#[must_use]
pub fn parameter<'header>(content_type: Option<&'header [u8]>, name: &str) -> Option<&'header str> {
    let value = parts(content_type?).skip(1).find_map(|parameter| {
        let mut pair = parameter.splitn(2, |byte| *byte == b'=');
        let given = pair.next()?.trim_ascii();
        pair.next().filter(|_| given.eq_ignore_ascii_case(name.as_bytes()))
    });
    Some(str::from_utf8(value?).unwrap_or_default().trim().trim_matches('"'))
}

/// The media type of a header value, then its parameters.
fn parts(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b';').map(<[u8]>::trim_ascii)
}

/// One element of `Accept` or `Accept-Charset`; parameters other than `q` are ignored.
struct Range<'header> {
    essence: &'header str,
    /// The weight in thousandths.
    quality: u16,
}

impl<'header> Range<'header> {
    fn parse(element: &'header str) -> Self {
        let (essence, quality) = split_weight(element);
        Self { essence, quality }
    }

    /// 0 for `*/*`, 1 for a range such as `text/*`, 2 for a media type.
    fn specificity(&self) -> u8 {
        match self.essence.split_once('/') {
            Some(("*", "*")) => 0,
            Some((_, "*")) => 1,
            _ => 2,
        }
    }

    fn matches(&self, essence: &str) -> bool {
        match (self.essence.split_once('/'), essence.split_once('/')) {
            (Some(("*", "*")), _) => true,
            (Some((range, "*")), Some((given, _))) => range.eq_ignore_ascii_case(given),
            _ => self.essence.eq_ignore_ascii_case(essence),
        }
    }
}

/// The value of a list element such as `text/xml;q=0.5`, and its weight in thousandths (RFC 9110,
/// section 12.4.2). An element without a weight has 1000, and one with an invalid weight has 0.
/// Parameters other than `q` are ignored.
#[must_use]
pub fn split_weight(element: &str) -> (&str, u16) {
    let mut parts = element.split(';').map(str::trim);
    let value = parts.next().unwrap_or_default();
    let weight = parts.find_map(|parameter| {
        let (name, weight) = parameter.split_once('=')?;
        name.trim_end().eq_ignore_ascii_case("q").then_some(weight.trim_start())
    });
    (value, weight.map_or(1000, quality))
}

/// A weight in thousandths; an invalid one is 0.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is clamped")]
fn quality(text: &str) -> u16 {
    let weight: f32 = text.parse().unwrap_or(0.0);
    (weight.clamp(0.0, 1.0) * 1000.0) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elements(header: &str) -> impl Iterator<Item = &str> {
        header.split(',').map(str::trim).filter(|element| !element.is_empty())
    }

    fn value(header: &str) -> Option<&[u8]> {
        (!header.is_empty()).then_some(header.as_bytes())
    }

    #[test]
    fn the_media_type_of_a_response_follows_the_rules() {
        for (accept, content_type, expected) in [
            ("", "", "application/json"),
            ("", "text/xml", "text/xml"),
            ("", "application/x-www-form-urlencoded", "application/json"),
            ("", "application/merge-patch+json", "application/merge-patch+json"),
            ("*/*", "text/xml", "application/json"),
            ("text/*", "", "text/json"),
            ("application/*", "text/xml", "application/json"),
            ("text/xml", "application/json", "text/xml"),
            ("TEXT/XML; charset=utf-8", "", "text/xml"),
            ("application/xml, application/json", "", "application/json"),
            ("text/xml, application/xml", "", "text/xml"),
            ("application/xml;q=0.9, application/json;q=0.8", "", "application/xml"),
            ("*/*, text/xml", "", "text/xml"),
            ("application/*;q=0.5, text/xml;q=0.5", "", "text/xml"),
            ("application/*, application/json;q=0", "", "application/xml"),
            ("application/json;q=0", "", "application/json"),
            ("*/*, application/*;q=0", "", "text/json"),
            ("application/json, application/*;q=0", "", "application/json"),
            ("aplication/json", "text/xml", "text/xml"),
            ("aplication/json", "", "application/json"),
            ("image/png, text/html", "application/xml", "application/xml"),
            ("text/xml;q=nonsense", "", "application/json"),
            (",;,=", "", "application/json"),
        ] {
            let response = response_format(elements(accept), value(content_type));
            assert_eq!(
                response.essence, expected,
                "Accept: {accept}, Content-Type: {content_type}"
            );
        }
    }

    #[test]
    fn a_weight_is_found_among_other_parameters() {
        for (element, expected) in [
            ("", ("", 1000)),
            ("de", ("de", 1000)),
            ("de;q=0.5", ("de", 500)),
            (" de ; Q = 0.25 ", ("de", 250)),
            ("de;level=1;q=0.5;version=2", ("de", 500)),
            ("de;version=2", ("de", 1000)),
            ("de;q=0.5;q=0.7", ("de", 500)),
            ("de;q=2", ("de", 1000)),
            ("de;q=-1", ("de", 0)),
            ("de;q=", ("de", 0)),
            ("de;q=nan", ("de", 0)),
            ("de;q", ("de", 1000)),
        ] {
            assert_eq!(split_weight(element), expected, "{element:?}");
        }
    }

    #[test]
    fn the_charset_of_a_response_follows_the_rules() {
        for (accept, content_type, expected) in [
            ("", "text/xml", Charset::Utf8),
            ("", "text/xml; charset=\"UTF-16\"", Charset::Utf16),
            ("", "text/xml; Charset=utf-16le", Charset::Utf16),
            ("utf-8", "text/xml; charset=utf-16", Charset::Utf8),
            ("utf-16;q=0.5, utf-8;q=0.4", "", Charset::Utf16),
            ("utf-16, utf-8", "", Charset::Utf16),
            ("latin1, utf-16;q=0", "", Charset::Utf8),
        ] {
            let charset = response_charset(elements(accept), value(content_type));
            assert_eq!(charset, expected, "{accept} {content_type}");
        }
    }

    #[test]
    fn html_is_preferred_unless_it_is_excluded_or_a_supported_type_has_a_higher_weight() {
        for (accept, expected) in [
            ("", false),
            ("*/*", false),
            ("text/html, application/xml;q=0.9", false),
            ("application/json", true),
            ("text/html;q=0.5, text/xml", true),
            ("text/html;q=0", true),
            ("TEXT/HTML;q=0, */*", true),
            ("text/*;q=0, */*", true),
            ("*/*;q=0", true),
            ("text/html, */*;q=0", false),
            ("image/png", false),
        ] {
            assert_eq!(is_preferred_to_html(elements(accept)), expected, "{accept}");
        }
    }
}
