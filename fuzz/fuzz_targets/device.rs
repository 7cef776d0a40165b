//! The header `User-Agent`, as it is stored and as it is shown.
#![no_main]

use credential_keeper::fuzz_support::device;
use credential_keeper_fuzz::{Limits, within};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|header: &str| {
    let Some((text, name)) = within(Limits::PARSER, header.len(), || device(header)) else {
        return;
    };
    assert!((1..=200).contains(&text.chars().count()), "{text:?}");
    assert!(!text.chars().chain(name.chars()).any(char::is_control), "{text:?} {name:?}");
    assert!(!name.is_empty() && name.chars().count() < 70, "{name:?}");
    assert_eq!(device(&text), Some((text, name)), "read again");
});
