//! One line of an import: a user as JSON.
#![no_main]

use credential_keeper::fuzz_support::{login_name, read_line};
use credential_keeper_fuzz::{Limits, within};
use libfuzzer_sys::fuzz_target;

/// The members of a line, and the positions of syntax errors.
const NAMES: [&str; 26] = [
    "active",
    "administrator",
    "change_required",
    "column",
    "comment",
    "credentials",
    "display_name",
    "display_value",
    "ej_user_id",
    "hash",
    "id",
    "line",
    "login_name",
    "must_exist",
    "nick_name",
    "person_id",
    "public_value",
    "retired",
    "role",
    "role_id",
    "secret",
    "type",
    "untrusted_credentials",
    "valid_from",
    "valid_to",
    "value",
];

fuzz_target!(|text: &[u8]| {
    let read = within(Limits::PARSER, text.len(), || read_line(text));
    assert_eq!(read, read_line(text), "the second reading differs");
    match read {
        Err(message) => assert_names_only(&message),
        Ok(line) => {
            assert!(login_name(&line.login_name).is_ok(), "an invalid login name");
            assert!(line.user_id.is_none_or(|id| id > 0), "an invalid id");
            let mut types = line.credential_types.clone();
            types.sort_unstable();
            types.dedup();
            assert_eq!(types.len(), line.credential_types.len(), "two credentials of one type");
            // The same line in the spelling of another writer.
            let value = serde_json::from_slice::<serde_json::Value>(text).expect("JSON");
            assert_eq!(
                read_line(value.to_string().as_bytes()),
                Ok(line),
                "another spelling differs"
            );
        }
    }
});

/// Checks that the field of an error consists of member names and numbers.
fn assert_names_only(message: &str) {
    let (field, _) = message.split_once(": ").expect("a field");
    for name in field.split(['.', ' ', '[', ']']).filter(|name| !name.is_empty()) {
        let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
        assert!(
            is_number || NAMES.contains(&name),
            "the error shows a part of the line: {message}"
        );
    }
}
