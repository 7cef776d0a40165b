//! The answers file of `init`.
#![no_main]

use credential_keeper::fuzz_support::init_answers;
use credential_keeper_fuzz::{Limits, within};
use libfuzzer_sys::fuzz_target;

/// The parser of TOML keeps a tree of the file.
const LIMITS: Limits = Limits { bytes_in_all: 1024 * 1024, ..Limits::PARSER };

fuzz_target!(|input: (Vec<(u8, String)>, &str)| {
    let (answers, text) = input;
    assert_reads_back(&answers);
    match within(LIMITS, text.len(), || init_answers(text)) {
        Ok(answers) => {
            let answers: Vec<_> = answers.iter().map(|(name, _)| *name).collect();
            // A member must be named in the file, perhaps with escapes.
            let is_named = |name: &&str| text.contains(*name) || text.contains('\\');
            assert!(answers.iter().all(is_named), "{answers:?}");
        }
        Err(line) => {
            let lines = 1 + text.matches('\n').count();
            assert!((1..=lines).contains(&line), "line {line} of {lines}");
        }
    }
});

/// Writes answers, and reads them.
fn assert_reads_back(answers: &[(u8, String)]) {
    let names =
        ["database_url", "host", "listen", "tls", "tls_key", "proxy", "administrator", "keyring"];
    let mut written = Vec::new();
    for (index, value) in answers {
        let name = names[usize::from(*index) % names.len()];
        if written.iter().all(|(other, _)| *other != name) {
            written.push((name, value.clone()));
        }
    }
    // The strings of JSON are strings of TOML, but for one character.
    let line = |(name, value): &(&str, String)| format!("{name} = {}\n", serde_json::json!(value));
    let text: String = written.iter().map(line).collect();
    let text = text.replace('\u{7f}', "\\u007F");
    let read = init_answers(&text).expect("written answers");
    written.sort_by_key(|(name, _)| names.iter().position(|other| other == name));
    assert_eq!(read, written, "other answers");
}
