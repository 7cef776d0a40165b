//! The navigation of signed-in users: the menu of every page, and the tabs of a section. A new page
//! is one line of a table here. Hiding an entry is no protection: the use case checks rights.

use crate::domain::principal::Principal;

/// An entry of the menu or a tab.
struct Entry {
    path: &'static str,
    /// The key of its text.
    key: &'static str,
    is_for: fn(&Principal) -> bool,
}

/// The menu, in order.
const MENU: [Entry; 6] = [
    Entry { path: "/account", key: "page-nav-account", is_for: |_| true },
    Entry { path: "/admin/users", key: "page-nav-users", is_for: Principal::may_read_users },
    Entry {
        path: "/admin/audit",
        key: "page-nav-audit",
        is_for: |principal| principal.may_read_audit_events_of(None),
    },
    Entry {
        path: "/admin/activity",
        key: "page-nav-activity",
        is_for: Principal::may_read_activity,
    },
    Entry {
        path: "/admin/import",
        key: "page-nav-import",
        is_for: Principal::may_administer_users,
    },
    Entry { path: "/docs", key: "page-nav-docs", is_for: |_| true },
];

/// The tabs of imports and exports, in order.
const TRANSFERS: [Entry; 2] = [
    Entry {
        path: "/admin/import",
        key: "page-nav-import",
        is_for: Principal::may_administer_users,
    },
    Entry {
        path: "/admin/export",
        key: "page-nav-export",
        is_for: Principal::may_administer_users,
    },
];

/// The tabs of the pages under `/account`, in order.
const ACCOUNT: [Entry; 4] = [
    Entry { path: "/account", key: "page-nav-overview", is_for: |_| true },
    Entry { path: "/account/change-password", key: "page-nav-password", is_for: |_| true },
    Entry { path: "/account/sessions", key: "page-nav-sessions", is_for: |_| true },
    Entry {
        path: "/account/events",
        key: "page-nav-events",
        is_for: |principal| principal.may_read_audit_events_of(Some(principal.user_id())),
    },
];

/// The tabs of each section, by the path that its pages start with.
const SECTIONS: [(&str, &[Entry]); 3] =
    [("/account", &ACCOUNT), ("/admin/import", &TRANSFERS), ("/admin/export", &TRANSFERS)];

/// A link of the navigation.
pub(in crate::http) struct Link {
    /// The path below the base path.
    pub(super) path: &'static str,
    /// The key of its text.
    pub(super) key: &'static str,
    pub(super) is_current: bool,
}

/// The menu of a user on the page with that path.
pub(super) fn menu(principal: &Principal, path: &str) -> Vec<Link> {
    links(&MENU, principal, path)
}

/// The tabs of the section of the page with that path.
pub(super) fn tabs(principal: &Principal, path: &str) -> Vec<Link> {
    let section = SECTIONS.iter().find(|(root, _)| is_at_or_below(path, root));
    section.map(|(_, entries)| links(entries, principal, path)).unwrap_or_default()
}

fn links(entries: &'static [Entry], principal: &Principal, path: &str) -> Vec<Link> {
    // The longest match: the overview of a section is above its other pages.
    let current = entries.iter().map(|entry| entry.path).filter(|root| is_at_or_below(path, root));
    let current = current.max_by_key(|root| root.len());
    let shown = entries.iter().filter(|entry| (entry.is_for)(principal));
    let link = |entry: &Entry| Link {
        path: entry.path,
        key: entry.key,
        is_current: current == Some(entry.path),
    };
    shown.map(link).collect()
}

fn is_at_or_below(path: &str, root: &str) -> bool {
    path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
