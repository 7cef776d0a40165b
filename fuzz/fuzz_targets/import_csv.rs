//! CSV of an import: the header, the records and the lines that they become.
#![no_main]

use credential_keeper::fuzz_support::{read_entries, read_line};
use credential_keeper_fuzz::{Limits, within};
use libfuzzer_sys::fuzz_target;

/// A reader has buffers of 64 KiB.
const LIMITS: Limits = Limits { bytes_in_all: 1024 * 1024, ..Limits::PARSER };

/// A header whose columns are all text.
const HEADER: &str = "login_name,value,display_name,display_value\n";

fuzz_target!(|input: (bool, Vec<(String, String)>, &[u8])| {
    let (is_written, rows, text) = input;
    if is_written {
        assert_reads_back(&rows);
        return;
    }
    let read = within(LIMITS, text.len(), || read_entries("csv", text));
    assert_eq!(read, read_entries("csv", text), "the second reading differs");
    let Ok(entries) = read else { return };
    let lines = 1 + text.iter().filter(|byte| **byte == b'\n').count();
    let mut last = 1;
    for entry in entries {
        assert!(entry.number > last, "the numbers of lines do not rise");
        last = entry.number;
        // Whatever a record has, it becomes one line of JSON.
        if let Ok(line) = entry.line {
            assert!(serde_json::from_slice::<serde_json::Value>(&line).is_ok(), "no JSON");
            let _ = read_line(&line);
        }
    }
    assert!(last <= lines as u64, "a line behind the end");
});

/// Writes rows with every field quoted, and reads them.
fn assert_reads_back(rows: &[(String, String)]) {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let line = |(name, value): &(String, String)| format!("{},{},,\n", quoted(name), quoted(value));
    let text = HEADER.to_owned() + &rows.iter().map(line).collect::<String>();
    // JSON may need six bytes for one, and a line has at most 64 KiB.
    if rows.is_empty() || text.len() > 8 * 1024 {
        return;
    }
    let entries = read_entries("csv", text.as_bytes()).expect("written rows");
    assert_eq!(entries.len(), rows.len(), "other rows");
    for (entry, (name, value)) in entries.iter().zip(rows) {
        let line = match &entry.line {
            // A value that is, or may be, a hash.
            Err(message) if message.starts_with("value: ") => continue,
            line => line.as_ref().expect("a written row"),
        };
        let line: serde_json::Value = serde_json::from_slice(line).expect("JSON");
        assert_eq!(line["login_name"], *name, "another name");
        let read = line["credentials"][0]["value"].as_str().unwrap_or_default();
        assert_eq!(read, value, "another value");
    }
}
