//! Bounds of numbers.

use std::collections::HashMap;

use super::{Settings, describe_settings};

/// Numbers that only limit a count, so that no value takes memory.
const UNBOUNDED: [&str; 4] = [
    "attempts.before_delay",
    "attempts.maximum_per_address",
    "audit.maximum_undelivered",
    "tickets.maximum_per_user",
];

#[test]
fn no_number_can_end_the_process() {
    let mut count = 0;
    for setting in describe_settings() {
        // `every_duration_has_an_upper_bound` checks durations.
        if setting.value_type != "integer" || setting.name.ends_with("_seconds") {
            continue;
        }
        let name = setting.full_name();
        let variables = HashMap::from([(setting.variable(), u32::MAX.to_string())]);
        let problems = Settings::read(None, variables).err().map(|problems| problems.0);
        let problems = problems.unwrap_or_default();
        // The parameters of a new hash are checked together.
        let names = [&name, &setting.section];
        let is_refused = problems.iter().any(|problem| names.contains(&&problem.setting));
        assert_eq!(is_refused, !UNBOUNDED.contains(&name.as_str()), "{name}: {problems:?}");
        count += 1;
    }
    assert!(count > 15, "{count}");
}

#[test]
fn the_bounds_of_memory_and_connections_are_accepted() {
    for (setting, least, most) in [
        ("HASHING__MAXIMUM_MEMORY_KIB", "0", "4194304"),
        ("HASHING__THREADS", "0", "1024"),
        ("DATABASE__MAXIMUM_CONNECTIONS", "1", "10000"),
    ] {
        for value in [least, most] {
            let variable = (format!("KEEPER__{setting}"), value.to_owned());
            Settings::read(None, HashMap::from([variable])).unwrap();
        }
        let beyond = (most.parse::<u32>().unwrap() + 1).to_string();
        let variable = (format!("KEEPER__{setting}"), beyond);
        Settings::read(None, HashMap::from([variable])).unwrap_err();
    }
}
