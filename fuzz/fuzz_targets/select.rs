//! `$select` of a query string, applied to an object with lists and objects in it.
#![no_main]

use credential_keeper_fuzz::{Limits, within};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use wire_formats::Selection;

/// The longest request target, in bytes.
const MAXIMUM_QUERY: usize = 8 * 1024;

fuzz_target!(|query: &str| {
    if query.len() > MAXIMUM_QUERY {
        return;
    }
    let selection = within(Limits::PARSER, query.len(), || Selection::from_query(query));
    let whole = carrier();
    let mut selected = whole.clone();
    within(Limits::PARSER, query.len(), || selection.apply(&mut selected));
    assert_is_part(&selected, &whole);
    let mut again = selected.clone();
    selection.apply(&mut again);
    assert_eq!(again, selected, "the second application differs");
    let mut of_upper = whole.clone();
    let upper = query.to_ascii_uppercase();
    // An escape such as %2c is not text, so its letters do not count.
    if !query.contains('%') {
        Selection::from_query(&upper).apply(&mut of_upper);
        assert_eq!(of_upper, selected, "the letter case matters");
    }
});

fn carrier() -> Value {
    json!({
        "Name": "n",
        "a": 1,
        "Type": { "Id": 1, "Type": { "Id": 2, "Name": "inner" } },
        "Items": [{ "Id": 1, "Name": "one" }, null, { "Id": 2, "a": [true] }],
    })
}

/// Checks that every value is that of the whole, or null.
fn assert_is_part(part: &Value, whole: &Value) {
    match (part, whole) {
        (Value::Null, _) => {}
        (Value::Object(part), Value::Object(whole)) => {
            assert!(part.keys().eq(whole.keys()), "a member is missing");
            part.values().zip(whole.values()).for_each(|(part, whole)| assert_is_part(part, whole));
        }
        (Value::Array(part), Value::Array(whole)) => {
            assert_eq!(part.len(), whole.len());
            part.iter().zip(whole).for_each(|(part, whole)| assert_is_part(part, whole));
        }
        (part, whole) => assert_eq!(part, whole, "a value was changed"),
    }
}
