//! `database.url`.
#![no_main]

use credential_keeper::fuzz_support::database_url;
use credential_keeper_fuzz::{Limits, assert_hides, within};
use libfuzzer_sys::fuzz_target;
use secrecy::SecretString;

fuzz_target!(|text: &str| {
    let secret = SecretString::from(text);
    let read = within(Limits::PARSER, text.len(), || database_url(&secret));
    match read {
        Err(message) => {
            // Messages have names and samples without a capital letter or a number, except in %23,
            // and an ellipsis in the name of an option.
            let message = message.replace("options[…]", "options");
            let is_special = |b: &u8| b.is_ascii_digit() || b.is_ascii_uppercase() || !b.is_ascii();
            let parts = text.as_bytes().windows(12).filter(|part| part.iter().any(is_special));
            parts.for_each(|part| assert_hides(&message, part));
        }
        Ok((has_password, files)) => {
            let scheme = text.replace(['\t', '\r', '\n'], "");
            let scheme = scheme.trim_start_matches(|c: char| c <= ' ').to_ascii_lowercase();
            assert!(scheme.starts_with("postgres"), "another scheme");
            assert!(!text.contains('#'), "a fragment");
            let again = database_url(&secret).expect("the second reading");
            assert_eq!(again, (has_password, files), "the second reading differs");
        }
    }
});
