//! Lines of a copy of the audit stream, and anchors in a log: what was written is read, also behind a
//! prefix, and nothing is read from a line that was cut.
#![no_main]

use arbitrary::Arbitrary;
use credential_keeper::fuzz_support::{
    EventTexts, copied_event, event_line, read_anchor, written_anchor,
};
use credential_keeper_fuzz::{Limits, within};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
struct Input<'text> {
    line: &'text [u8],
    user_id: i32,
    sequence: i64,
    request_id: &'text str,
    credential_type: Option<&'text str>,
    reason: Option<&'text str>,
    key_id: &'text str,
    mac: &'text [u8],
    signature: &'text [u8],
    prefix: &'text str,
    cut: usize,
}

fuzz_target!(|input: Input<'_>| {
    check_any(input.line);
    check_event(&input);
    check_anchor(&input);
});

/// What any line has is written and read again.
fn check_any(line: &[u8]) {
    if let Some(Ok(anchor)) = within(Limits::PARSER, line.len(), || read_anchor(line)) {
        assert_eq!(read_anchor(anchor.as_bytes()), Some(Ok(anchor)));
    }
    let Ok(text) = str::from_utf8(line) else { return };
    if let Some(event) = within(Limits::PARSER, line.len(), || copied_event(text)) {
        assert_eq!(copied_event(&event), Some(event));
    }
}

fn check_event(input: &Input<'_>) {
    let &Input { user_id, sequence, request_id, credential_type, reason, mac, .. } = input;
    let line =
        event_line(user_id, sequence, EventTexts { request_id, credential_type, reason }, mac);
    let is_valid = user_id > 0 && sequence > 0;
    let expected = is_valid.then(|| line.clone());
    assert!(!line.contains('\n'), "an event of two lines");
    assert_eq!(copied_event(&line), expected);
    assert_eq!(copied_event(&format!("{}{line}", prefix(input))), expected);
    assert_eq!(copied_event(cut(&line, input.cut)), None, "an event of a line that was cut");
}

fn check_anchor(input: &Input<'_>) {
    let &Input { user_id, sequence, key_id, mac, signature, .. } = input;
    let Some(line) = written_anchor(user_id, sequence, key_id, mac, signature) else {
        assert!(user_id <= 0, "no anchor of user {user_id}");
        return;
    };
    let expected = Some(Ok(line.clone()));
    assert!(!line.contains('\n'), "an anchor of two lines");
    assert_eq!(read_anchor(line.as_bytes()), expected);
    assert_eq!(read_anchor(format!("{}{line}", prefix(input)).as_bytes()), expected);
    let cut = read_anchor(cut(&line, input.cut).as_bytes());
    assert!(matches!(cut, None | Some(Err(()))), "an anchor of a line that was cut: {cut:?}");
}

/// What a collector puts in front of a line: it has no brace.
fn prefix(input: &Input<'_>) -> String {
    input.prefix.replace(['{', '"'], "")
}

/// The line without at least its last character.
fn cut(line: &str, length: usize) -> &str {
    let end = (0..=length % line.len()).rev().find(|end| line.is_char_boundary(*end));
    &line[..end.unwrap_or_default()]
}
