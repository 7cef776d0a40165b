//! Exports of other systems: each entry becomes a line, or a reason that shows no value.
#![no_main]

use credential_keeper::fuzz_support::{FORMATS, read_entries, read_line};
use credential_keeper_fuzz::{Limits, within};
use libfuzzer_sys::fuzz_target;

/// A reader has buffers of 64 KiB.
const LIMITS: Limits = Limits { bytes_in_all: 1024 * 1024, ..Limits::PARSER };

fuzz_target!(|input: (u8, &[u8])| {
    let (format, text) = input;
    let format = FORMATS[usize::from(format) % FORMATS.len()];
    let read = within(LIMITS, text.len(), || read_entries(format, text));
    assert_eq!(read, read_entries(format, text), "the second reading differs");
    let Ok(entries) = read else { return };
    let mut last = 0;
    for entry in entries {
        assert!(entry.number > last, "the numbers of entries do not rise");
        last = entry.number;
        if let Ok(line) = entry.line {
            let value: serde_json::Value = serde_json::from_slice(&line).expect("JSON");
            if format != "csv" {
                assert!(value.get("administrator").is_none(), "an export grants rights");
            }
            let _ = read_line(&line);
        }
    }
});
