//! Media types in and out, and which of them an answer gets (protocol.md 4.1 and 4.2).

use actix_web::http::header::{ACCEPT, ACCEPT_CHARSET, CONTENT_TYPE, HeaderMap};

use super::charset::Charset;
use crate::http::headers;

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Xml,
    Form,
}

/// Every media type of a request body. All but forms are media types of answers too, in the order
/// in which a wildcard chooses among them.
const MEDIA_TYPES: [(&str, Format); 7] = [
    ("application/json", Format::Json),
    ("text/json", Format::Json),
    ("application/xml", Format::Xml),
    ("text/xml", Format::Xml),
    ("application/json-patch+json", Format::Json),
    ("application/merge-patch+json", Format::Json),
    ("application/x-www-form-urlencoded", Format::Form),
];

/// The media type of answers to callers that do not say or cannot have what they want.
const DEFAULT: AnswerType = AnswerType { essence: "application/json", format: Format::Json };

/// The media type of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AnswerType {
    pub(super) essence: &'static str,
    pub(super) format: Format,
}

/// Every media type of request bodies, and whether it is that of forms.
pub(in crate::http) fn of_requests() -> impl Iterator<Item = (&'static str, bool)> {
    MEDIA_TYPES.into_iter().map(|(essence, format)| (essence, format == Format::Form))
}

/// Every media type of answers.
pub(in crate::http) fn of_answers() -> impl Iterator<Item = &'static str> {
    MEDIA_TYPES.into_iter().filter_map(answer_type).map(|of| of.essence)
}

/// Format and charset of a request body; `None` when the media type is none of ours.
pub(super) fn of_body(headers: &HeaderMap) -> Option<(Format, Charset)> {
    let (_, format) = content_type(headers)?;
    let charset = charset_parameter(headers);
    Some((
        format,
        charset
            .map_or_else(Charset::default, |name| Charset::find(name).unwrap_or(Charset::Foreign)),
    ))
}

/// The media type of the answer to a request with these headers; never none.
pub(super) fn of_answer(headers: &HeaderMap) -> AnswerType {
    let ranges: Vec<Range<'_>> = headers::list(headers, &ACCEPT).map(Range::parse).collect();
    accepted(&ranges).or_else(|| answer_type(content_type(headers)?)).unwrap_or(DEFAULT)
}

/// The charset of the answer: what `Accept-Charset` prefers, else that of the request.
pub(super) fn charset_of_answer(headers: &HeaderMap) -> Charset {
    let accepted =
        headers::list(headers, &ACCEPT_CHARSET).map(Range::parse).filter(|range| range.quality > 0);
    let known = accepted.filter_map(|range| Some((range.quality, Charset::find(range.essence)?)));
    // The first of equals: a later one must be better.
    let best = known.reduce(|best, other| if other.0 > best.0 { other } else { best });
    best.map(|(_, charset)| charset).or_else(|| body_charset(headers)).unwrap_or_default()
}

/// True when the caller prefers one of ours to a page.
pub(in crate::http) fn is_wanted_rather_than_a_page(headers: &HeaderMap) -> bool {
    let ranges: Vec<Range<'_>> = headers::list(headers, &ACCEPT).map(Range::parse).collect();
    let best = |is_one: &dyn Fn(&Range<'_>) -> bool| {
        let named = ranges.iter().filter(|range| range.exactness() > 0 && is_one(range));
        named.map(|range| range.quality).max().unwrap_or_default()
    };
    let is_page = |range: &Range<'_>| range.matches("text/html");
    let is_ours = |range: &Range<'_>| of_answers().any(|of| range.matches(of));
    best(&is_ours) > best(&is_page)
}

/// True for a form of a page.
pub(in crate::http) fn is_form(headers: &HeaderMap) -> bool {
    of_body(headers).is_some_and(|(format, _)| format == Format::Form)
}

/// The best of what is accepted: by quality, then by how exactly it is named, then JSON first.
fn accepted(ranges: &[Range<'_>]) -> Option<AnswerType> {
    let is_excluded = |essence: &str| {
        let matching = ranges.iter().filter(|range| range.matches(essence));
        matching.max_by_key(|range| range.exactness()).is_some_and(|range| range.quality == 0)
    };
    let possible: Vec<_> = MEDIA_TYPES
        .into_iter()
        .filter_map(answer_type)
        .filter(|of| !is_excluded(of.essence))
        .collect();
    let candidates = ranges.iter().filter(|range| range.quality > 0).filter_map(|range| {
        let found = *possible.iter().find(|of| range.matches(of.essence))?;
        Some(((range.quality, range.exactness(), found.format == Format::Json), found))
    });
    // The first of equals: a later one must be better.
    let best = candidates.reduce(|best, other| if other.0 > best.0 { other } else { best });
    best.map(|(_, found)| found)
}

fn answer_type((essence, format): (&'static str, Format)) -> Option<AnswerType> {
    (format != Format::Form).then_some(AnswerType { essence, format })
}

fn content_type(headers: &HeaderMap) -> Option<(&'static str, Format)> {
    let essence = parts_of_content_type(headers)?.next()?;
    MEDIA_TYPES.into_iter().find(|(name, _)| essence.eq_ignore_ascii_case(name.as_bytes()))
}

/// Media type and parameters of the body; `None` when it is not said, or more than once: which of
/// them counts would be a guess.
fn parts_of_content_type(headers: &HeaderMap) -> Option<impl Iterator<Item = &[u8]>> {
    let mut lines = headers::lines(headers, &CONTENT_TYPE);
    let line = lines.next()?;
    lines.next().is_none().then(|| headers::split(line, b';'))
}

fn body_charset(headers: &HeaderMap) -> Option<Charset> {
    Charset::find(charset_parameter(headers)?)
}

/// The name of the body's charset; empty when it is no text.
fn charset_parameter(headers: &HeaderMap) -> Option<&str> {
    let mut parameters = parts_of_content_type(headers)?.skip(1);
    let value = parameters.find_map(|parameter| {
        let mut parts = parameter.splitn(2, |byte| *byte == b'=');
        let name = parts.next()?.trim_ascii();
        parts.next().filter(|_| name.eq_ignore_ascii_case(b"charset"))
    });
    Some(headers::text(value?).unwrap_or_default().trim().trim_matches('"'))
}

/// One entry of `Accept` or `Accept-Charset`; parameters other than `q` are ignored.
struct Range<'header> {
    essence: &'header str,
    /// In thousandths.
    quality: u16,
}

impl<'header> Range<'header> {
    fn parse(entry: &'header str) -> Self {
        let weight = entry.split(';').skip(1).find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim().eq_ignore_ascii_case("q").then_some(value.trim())
        });
        Self { essence: essence(entry), quality: weight.map_or(1000, quality) }
    }

    fn exactness(&self) -> u8 {
        match self.essence.split_once('/') {
            Some(("*", "*")) => 0,
            Some((_, "*")) => 1,
            _ => 2,
        }
    }

    fn matches(&self, essence: &str) -> bool {
        match (self.essence.split_once('/'), essence.split_once('/')) {
            (Some(("*", "*")), _) => true,
            (Some((wanted, "*")), Some((has, _))) => wanted.eq_ignore_ascii_case(has),
            _ => self.essence.eq_ignore_ascii_case(essence),
        }
    }
}

/// A weight in thousandths; one that is none counts for nothing.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is clamped")]
fn quality(text: &str) -> u16 {
    let weight: f32 = text.parse().unwrap_or(0.0);
    (weight.clamp(0.0, 1.0) * 1000.0) as u16
}

fn essence(entry: &str) -> &str {
    entry.split(';').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        let pairs =
            pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        pairs.collect()
    }

    #[test]
    fn the_answers_media_type_follows_the_rules() {
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
            let mut pairs = Vec::new();
            if !accept.is_empty() {
                pairs.push((ACCEPT, accept));
            }
            if !content_type.is_empty() {
                pairs.push((CONTENT_TYPE, content_type));
            }
            let answer = of_answer(&headers(&pairs));
            assert_eq!(answer.essence, expected, "Accept: {accept}, Content-Type: {content_type}");
        }
    }

    #[test]
    fn the_answers_charset_follows_the_rules() {
        for (accept, content_type, expected) in [
            ("", "text/xml", Charset::Utf8),
            ("", "text/xml; charset=\"UTF-16\"", Charset::Utf16),
            ("", "text/xml; Charset=utf-16le", Charset::Utf16),
            ("utf-8", "text/xml; charset=utf-16", Charset::Utf8),
            ("utf-16;q=0.5, utf-8;q=0.4", "", Charset::Utf16),
            ("utf-16, utf-8", "", Charset::Utf16),
            ("latin1, utf-16;q=0", "", Charset::Utf8),
        ] {
            let mut pairs = vec![(ACCEPT_CHARSET, accept)];
            if !content_type.is_empty() {
                pairs.push((CONTENT_TYPE, content_type));
            }
            assert_eq!(charset_of_answer(&headers(&pairs)), expected, "{accept} {content_type}");
        }
    }
}
