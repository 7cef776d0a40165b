//! What the old system answers that users move from (`migration.hook_url`), and the keys that sign
//! the questions.
#![no_main]

use arbitrary::Arbitrary;
use credential_keeper::fuzz_support::{is_migration_pong, migration_answer, sign_with};
use credential_keeper_fuzz::{Limits, within};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
enum Case<'data> {
    Answer(&'data [u8]),
    Keys { text: &'data str, body: &'data [u8] },
}

fuzz_target!(|case: Case<'_>| match case {
    Case::Answer(text) => {
        let answer = within(Limits::PARSER, text.len(), || migration_answer(text));
        let is_pong = within(Limits::PARSER, text.len(), || is_migration_pong(text));
        let Ok(answer) = answer else { return };
        assert!(!is_pong, "an answer to two questions");
        let value: serde_json::Value = serde_json::from_slice(text).expect("not JSON");
        let is_accepted = value["result"] == "accepted";
        assert_eq!(answer.is_some(), is_accepted, "{value}");
        if let Some((display_name, user_type)) = answer {
            assert_eq!(value["display_name"].as_str(), display_name.as_deref());
            assert_eq!(value["type"].as_str(), user_type);
            assert!(matches!(user_type, None | Some("internal" | "external")), "{user_type:?}");
        }
    }
    Case::Keys { text, body } => {
        let length = text.len() + body.len();
        let Some(signatures) = within(Limits::PARSER, length, || sign_with(text, body)) else {
            return;
        };
        assert_eq!(signatures, text.trim().lines().count());
    }
});
