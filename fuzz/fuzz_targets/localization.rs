//! `SO-TimeZone`, `SO-Language` and `Accept-Language`, as a line each.
#![no_main]

use credential_keeper::fuzz_support::{language, time_zone};
use credential_keeper_fuzz::{Limits, within};
use libfuzzer_sys::fuzz_target;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// The languages with texts.
const LANGUAGES: [&str; 6] = ["da", "de", "en", "nb", "nl", "sv"];

fuzz_target!(init: drop(language(&[])), |input: (i64, &[u8])| {
    let mut texts = input.1.splitn(3, |byte| *byte == b'\n');
    let mut next = |name| (name, texts.next().unwrap_or_default());
    let lines = [next("so-timezone"), next("so-language"), next("accept-language")];
    // The years 1000 to 9998, whose dates have the same form in every zone.
    let Ok(moment) = OffsetDateTime::from_unix_timestamp(input.0 % 253_000_000_000) else { return };
    if !(1000..9999).contains(&moment.year()) {
        return;
    }
    let (name, text) = within(Limits::PARSER, input.1.len(), || time_zone(&lines, moment));
    let read = OffsetDateTime::parse(&text, &Rfc3339);
    assert_eq!(read.ok(), Some(moment), "{text} is another moment in {name:?}");
    if let Some(name) = &name {
        assert!(name.bytes().all(|byte| byte.is_ascii_graphic()), "not a name of a header: {name}");
        let again = [("so-timezone", name.as_bytes())];
        assert_eq!(time_zone(&again, moment), (Some(name.clone()), text), "the name is not stable");
    }
    let (tag, message) = within(Limits::PARSER, input.1.len(), || language(&lines));
    assert!(LANGUAGES.contains(&tag.as_str()), "an unknown language: {tag}");
    assert!(!message.starts_with('['), "a missing text");
});
