//! The configuration that the documentation shows.

use std::fs;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/how-to/fail-over.md");

/// The URL with several hosts. The servers of the tests have no certificates.
pub(crate) fn several_hosts() -> String {
    let settings = block("keeper.toml");
    let (_, after) = settings.split_once('@').expect("a URL");
    let (hosts, _) = after.split_once('/').expect("a database");
    format!("postgres://keeper@{hosts}/postgres?sslmode=disable")
}

/// The block that the reader saves as `name`.
pub(crate) fn block(name: &str) -> String {
    let document = fs::read_to_string(DOCUMENT).unwrap();
    let (_, after) = document
        .split_once(&format!("<!-- file: {name} -->\n```"))
        .unwrap_or_else(|| panic!("no block {name} in {DOCUMENT}"));
    let (_, block) = after.split_once('\n').unwrap();
    block.split("```").next().unwrap().to_owned()
}
