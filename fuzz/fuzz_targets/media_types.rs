//! `Content-Type`, `Accept` and `Accept-Charset`, as a line each.
#![no_main]

use credential_keeper_fuzz::{Limits, within};
use libfuzzer_sys::fuzz_target;
use wire_formats::media_type::{
    body_format, is_preferred_to_html, request_types, response_charset, response_format,
    response_types,
};

fuzz_target!(|input: &[u8]| {
    let mut lines = input.splitn(3, |byte| *byte == b'\n');
    let content_type = lines.next();
    let accept = elements(lines.next());
    let accept_charset = elements(lines.next());
    within(Limits::PARSER, input.len(), || {
        assert_body_format(content_type);
        assert_response(&accept, content_type);
        let charset = response_charset(accept_charset.iter().copied(), content_type);
        assert!(["utf-8", "utf-16"].contains(&charset.as_str()), "an unknown charset");
    });
});

/// The elements of a list that are text.
fn elements(line: Option<&[u8]>) -> Vec<&str> {
    let elements = line.unwrap_or_default().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    let texts = elements.filter_map(|element| std::str::from_utf8(element).ok());
    texts.filter(|element| !element.is_empty()).take(64).collect()
}

fn assert_body_format(content_type: Option<&[u8]>) {
    let found = body_format(content_type);
    let upper = content_type.map(<[u8]>::to_ascii_uppercase);
    assert_eq!(body_format(upper.as_deref()), found, "the letter case matters");
    if let Some((format, _)) = found {
        let is_known = request_types().any(|(name, known)| {
            let starts = |text: &[u8]| text.trim_ascii_start().to_ascii_lowercase();
            known == format && content_type.is_some_and(|t| starts(t).starts_with(name.as_bytes()))
        });
        assert!(is_known, "a format without its media type");
    }
}

fn assert_response(accept: &[&str], content_type: Option<&[u8]>) {
    let chosen = response_format(accept.iter().copied(), content_type);
    assert!(response_types().any(|known| known == chosen), "not a media type of responses");
    let upper: Vec<_> = accept.iter().map(|element| element.to_ascii_uppercase()).collect();
    let of_upper = response_format(upper.iter().map(String::as_str), content_type);
    assert_eq!(of_upper, chosen, "the letter case matters");
    let with_unknown = accept.iter().copied().chain(["image/x-unknown", "", ";q=1"]);
    assert_eq!(response_format(with_unknown, content_type), chosen, "an unknown type matters");
    let _ = is_preferred_to_html(accept.iter().copied());
    // An exclusion of everything leaves the type of the request or the default.
    let none = accept.iter().copied().filter(|_| false);
    let without = response_format(none, content_type);
    let excluded = response_format(["*/*;q=0"].into_iter(), content_type);
    assert_eq!(excluded, without, "an exclusion selects a type");
}
