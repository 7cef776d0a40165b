//! Texts of password hashes, of every kind that an import accepts, and PHC strings of this service.
#![no_main]

use credential_keeper_fuzz::{Limits, within};
use hashing_engine::{AcceptedHash, StoredHash, fuzz_support};
use libfuzzer_sys::fuzz_target;
use secrecy::{ExposeSecret, SecretString};

/// The default of `hashing.maximum_memory_kib`.
const MAXIMUM_MEMORY_KIB: u32 = 65_536;

/// A shorter part of a hash may be a word of `Debug`.
const SHORTEST_SECRET: usize = 16;

fuzz_target!(|text: &str| {
    let secret = SecretString::from(text);
    let parsed = within(Limits::PARSER, text.len(), || fuzz_support::parse(&secret));
    match parsed {
        // A rejection is `Copy` and has only constant texts.
        Err(_) => assert!(StoredHash::parse(&secret).is_err()),
        Ok(hash) => {
            assert_hides(&format!("{hash:?}"), text);
            let _ = fuzz_support::check_cost(&hash, MAXIMUM_MEMORY_KIB);
            // No panic, and the same result twice.
            let computed = fuzz_support::matches(&hash, b"correct horse");
            assert_eq!(computed, fuzz_support::matches(&hash, b"correct horse"));
            match hash {
                AcceptedHash::Stored(hash) => assert_reads_back(&hash),
                AcceptedHash::Weak(weak) => {
                    assert!(StoredHash::parse(&secret).is_err(), "a weak hash would be stored");
                    assert_reads_back(&fuzz_support::wrap(weak));
                }
            }
        }
    }
});

/// Checks that a written hash is parsed as the same hash.
fn assert_reads_back(hash: &StoredHash) {
    let written = hash.to_text().unwrap_or_default();
    let again = StoredHash::parse(&written);
    let again = again.unwrap_or_else(|rejection| panic!("a written hash is refused: {rejection}"));
    assert_eq!(again.scheme(), hash.scheme());
    assert_eq!(again.parameters(), hash.parameters());
    let rewritten = again.to_text().unwrap_or_default();
    assert_eq!(rewritten.expose_secret(), written.expose_secret(), "the form is not stable");
}

/// Checks that `Debug` shows neither salt nor output.
fn assert_hides(debug: &str, text: &str) {
    let is_encoded = |c: char| c.is_ascii_alphanumeric() || "+/.".contains(c);
    let encoded = text.split('$').filter(|part| part.chars().all(is_encoded));
    for part in encoded.filter(|part| part.len() >= SHORTEST_SECRET) {
        assert!(!debug.contains(part), "Debug shows a part of the hash: {debug}");
    }
}
