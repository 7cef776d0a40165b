//! The files of a listener with TLS: a certificate chain, its key, and authorities of clients.
#![no_main]

use credential_keeper::fuzz_support::certificates;
use credential_keeper_fuzz::{InputFile, Limits, assert_hides, within};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|pem: &[u8]| {
    let file = InputFile::new("certificates", pem);
    match within(Limits::PARSER, pem.len(), || certificates(file.path())) {
        Err(message) => {
            let lines = pem.split(|byte| byte.is_ascii_whitespace());
            // Shorter parts may be words of the message.
            lines.filter(|line| line.len() > 16).for_each(|line| assert_hides(&message, line));
        }
        Ok(end) => assert!(end.is_some(), "accepted without a certificate"),
    }
});
