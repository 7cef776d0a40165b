//! Bodies in JSON, in every charset.
#![no_main]

use credential_keeper_fuzz::{Limits, Request, assert_path_of_request, assert_reads_back, within};
use libfuzzer_sys::fuzz_target;
use wire_formats::{Format, read, read_list};

fuzz_target!(|input: (u8, &[u8])| {
    let (charset, body) = (credential_keeper_fuzz::charset(input.0), input.1);
    let once = within(Limits::PARSER, body.len(), || read::<Request>(body, Format::Json, charset));
    assert_eq!(once, read(body, Format::Json, charset), "the second reading differs");
    let list =
        within(Limits::PARSER, body.len(), || read_list::<Request>(body, Format::Json, charset));
    list.iter().flatten().for_each(assert_reads_back);
    match once {
        Ok(request) => {
            assert_is_json(&charset.decode(body).unwrap_or_default());
            assert_reads_back(&request);
        }
        Err(error) => assert_path_of_request(&error),
    }
});

/// Another reader must also accept what this service accepts.
fn assert_is_json(text: &str) {
    let is_empty = text.trim_ascii().is_empty();
    assert!(is_empty || serde_json::from_str::<serde_json::Value>(text).is_ok(), "not JSON");
}
