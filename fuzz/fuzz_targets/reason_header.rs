//! `Keeper-Reason`: what is accepted is the only reading of its percent-encoded text.
#![no_main]

use credential_keeper::fuzz_support::reason;
use credential_keeper_fuzz::{Limits, within};
use libfuzzer_sys::fuzz_target;

const HEADER: &str = "keeper-reason";

/// The longest reason, in characters.
const MAXIMUM: usize = 200;

fuzz_target!(|input: (&[u8], &[u8], &str)| {
    let (value, second, text) = input;
    let read = within(Limits::PARSER, value.len(), || reason(&[(HEADER, value)]));
    match read {
        Err(message) => assert!(message.starts_with("Keeper-Reason: "), "{message}"),
        Ok(None) => {}
        Ok(Some(decoded)) => {
            assert_is_valid(&decoded);
            assert_eq!(read_encoded(&decoded), Ok(Some(decoded.clone())), "another reading");
        }
    }
    assert!(reason(&[(HEADER, value), (HEADER, second)]).is_err() || !is_sent(value, second));
    // Any text, which random bytes do not find.
    if let Ok(Some(decoded)) = within(Limits::PARSER, text.len(), || read_encoded(text)) {
        assert_is_valid(&decoded);
        assert_eq!(decoded, text);
    }
});

fn read_encoded(text: &str) -> Result<Option<String>, String> {
    let encoded: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
    reason(&[(HEADER, encoded.as_bytes())])
}

/// True when both are values that a header can have.
fn is_sent(one: &[u8], other: &[u8]) -> bool {
    let is_value =
        |value: &[u8]| value.iter().all(|byte| (32..=255).contains(byte) && *byte != 127);
    is_value(one) && is_value(other)
}

fn assert_is_valid(text: &str) {
    let length = text.chars().count();
    assert!((1..=MAXIMUM).contains(&length), "{length} characters");
    assert!(!text.chars().any(char::is_control), "a control character: {text:?}");
}
