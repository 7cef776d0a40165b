//! Settings in environment variables: every setting with any text.
#![no_main]

use std::{collections::HashMap, sync::LazyLock};

use arbitrary::Arbitrary;
use credential_keeper::fuzz_support::{effective, setting_names};
use credential_keeper_fuzz::{Limits, shows, within};
use libfuzzer_sys::fuzz_target;

/// The defaults are merged into every file.
const LIMITS: Limits = Limits { bytes_in_all: 8 * 1024 * 1024, ..Limits::PARSER };

/// Values in messages, which name settings and their sections, too.
const SAMPLES: [&str; 2] = ["https://app.example", "127.0.0.1:8080"];

static NAMES: LazyLock<Vec<String>> = LazyLock::new(setting_names);

#[derive(Debug, Arbitrary)]
struct Case<'data> {
    known: Vec<(u8, &'data str)>,
    unknown: Option<(&'data str, &'data str)>,
}

fuzz_target!(|case: Case<'_>| {
    let mut variables = HashMap::new();
    for (index, value) in case.known.iter().take(8) {
        let name = NAMES[usize::from(*index) % NAMES.len()].to_uppercase().replace('.', "__");
        variables.insert(format!("KEEPER__{name}"), (*value).to_owned());
    }
    if let Some((name, value)) = case.unknown {
        variables.insert(format!("KEEPER_{name}"), value.to_owned());
    }
    let length = variables.iter().map(|(name, value)| name.len() + value.len()).sum();
    let read = within(LIMITS, length, || effective(None, variables.clone()));
    let Err(problems) = read else { return };
    for problem in &problems.0 {
        let hide = |reason: String, sample: &str| reason.replace(sample, "");
        let names = NAMES.iter().flat_map(|name| {
            let section = name.rsplit_once('.').map(|(section, _)| section);
            [Some(name.as_str()), section].into_iter().flatten()
        });
        let reason = SAMPLES.into_iter().chain(names).fold(problem.reason.clone(), hide);
        assert!(!problem.setting.is_empty() && !problem.reason.is_empty(), "{problem}");
        for word in variables.values().flat_map(|value| value.split_whitespace()) {
            // A word of letters only may be one of the message.
            let is_special =
                word.contains(|c: char| !c.is_ascii_alphabetic() && !"_.,-".contains(c));
            let is_shown = is_special && shows(&reason, word.as_bytes());
            assert!(!is_shown, "{} shows its value: {}", problem.setting, problem.reason);
        }
    }
});
