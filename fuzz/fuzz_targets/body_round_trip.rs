//! A request reads the same from every format and charset that it is written in, and so does a list.
#![no_main]

use credential_keeper_fuzz::{
    Request, assert_list_reads_back, assert_reads_back, assert_reads_from_form,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|value: (Request, Vec<String>)| {
    let (request, texts) = value;
    assert_reads_back(&request);
    assert_reads_from_form(&request);
    assert_list_reads_back(texts);
});
