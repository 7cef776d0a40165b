//! Host names, and patterns of origins with an origin.
#![no_main]

use credential_keeper::fuzz_support::{is_host, origin_matches};
use credential_keeper_fuzz::{Limits, within};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (bool, &str)| {
    let text = input.1;
    let (pattern, origin) = text.split_once(['\n', ' ']).unwrap_or((text, text));
    let matches = within(Limits::PARSER, text.len(), || origin_matches(pattern, origin));
    if let Some(matches) = matches {
        let upper = origin_matches(&pattern.to_ascii_uppercase(), &origin.to_ascii_uppercase());
        assert_eq!(upper, Some(matches), "the letter case matters");
        assert!(pattern == "*" || pattern.is_ascii(), "a pattern that no browser sends");
        if !pattern.contains('*') && matches {
            assert_same_origin(pattern, origin);
        }
        // No pattern but the one for everything matches an opaque origin.
        assert!(pattern == "*" || origin_matches(pattern, "null") == Some(false));
    }
    if within(Limits::PARSER, origin.len(), || is_host(origin)) {
        let is_plain = origin.is_ascii() && !origin.contains(['/', '@', '*', ' ', '?', '#', '%']);
        assert!(is_plain, "not a host: {origin:?}");
        let exact = format!("https://{origin}");
        assert_eq!(origin_matches(&exact, &exact), Some(true), "a host is not its own origin");
        let suffix = format!("{exact}.evil.example");
        assert!(origin_matches(&exact, &suffix) != Some(true), "matches a longer host");
    }
});

/// Without a wildcard, the texts differ in letter case and in the default port at most.
fn assert_same_origin(pattern: &str, origin: &str) {
    let plain = |text: &str| {
        let text = text.to_lowercase();
        let port = if text.starts_with("https:") { ":443" } else { ":80" };
        text.strip_suffix(port).unwrap_or(&text).trim_end_matches(':').to_owned()
    };
    assert_eq!(plain(pattern), plain(origin), "matches another origin");
}
