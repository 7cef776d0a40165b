//! The file of the settings. What `config check --show` writes is a file with the same settings.
#![no_main]

use std::collections::HashMap;

use credential_keeper::fuzz_support::effective;
use credential_keeper_fuzz::{InputFile, Limits, within};
use libfuzzer_sys::fuzz_target;

/// The defaults are merged into every file.
const LIMITS: Limits = Limits { bytes_in_all: 8 * 1024 * 1024, ..Limits::PARSER };

fuzz_target!(|text: &[u8]| {
    let file = InputFile::new("settings", text);
    let read = within(LIMITS, text.len(), || effective(Some(file.path()), HashMap::new()));
    match read {
        Err(problems) => {
            assert!(!problems.0.is_empty(), "refused without a reason");
            for problem in &problems.0 {
                assert!(!problem.setting.is_empty() && !problem.reason.is_empty(), "{problem}");
            }
        }
        // A URL that cannot be redacted is left out.
        Ok(shown) if shown.contains("is invalid and not shown") => {}
        Ok(shown) => {
            let shown_file = InputFile::new("shown", shown.as_bytes());
            match effective(Some(shown_file.path()), HashMap::new()) {
                Ok(again) => assert_eq!(again, shown, "the shown settings are not stable"),
                Err(problems) => {
                    // The first line of the text names the replacement.
                    let is_redacted = shown.matches("redacted").count() > 1;
                    assert!(is_redacted, "the shown settings are refused: {problems}");
                }
            }
        }
    }
});
