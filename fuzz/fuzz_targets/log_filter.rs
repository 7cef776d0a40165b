//! `log.level`.
#![no_main]

use credential_keeper::fuzz_support::is_log_filter;
use credential_keeper_fuzz::{Limits, within};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let is_valid = within(Limits::PARSER, text.len(), || is_log_filter(text));
    assert_eq!(is_log_filter(text), is_valid, "the second reading differs");
    // A filter with one more default level names two levels for one target.
    let has_default = text.split(',').any(|directive| !directive.contains('='));
    assert!(!(is_valid && has_default) || !is_log_filter(&format!("{text},info")), "two levels");
});
