//! Tickets, session cookies and XSRF tokens that differ slightly from issued ones: every text but the
//! issued one is refused or is another secret.
#![no_main]

use std::sync::LazyLock;

use arbitrary::Arbitrary;
use credential_keeper::fuzz_support::{Signing, issue, read_session, read_ticket};
use credential_keeper_fuzz::InputFile;
use libfuzzer_sys::fuzz_target;
use secrecy::{ExposeSecret, SecretString};

/// A keyring with one key.
const KEYRING: &[u8] = br#"{"keys":[{"id":"new","state":"writing","secret":"AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="}]}"#;

static SIGNING: LazyLock<Option<Signing>> =
    LazyLock::new(|| Signing::load(InputFile::new("keyring", KEYRING).path()));

#[derive(Debug, Arbitrary)]
struct Case<'data> {
    user_id: i32,
    edits: [Option<Edit>; 4],
    /// A text that was not issued.
    text: &'data str,
}

/// A change of one character.
#[derive(Debug, Clone, Copy, Arbitrary)]
struct Edit {
    place: u8,
    kind: Kind,
    with: char,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Kind {
    Replace,
    Insert,
    Remove,
    Truncate,
}

fuzz_target!(|case: Case<'_>| {
    let edit = |text: &SecretString| SecretString::from(edited(text.expose_secret(), &case.edits));
    let text = SecretString::from(case.text);
    assert_canonical(read_ticket(&text), case.text.len());
    let _ = read_session(&text);
    let Some((ticket, session)) = issue(case.user_id) else {
        assert!(case.user_id <= 0, "no ticket for a valid id");
        return;
    };
    for (issued, read) in [(ticket, read_ticket as Read), (session, read_session as Read)] {
        let original = read(&issued).expect("an issued text is read");
        assert_eq!(original.0, case.user_id);
        let other = edit(&issued);
        let is_same = other.expose_secret() == issued.expose_secret();
        let has_same_digest = read(&other).is_some_and(|(_, digest)| digest == original.1);
        assert_eq!(has_same_digest, is_same, "two texts of one secret");
    }
    let signing = SIGNING.as_ref().expect("a keyring");
    let xsrf = signing.new_xsrf(b"session").expect("a token");
    let other = edit(&xsrf);
    let is_same = other.expose_secret() == xsrf.expose_secret();
    assert_eq!(signing.is_xsrf(b"session", &other), is_same, "two texts of one XSRF token");
    assert!(!signing.is_xsrf(b"another", &xsrf), "a token of another session");
    // libFuzzer copies the operands of the comparison above into its inputs, so `text` may be a token
    // of the session, but never of one without a token.
    assert!(!signing.is_xsrf(b"without a token", &text), "a forged XSRF token");
});

/// Reads the user and the digest of a text.
type Read = fn(&SecretString) -> Option<(i32, Vec<u8>)>;

/// A ticket has a GUID and a user id in UTF-16 and Base64.
fn assert_canonical(read: Option<(i32, Vec<u8>)>, length: usize) {
    let Some((user_id, _)) = read else { return };
    let characters = 36 + 1 + user_id.to_string().len();
    assert_eq!(length, "7T:".len() + (2 * characters).div_ceil(3) * 4, "not the canonical text");
}

fn edited(text: &str, edits: &[Option<Edit>]) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for Edit { place, kind, with } in edits.iter().flatten() {
        let place = usize::from(*place) % characters.len().max(1);
        match kind {
            Kind::Replace => characters.iter_mut().skip(place).take(1).for_each(|c| *c = *with),
            Kind::Insert => characters.insert(place, *with),
            Kind::Remove if !characters.is_empty() => drop(characters.remove(place)),
            Kind::Remove => {}
            Kind::Truncate => characters.truncate(place),
        }
    }
    characters.into_iter().collect()
}
