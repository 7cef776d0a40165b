//! Key sets of issuers, from a file and as fetched from a URL.
#![no_main]

use credential_keeper::fuzz_support::TrustedIssuer;
use credential_keeper_fuzz::{InputFile, Limits, assert_hides, within};
use libfuzzer_sys::fuzz_target;
use secrecy::SecretString;
use serde_json::Value;
use time::OffsetDateTime;

/// A key set with one key.
const ANOTHER: &[u8] = br#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","use":"sig","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

/// `{"alg":"EdDSA","kid":"k"}`, `{"iss":"https://issuer.example"}` and no signature.
const TOKENS: [&str; 3] = [
    "eyJhbGciOiJFZERTQSIsImtpZCI6ImsifQ.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIn0.AAAA",
    "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIn0.AAAA",
    "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIn0.AAAA",
];

fuzz_target!(|text: &[u8]| {
    let file = InputFile::new("keys", text);
    let loaded = within(Limits::PARSER, text.len(), || TrustedIssuer::load(file.path()));
    let other = InputFile::new("other", ANOTHER);
    let issuer = TrustedIssuer::load(other.path()).expect("a key set");
    let is_replaced = within(Limits::PARSER, text.len(), || issuer.replace_keys(text));
    match &loaded {
        // A file may start with a byte order mark.
        Ok(_) => {
            assert!(is_replaced || text.starts_with(b"\xef\xbb\xbf"), "refused from a URL only");
        }
        Err(message) => private_parts(text).iter().for_each(|part| assert_hides(message, part)),
    }
    for issuer in loaded.iter().chain([&issuer]) {
        for token in TOKENS {
            let verified = issuer.verify(&SecretString::from(token), OffsetDateTime::UNIX_EPOCH);
            assert!(verified.is_err(), "a token without a signature");
        }
    }
});

/// The private parts of the keys, which a key set should not have.
fn private_parts(text: &[u8]) -> Vec<Vec<u8>> {
    let set: Value = serde_json::from_slice(text).unwrap_or_default();
    let keys = set.get("keys").and_then(Value::as_array).into_iter().flatten();
    let parts =
        keys.flat_map(|key| ["d", "k", "p", "q"].map(|name| key.get(name).and_then(Value::as_str)));
    // A part that is also another member is not private.
    let is_single = |part: &&str| {
        let text = String::from_utf8_lossy(text);
        text.matches(*part).count() == 1
    };
    parts.flatten().filter(is_single).map(|part| part.as_bytes().to_vec()).collect()
}
