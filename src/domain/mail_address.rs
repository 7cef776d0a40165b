//! E-mail addresses: of users, and the one that mails are sent from.

use url::Host;

/// The longest address and local part (RFC 5321, 4.5.3.1), in bytes.
const MAXIMUM_ADDRESS: usize = 254;
const MAXIMUM_LOCAL_PART: usize = 64;

/// An address as SMTP and the headers of a mail write it: a local part without quotes, and a domain
/// with international names in `xn--` form. It cannot contain a line break, a space or a bracket, so
/// nothing that contains one becomes a header or a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MailAddress {
    local_part: String,
    domain: String,
}

impl MailAddress {
    /// Parses an address; `None` for any other text.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (local_part, domain) = text.rsplit_once('@')?;
        let has_valid_length = (1..=MAXIMUM_LOCAL_PART).contains(&local_part.len());
        if !has_valid_length || !local_part.split('.').all(is_atom) {
            return None;
        }
        let domain = parse_domain(domain)?;
        let address = Self { local_part: local_part.to_owned(), domain };
        (address.to_string().len() <= MAXIMUM_ADDRESS).then_some(address)
    }

    /// The part before the last `@`.
    pub(crate) fn local_part(&self) -> &str {
        &self.local_part
    }

    /// The domain, in ASCII.
    pub(crate) fn domain(&self) -> &str {
        &self.domain
    }
}

impl std::fmt::Display for MailAddress {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}@{}", self.local_part, self.domain)
    }
}

/// True for one part of a local part without quotes (RFC 5322, 3.2.3), with letters and digits of any
/// script (RFC 6532).
fn is_atom(text: &str) -> bool {
    let is_allowed = |c: char| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    !text.is_empty() && text.chars().all(is_allowed)
}

/// The domain in ASCII; `None` unless it is a name. An address literal is no address of a person.
fn parse_domain(text: &str) -> Option<String> {
    // The parser of hosts also decodes percent sequences and drops some invisible characters.
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.');
    if !text.chars().all(is_plain) {
        return None;
    }
    let Ok(Host::Domain(domain)) = Host::parse(text) else { return None };
    let has_empty_label = domain.split('.').any(str::is_empty);
    (!has_empty_label).then_some(domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<String> {
        MailAddress::parse(text).map(|address| address.to_string())
    }

    #[test]
    fn addresses_of_people_are_accepted_and_international_domains_are_ascii() {
        for (text, expected) in [
            ("a@b.example", "a@b.example"),
            ("First.Last+tag@Sub.Example.COM", "First.Last+tag@sub.example.com"),
            ("o'neill@example.com", "o'neill@example.com"),
            ("root@localhost", "root@localhost"),
            ("anna@bücher.example", "anna@xn--bcher-kva.example"),
            ("anna@BÜCHER.example", "anna@xn--bcher-kva.example"),
            ("jörg@example.com", "jörg@example.com"),
        ] {
            assert_eq!(parse(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_addresses() {
        let long_domain = format!("a@{}.example", ["b"; 140].join("."));
        for text in [
            "",
            "anna",
            "@example.com",
            "a@",
            "a@b@example.com",
            "a..b@example.com",
            ".a@example.com",
            "a.@example.com",
            "a b@example.com",
            "\"a b\"@example.com",
            "a@example..com",
            "a@.example.com",
            "a@example.com.",
            "a@[192.0.2.1]",
            "a@192.0.2.1",
            "a@127.1",
            "a@exam ple.com",
            "a@exa%6dple.com",
            "a@exam\u{ad}ple.com",
            "a@example.com\r\nBcc: b@example.com",
            "a\r\nBcc:b@example.com",
            "a@example.com>",
            "a<b@example.com",
            "a,b@example.com",
            "a\u{202e}b@example.com",
            "a\0@example.com",
            &format!("{}@example.com", "a".repeat(65)),
            &long_domain,
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
