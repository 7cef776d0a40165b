//! The list of hosts in a database URL, as in `postgres://user@a:5432,[2001:db8::1]:5433/database`.
//!
//! A list is no valid authority of a URL (RFC 3986), so a URL parser sees one host at a time.

use zeroize::Zeroizing;

/// A database URL, divided at its hosts.
pub(crate) struct HostList<'url> {
    before: &'url str,
    hosts: &'url str,
    after: &'url str,
}

impl<'url> HostList<'url> {
    /// Finds the hosts in a URL: what follows the last `@` of the authority, or the authority.
    /// `None` for a text without an authority.
    pub(crate) fn find(url: &'url str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, after) = rest.split_at_checked(end)?;
        let start = authority.rfind('@').map_or(0, |at| at + 1);
        let (_, hosts) = authority.split_at_checked(start)?;
        let (before, _) = url.split_at_checked(scheme.len() + "://".len() + start)?;
        Some(Self { before, hosts, after })
    }

    /// True when there are several hosts.
    pub(crate) fn is_several(&self) -> bool {
        self.hosts.contains(',')
    }

    /// The hosts, each with its port if it has one.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = &'url str> {
        self.hosts.split(',')
    }

    /// The URL with this host in place of the list.
    pub(crate) fn with_host(&self, host: &str) -> Zeroizing<String> {
        let Self { before, after, .. } = self;
        Zeroizing::new(format!("{before}{host}{after}"))
    }
}

/// Changes a URL with several hosts by a function that accepts one host. `None` when the function
/// does.
pub(crate) fn change_with_one_host<T>(
    url: &str,
    change: impl FnOnce(&str) -> Option<(String, T)>,
) -> Option<(String, T)> {
    let Some(list) = HostList::find(url).filter(HostList::is_several) else { return change(url) };
    let (changed, other) = change(&list.with_host("host"))?;
    let restored = HostList::find(&changed)?.with_host(list.hosts);
    Some((restored.to_string(), other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(url: &str) -> Vec<&str> {
        HostList::find(url).unwrap().hosts().collect()
    }

    #[test]
    fn hosts_are_found_between_the_user_and_the_path() {
        assert_eq!(
            hosts("postgres://u:a,b@h1:5432,[::1]:2,h2/d?x=a,b"),
            ["h1:5432", "[::1]:2", "h2"]
        );
        assert_eq!(hosts("postgres://h1,h2"), ["h1", "h2"]);
        assert_eq!(hosts("postgres:///d?host=/run"), [""]);
        assert!(HostList::find("nonsense").is_none());
        assert!(!HostList::find("postgres://u:a,b@h/d").unwrap().is_several());
    }

    #[test]
    fn a_url_with_several_hosts_is_changed_outside_of_them() {
        let changed = change_with_one_host("postgres://u:p@a:1,[::1]:2/d", |url| {
            Some((url.replace(":p@", ":x@"), ()))
        });
        assert_eq!(changed.unwrap().0, "postgres://u:x@a:1,[::1]:2/d");
    }
}
