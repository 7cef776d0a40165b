//! What the end of a session keeps of a form, and the path that it leads back to.
#![no_main]

use credential_keeper::fuzz_support::{Kept, kept_by_login, kept_form};
use credential_keeper_fuzz::{Limits, within};
use libfuzzer_sys::fuzz_target;

/// The first segments of pages.
const ROOTS: [&str; 3] = ["/account", "/admin", "/docs"];

/// Parts of names that are never kept.
const SECRETS: [&str; 4] = ["password", "secret", "token", "credentialvalue"];

fuzz_target!(|input: (&str, &str, &str, &str)| {
    let (page, action, names, fields) = input;
    let length = page.len() + action.len() + names.len() + fields.len();
    let (kept, (returned, hidden)) = within(Limits::PARSER, length, || {
        (kept_form(action, names, fields.as_bytes()), kept_by_login(page, action, fields))
    });
    for path in returned.iter().chain(hidden.iter().map(|(action, _)| action)) {
        assert_leads_nowhere_else(path);
    }
    for form in kept.iter().chain(&hidden) {
        assert_no_secret(form);
        // The login page passes on what it was given.
        let (action, pairs) = form;
        let fields = written(pairs);
        assert_eq!(kept_by_login("", action, &fields).1.as_ref(), Some(form), "another form");
    }
    if let Some((_, pairs)) = &kept {
        let names: Vec<_> = names.split(' ').collect();
        assert!(pairs.iter().all(|(name, _)| names.contains(&name.as_str())), "a field not named");
    }
});

/// Asserts that a browser takes the path for one of this host, below a root of pages.
fn assert_leads_nowhere_else(path: &str) {
    let (plain, _) = path.split_once('?').unwrap_or((path, ""));
    let is_page = ROOTS.iter().any(|root| {
        plain.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    assert!(is_page, "{path}");
    assert!(
        path.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\<>\"#".contains(&byte)),
        "{path}"
    );
    assert!(!plain.contains("//") && plain.split('/').all(|part| !part.starts_with('.')), "{path}");
}

fn assert_no_secret((_, pairs): &Kept) {
    for (name, _) in pairs {
        let lower = name.to_lowercase();
        assert!(!SECRETS.iter().any(|part| lower.contains(part)), "{name}");
        assert!(!["KEEP", "PAGE", "RESUME"].contains(&name.as_str()), "{name}");
    }
}

/// The body of a form with these fields: every byte percent-encoded.
fn written(pairs: &[(String, String)]) -> String {
    let encoded = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let pairs = pairs.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}
