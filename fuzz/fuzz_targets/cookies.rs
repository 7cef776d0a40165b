//! The session: `X-XSRF-TOKEN` in the first line, and a `Cookie` header in each other line.
#![no_main]

use std::sync::LazyLock;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use credential_keeper::fuzz_support::{Presented, Signing, credential, read_session};
use credential_keeper_fuzz::{InputFile, Limits, assert_hides, within};
use libfuzzer_sys::fuzz_target;
use secrecy::ExposeSecret;

/// A keyring with one key.
const KEYRING: &[u8] = br#"{"keys":[{"id":"new","state":"writing","secret":"AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="}]}"#;

static SIGNING: LazyLock<Option<Signing>> =
    LazyLock::new(|| Signing::load(InputFile::new("keyring", KEYRING).path()));

fuzz_target!(|input: &[u8]| {
    let mut lines: Vec<_> =
        input.split(|byte| *byte == b'\n').map(|line| ("cookie", line)).collect();
    lines[0].0 = "x-xsrf-token";
    let read = within(Limits::PARSER, input.len(), || credential(&lines));
    match read {
        Err(message) => assert_hides(&message, input),
        Ok(Presented::Session { cookie, xsrf }) => {
            let value = cookie.expose_secret();
            assert!(!value.contains([';', '\n']), "more than one cookie");
            assert!(is_in(value, &lines[1..]), "a value that no cookie has");
            if let Some((user_id, _)) = read_session(&cookie) {
                assert!(user_id > 0, "an invalid user id");
                let bytes = URL_SAFE_NO_PAD.decode(value).unwrap_or_default();
                assert_eq!(URL_SAFE_NO_PAD.encode(bytes), value, "not the canonical text");
            }
            let signing = SIGNING.as_ref().expect("a keyring");
            assert!(!signing.is_xsrf(b"session", &xsrf), "a forged XSRF token");
        }
        Ok(_) => panic!("a session of another kind"),
    }
});

fn is_in(value: &str, lines: &[(&str, &[u8])]) -> bool {
    let value = value.as_bytes();
    value.is_empty()
        || lines.iter().any(|(_, line)| line.windows(value.len()).any(|part| part == value))
}
