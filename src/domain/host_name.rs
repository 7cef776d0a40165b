//! Host names in the headers `Host` and `Origin`.

use url::Host;

/// The longest host name (RFC 1035).
const MAXIMUM_LENGTH: usize = 253;

/// True for a host as clients send it, in any case and without a port: an ASCII name (international
/// names in `xn--` form), a full IPv4 address, or an IPv6 address in brackets.
pub(crate) fn is_host_name(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._[:]".contains(c);
    let has_no_empty_label = !lower.trim_end_matches('.').split('.').any(str::is_empty);
    lower.len() <= MAXIMUM_LENGTH
        && lower.chars().all(is_plain)
        && has_no_empty_label
        && Host::parse(&lower).is_ok_and(|host| host.to_string() == lower)
}

#[cfg(test)]
mod tests {
    use super::is_host_name;

    #[test]
    fn hosts_as_clients_send_them_are_accepted_and_others_refused() {
        for host in [
            "localhost",
            "keeper.example",
            "Keeper.Example",
            "a-b.c_d.example",
            "xn--bcher-kva.example",
            "127.0.0.1",
            "[::1]",
            "[2001:DB8::1]",
        ] {
            assert!(is_host_name(host), "{host}");
        }
        for text in [
            "",
            ".",
            "a..b",
            "a.example,b.example",
            "https://a.example",
            "a.example:443",
            "[::1]:80",
            "a.example/path",
            "*.example",
            "*",
            "a b",
            "user@a.example",
            "bücher.example",
            "::1",
            "[0:0:0:0:0:0:0:1]",
            "[fe80::1%25eth0]",
            "127.1",
            "0x7f.0.0.1",
            "256.0.0.1",
            &"a".repeat(254),
        ] {
            assert!(!is_host_name(text), "{text}");
        }
    }
}
