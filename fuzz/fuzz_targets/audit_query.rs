//! The query string of the list of audit events: filter, paging, and the next page.
#![no_main]

use credential_keeper::fuzz_support::audit_query;
use credential_keeper_fuzz::{Limits, within};
use libfuzzer_sys::fuzz_target;

/// The longest request target, in bytes.
const MAXIMUM_QUERY: usize = 8 * 1024;

/// The fields that an error can name.
const FIELDS: &[&str] =
    &["user", "kind", "actor", "since", "until", "$top", "$skiptoken", "query string"];

// Loads the texts of errors, which stay.
fn prepare() {
    drop(audit_query("$top=none"));
}

fuzz_target!(init: prepare(), |query: &str| {
    if query.len() > MAXIMUM_QUERY {
        return;
    }
    match within(Limits::PARSER, query.len(), || audit_query(query)) {
        Err((text, field)) => {
            assert!(FIELDS.contains(&field.as_str()), "an error of {field}: {text}");
            let length = text.chars().count();
            assert!(length < 300, "an error that may repeat its value: {text}");
        }
        Ok(read) => {
            assert!((1..=1_000).contains(&read.top));
            if !read.next.is_empty() {
                let next = audit_query(&read.next);
                let next = next.unwrap_or_else(|error| panic!("{error:?} about {}", read.next));
                assert_eq!((next.top, &next.filter), (read.top, &read.filter));
                assert_eq!((&next.after, &next.next), (&read.after, &read.next));
            }
        }
    }
});
