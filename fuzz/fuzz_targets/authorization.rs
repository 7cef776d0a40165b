//! The `Authorization` header: Basic, SoTicket and Bearer. Several lines are repeated headers.
#![no_main]

use base64::{Engine, engine::general_purpose::STANDARD};
use credential_keeper::fuzz_support::{Presented, credential, read_ticket};
use credential_keeper_fuzz::{Limits, assert_hides, within};
use libfuzzer_sys::fuzz_target;
use secrecy::ExposeSecret;

fuzz_target!(|input: &[u8]| {
    // A line with another byte never reaches the service.
    let is_value = |line: &&[u8]| line.iter().all(|b| *b == b'\t' || (*b >= b' ' && *b != 0x7f));
    let values = input.split(|byte| *byte == b'\n').filter(is_value);
    let lines: Vec<_> = values.map(|value| ("authorization", value)).collect();
    let read = within(Limits::PARSER, input.len(), || credential(&lines));
    match (read, lines.as_slice()) {
        (Err(message), _) => assert_hides(&message, input),
        (Ok(presented), [(_, value)]) => assert_is(&presented, &credentials(value)),
        (Ok(_), _) => panic!("a repeated header was read"),
    }
});

/// The credentials behind the scheme in a header value.
fn credentials(value: &[u8]) -> String {
    let text = std::str::from_utf8(value).unwrap_or_default();
    text.split_once(' ').map_or("", |(_, rest)| rest).trim_matches(' ').to_owned()
}

fn assert_is(presented: &Presented, credentials: &str) {
    match presented {
        Presented::Password { name, password } => {
            assert!(!name.contains(':'), "a name with a colon");
            let pair = format!("{name}:{}", password.expose_secret());
            assert_eq!(STANDARD.encode(pair), credentials, "not the canonical Base64");
        }
        Presented::Ticket(ticket) => {
            let basic = STANDARD.encode(format!("{}:", ticket.expose_secret()));
            let is_presented = ticket.expose_secret() == credentials || basic == credentials;
            assert!(is_presented, "another ticket");
            let _ = read_ticket(ticket);
        }
        Presented::Token(token) => assert_eq!(token.expose_secret(), credentials, "another token"),
        Presented::Session { .. } => panic!("a session from the Authorization header"),
    }
}
