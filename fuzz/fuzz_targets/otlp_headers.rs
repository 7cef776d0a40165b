//! The file of headers for the collector: what is read is what was written, and no error shows it.
#![no_main]

use credential_keeper::fuzz_support::otlp_headers;
use credential_keeper_fuzz::{InputFile, Limits, assert_hides, within};
use libfuzzer_sys::fuzz_target;

/// The example in a message, which files have, too.
const EXAMPLE: &str = "such as `Authorization: Bearer TOKEN`";

fuzz_target!(|text: &[u8]| {
    let file = InputFile::new("headers", text);
    match within(Limits::PARSER, text.len(), || otlp_headers(file.path())) {
        Err(message) => assert_hides(&message.replace(EXAMPLE, ""), text),
        Ok(headers) => {
            for (name, value) in &headers {
                assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()));
                assert!(value.bytes().all(|byte| byte == b'\t' || (32..127).contains(&byte)));
                assert_eq!(value.trim(), value);
            }
            let written: Vec<_> =
                headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
            let again = InputFile::new("again", written.concat().as_bytes());
            assert_eq!(otlp_headers(again.path()), Ok(headers));
        }
    }
});
