//! The target of a request: the user id of its query, and the path in its normalized form.
#![no_main]

use credential_keeper::fuzz_support::target;
use credential_keeper_fuzz::{Limits, within};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Some((user_id, folded)) = within(Limits::PARSER, text.len(), || target(text)) else {
        return;
    };
    if let Ok(user_id) = user_id {
        assert!(user_id > 0, "an invalid user id");
    }
    let (_, again) = target(&folded).expect("a normalized target is a target");
    // One slash is removed each time; the form is stable without a slash at the end.
    let path = folded.split('?').next().unwrap_or_default();
    if path.len() < 2 || !path.ends_with('/') {
        assert_eq!(again, folded, "the form is not stable");
    }
    let query = |text: &str| text.split_once('?').map(|(_, query)| query.to_owned());
    let without_fragment = text.split('#').next().unwrap_or_default();
    assert_eq!(query(&folded), query(without_fragment), "the query changed");
});
