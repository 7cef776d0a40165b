//! The list of the vendor's calls in the reference names exactly the calls that are served.

use std::{collections::BTreeMap, fs, path::Path};

use credential_keeper::describe_routes;

use super::agent;

const LIST: &str = "docs/reference/agent-calls.md";

/// The number of calls of the vendor's User agent.
const CALLS: usize = 96;

/// The calls of the list with their status, in its order.
fn listed() -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(LIST);
    let text = fs::read_to_string(path).unwrap();
    let row = |line: &str| {
        let (name, status) = line.strip_prefix("| `")?.split_once("` | ")?;
        Some((name.to_owned(), status.strip_suffix(" |")?.to_owned()))
    };
    text.lines().filter_map(row).collect()
}

#[test]
fn every_call_of_the_vendor_is_listed_once_with_its_status() {
    let listed = listed();
    let names: Vec<_> = listed.iter().map(|(name, _)| name).collect();
    assert!(names.is_sorted(), "{LIST} is not sorted");
    let statuses: BTreeMap<_, _> = listed.iter().cloned().collect();
    assert_eq!((listed.len(), statuses.len()), (CALLS, CALLS));
    let prefix = agent("");
    let routes = describe_routes();
    let served: Vec<_> =
        routes.iter().filter_map(|route| route.path.strip_prefix(prefix.as_str())).collect();
    for name in &served {
        let status = statuses.get(*name).unwrap_or_else(|| panic!("{name} is missing in {LIST}"));
        assert_eq!(status, "served", "{name}");
    }
    for (name, status) in statuses {
        let is_served = served.contains(&name.as_str());
        let is_outside = status.starts_with("outside: ");
        assert!(is_served || is_outside, "{LIST} says that {name} is {status}");
    }
}
