//! The queries of the list of users and of the audit log in the browser: the links of a page lead to
//! its neighbors, with the same filter.
#![no_main]

use credential_keeper::fuzz_support::{UsersPage, audit_page, canonical_name, users_page};
use credential_keeper_fuzz::{Limits, within};
use libfuzzer_sys::fuzz_target;

/// The longest request target, in bytes.
const MAXIMUM_QUERY: usize = 8 * 1024;

/// The fields of the audit log that can be refused.
const FIELDS: [&str; 5] = ["user", "actor", "kind", "since", "until"];

fuzz_target!(|input: (&str, &str, &str)| {
    let (query, name, typed) = input;
    if query.len() > MAXIMUM_QUERY {
        return;
    }
    check_audit(query);
    check_users(query, name);
    // Any text in a field, which random bytes do not find.
    let encoded: String = typed.bytes().map(|byte| format!("%{byte:02x}")).collect();
    check_audit(&format!("user={encoded}&until={encoded}"));
    check_users(&format!("name={encoded}"), name);
});

fn check_audit(query: &str) {
    let (path, refused) = within(Limits::PARSER, query.len(), || audit_page(query));
    assert!(refused.iter().all(|field| FIELDS.contains(&field.as_str())), "{refused:?}");
    let next = path.strip_prefix('?').unwrap_or(&path);
    assert!(next.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>#?".contains(&byte)));
    assert_eq!(audit_page(next), (path.clone(), refused), "another filter");
}

fn check_users(query: &str, name: &str) {
    let (Some(canonical), Ok(page)) = (
        canonical_name(name),
        within(Limits::PARSER, query.len() + name.len(), || users_page(query, name)),
    ) else {
        return;
    };
    assert_leads_to(&page, &page.next, &canonical, false);
    if let Some(previous) = &page.previous {
        assert_leads_to(&page, previous, &canonical, true);
    }
}

fn assert_leads_to(page: &UsersPage, query: &str, name: &str, is_before: bool) {
    assert!(query.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>#?".contains(&byte)));
    let neighbor = users_page(query, name);
    let neighbor = neighbor.unwrap_or_else(|field| panic!("{field} of {query}"));
    assert_eq!(neighbor.conditions, page.conditions, "another filter");
    assert_eq!(neighbor.position.as_deref(), Some(name));
    assert_eq!(neighbor.is_before, is_before);
}
