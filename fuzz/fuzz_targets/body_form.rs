//! Bodies in form encoding, in every charset.
#![no_main]

use credential_keeper_fuzz::{Limits, Request, assert_path_of_request, assert_reads_back, within};
use libfuzzer_sys::fuzz_target;
use wire_formats::{Format, read, read_list};

fuzz_target!(|input: (u8, &[u8])| {
    let (charset, body) = (credential_keeper_fuzz::charset(input.0), input.1);
    let once = within(Limits::PARSER, body.len(), || read::<Request>(body, Format::Form, charset));
    assert_eq!(once, read(body, Format::Form, charset), "the second reading differs");
    assert!(read_list::<Request>(body, Format::Form, charset).is_err(), "a form is not a list");
    match once {
        Ok(request) => assert_reads_back(&request),
        Err(error) => assert_path_of_request(&error),
    }
});
