//! The file of the keyring, plain and wrapped.
#![no_main]

use std::collections::BTreeSet;

use credential_keeper::fuzz_support::{add_key, read_keyring, wrap_keyring, write_with_key};
use credential_keeper_fuzz::{InputFile, Limits, assert_hides, within};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|text: &[u8]| {
    let file = InputFile::new("keyring", text);
    match within(Limits::PARSER, text.len(), || read_keyring(file.path())) {
        Err(message) => assert_hides_secrets(&message, text),
        Ok(keys) => {
            assert_eq!(keys.iter().filter(|(_, state)| *state == "writing").count(), 1);
            let ids: BTreeSet<_> = keys.iter().map(|(id, _)| id).collect();
            assert_eq!(ids.len(), keys.len(), "two keys with one id");
            let (longer, id) = add_key(file.path()).expect("a new key");
            let longer = InputFile::new("longer", longer.as_bytes());
            let read = read_keyring(longer.path()).expect("a written keyring");
            assert_eq!(read[..keys.len()], keys[..], "other keys changed");
            let rotated = write_with_key(longer.path(), &id).expect("another writing key");
            let rotated = InputFile::new("rotated", rotated.as_bytes());
            let read = read_keyring(rotated.path()).expect("a rotated keyring");
            assert!(read.contains(&(id, "writing")), "the new key does not write");
            assert!(write_with_key(file.path(), "no such key").is_err());
            let wrapped = wrap_keyring(file.path()).expect("a wrapped keyring");
            let wrapped = InputFile::new("wrapped", wrapped.as_bytes());
            assert_eq!(read_keyring(wrapped.path()).expect("the wrapped keyring"), keys);
        }
    }
});

/// Checks that an error shows no secret. The ids of keys are not secret.
fn assert_hides_secrets(message: &str, text: &[u8]) {
    let file: Value = serde_json::from_slice(text).unwrap_or_default();
    let keys = file.get("keys").and_then(Value::as_array).cloned().unwrap_or_default();
    let texts = |name: &'static str| keys.iter().filter_map(move |key| key.get(name)?.as_str());
    let mut ids: Vec<_> = texts("id").collect();
    // A short id may be a part of a long one.
    ids.sort_unstable_by_key(|id| std::cmp::Reverse(id.len()));
    let message = ids.iter().fold(message.to_owned(), |message, id| message.replace(id, ""));
    texts("secret").for_each(|secret| assert_hides(&message, secret.as_bytes()));
}
