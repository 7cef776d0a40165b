//! Patterns of the web origins (RFC 6454) that may call the API.

use super::host_name::is_host_name;

/// An origin, or a pattern of origins: `*` for all, `https://*.example` for subdomains,
/// `http://localhost:*` (the vendor's documents also write `http://localhost*`) for any port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OriginPattern {
    /// `None`: every origin.
    parts: Option<Parts>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Parts {
    scheme: String,
    host: String,
    with_subdomains: bool,
    /// `None`: any.
    port: Option<String>,
}

impl OriginPattern {
    /// Parses a pattern; `None` when it is invalid.
    pub(crate) fn parse(pattern: &str) -> Option<Self> {
        if pattern == "*" {
            return Some(Self { parts: None });
        }
        let pattern = pattern.to_ascii_lowercase();
        let (scheme, authority) = pattern.split_once("://")?;
        let (authority, any_port) = match authority.strip_suffix('*') {
            Some(rest) => (rest.strip_suffix(':').unwrap_or(rest), true),
            None => (authority, false),
        };
        let (authority, with_subdomains) = match authority.strip_prefix("*.") {
            Some(rest) => (rest, true),
            None => (authority, false),
        };
        let (host, port) = split_port(authority);
        // Browsers omit the default port of the scheme.
        let is_default = matches!((scheme, port), ("http", "80") | ("https", "443"));
        let port = if is_default { "" } else { port };
        let is_port = port.is_empty() || port.parse::<u16>().is_ok_and(|port| port > 0);
        let is_valid = matches!(scheme, "http" | "https")
            && is_host_name(host)
            && is_port
            && (port.is_empty() || !any_port);
        let port = if any_port { None } else { Some(port.to_owned()) };
        let parts =
            Parts { scheme: scheme.to_owned(), host: host.to_owned(), with_subdomains, port };
        is_valid.then_some(Self { parts: Some(parts) })
    }

    /// True when the origin matches.
    pub(crate) fn matches(&self, origin: &str) -> bool {
        let Some(parts) = &self.parts else { return true };
        let origin = origin.to_ascii_lowercase();
        let Some((scheme, authority)) = origin.split_once("://") else { return false };
        let (host, port) = split_port(authority);
        let is_own_host = if parts.with_subdomains {
            host.strip_suffix(parts.host.as_str()).is_some_and(|front| front.ends_with('.'))
        } else {
            host == parts.host
        };
        scheme == parts.scheme && is_own_host && parts.port.as_deref().is_none_or(|own| own == port)
    }
}

/// Host and port; an IPv6 address keeps its brackets.
fn split_port(authority: &str) -> (&str, &str) {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, port),
        _ => (authority, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::OriginPattern;

    #[test]
    fn a_pattern_matches_its_origins_and_no_others() {
        for (pattern, origin, matches) in [
            ("*", "https://any.example", true),
            ("https://app.example", "https://app.example", true),
            ("https://App.example", "https://app.EXAMPLE", true),
            ("https://app.example", "http://app.example", false),
            ("https://app.example", "https://app.example:8443", false),
            ("https://app.example", "https://app.example.evil", false),
            ("https://app.example", "null", false),
            // U+212A, the Kelvin sign, is not a spelling of k.
            ("https://keeper.example", "https://\u{212a}eeper.example", false),
            ("https://app.example:8443", "https://app.example:8443", true),
            ("https://app.example:443", "https://app.example", true),
            ("http://localhost*", "http://localhost", true),
            ("http://localhost*", "http://localhost:9999", true),
            ("http://localhost:*", "http://localhost:9999", true),
            ("http://localhost*", "http://localhost.evil.example", false),
            ("http://localhost*", "http://localhost:9999.evil.example", false),
            ("http://[::1]:*", "http://[::1]:8080", true),
            ("https://*.example", "https://a.b.example", true),
            ("https://*.example", "https://example", false),
            ("https://*.example", "https://evilexample", false),
            ("https://*.example:*", "https://a.example:1", true),
        ] {
            let parsed = OriginPattern::parse(pattern).unwrap();
            assert_eq!(parsed.matches(origin), matches, "{pattern} {origin}");
        }
    }

    #[test]
    fn an_invalid_origin_is_refused() {
        for pattern in [
            "",
            "app.example",
            "https://",
            "https://a/b",
            "ftp://a",
            "https://a*b",
            "https://**",
            "https://a:1*",
            "https://a,https://b",
            "https://a:99999",
            "https://a:0",
            "https://a:b:1",
            "https://[::1",
            "https://bücher.example",
            "https://\u{212a}eeper.example",
            "https://user@a.example",
        ] {
            assert_eq!(OriginPattern::parse(pattern), None, "{pattern}");
        }
    }
}
