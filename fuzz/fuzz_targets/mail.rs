//! What a mail server replies before TLS, and what users and settings have: e-mail addresses and URLs
//! of mail servers.
#![no_main]

use arbitrary::Arbitrary;
use credential_keeper::fuzz_support::{mail_address, smtp_reply, smtp_server};
use credential_keeper_fuzz::{Limits, within};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
enum Case<'data> {
    Reply(&'data str),
    Address(&'data str),
    Server { url: &'data str, starts_tls: bool },
}

fuzz_target!(|case: Case<'_>| match case {
    Case::Reply(text) => {
        let read = within(Limits::PARSER, text.len(), || smtp_reply(text));
        let Some(Ok(lines)) = read else { return };
        assert_eq!(lines, text.matches('\n').count(), "lines that are not of the reply: {text:?}");
        // Nothing may follow a reply.
        assert!(!matches!(smtp_reply(&format!("{text}250 OK\r\n")), Some(Ok(_))), "{text:?}");
    }
    Case::Address(text) => {
        let Some(address) = within(Limits::PARSER, text.len(), || mail_address(text)) else {
            return;
        };
        let is_forbidden =
            |c: char| c.is_control() || c.is_whitespace() || "<>,;:\"\\()[]".contains(c);
        assert!(!address.contains(is_forbidden), "{address:?}");
        assert_eq!(address.matches('@').count(), 1, "{address:?}");
        assert!(address.rsplit('@').next().is_some_and(str::is_ascii), "{address:?}");
        assert_eq!(mail_address(&address).as_ref(), Some(&address), "it is read differently again");
    }
    Case::Server { url, starts_tls } => {
        let read = within(Limits::PARSER, url.len(), || smtp_server(url, starts_tls));
        let Some((host, _, _)) = read else { return };
        assert!(
            !host.contains(|c: char| c.is_control() || c.is_whitespace() || "@/".contains(c)),
            "{host:?}"
        );
    }
});
