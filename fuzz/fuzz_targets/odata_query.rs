//! The query string of the list of users: `$filter`, `$orderby`, paging, and the next page.
#![no_main]

use credential_keeper::fuzz_support::{ListQuery, list_query};
use credential_keeper_fuzz::{Limits, within};
use libfuzzer_sys::fuzz_target;

/// The longest request target, in bytes.
const MAXIMUM_QUERY: usize = 8 * 1024;

/// The fields that an error can name.
const FIELDS: &[&str] =
    &["$select", "$filter", "$orderby", "$top", "$skip", "$skiptoken", "$format", "query string"];

// Loads the texts of errors, which stay.
fn prepare() {
    drop(list_query("$top=none", 1, "ada"));
}

fuzz_target!(init: prepare(), |input: (u32, &str, &str, &str)| {
    let (id, name, quoted, query) = input;
    if query.len() + quoted.len() > MAXIMUM_QUERY {
        return;
    }
    check(query, id, name);
    // A filter with any text in quotes, which random bytes do not find.
    let text = quoted.replace('\'', "''");
    let encoded: Vec<_> = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let encoded = encoded.concat();
    check(&format!("$filter=name eq '{encoded}'&{query}"), id, name);
    check(&format!("$filter=startswith(name,'{encoded}')+and+retired+eq+true&{query}"), id, name);
});

fn check(query: &str, id: u32, name: &str) {
    match within(Limits::PARSER, query.len(), || list_query(query, id, name)) {
        Err((text, field)) => {
            assert!(FIELDS.contains(&field.as_str()), "an error of {field}: {text}");
            let length = text.chars().count();
            assert!(length < 300, "an error that may repeat its value: {text}");
        }
        Ok(read) => {
            assert!((1..=1_000).contains(&read.top) && read.skip <= 10_000);
            assert_continues(&read, id, name);
        }
    }
}

/// Asserts that the next page has the same conditions, and the position of the user.
fn assert_continues(read: &ListQuery, id: u32, name: &str) {
    let next = list_query(&read.next, id, name);
    let next = next.unwrap_or_else(|error| panic!("{error:?} about {}", read.next));
    assert_eq!((next.top, next.skip), (read.top, 0));
    assert_eq!((&next.names, &next.others), (&read.names, &read.others));
    assert_eq!(next.order, read.next_order);
    assert_eq!(next.next, read.next, "the next page of the next page");
}
