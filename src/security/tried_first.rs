//! Passwords that are tried first: those of a list of common and breached ones, and those that an
//! estimate says are soon come by. Offline; nothing leaves the process.
//!
//! The list is kept as a binary fuse filter over the first eight bytes of SHA-256: everything on the
//! list is found, and of what is not, one in 65,536 is taken for it.

use std::sync::LazyLock;

use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use xorf::{BinaryFuse16, BinaryFuse16Ref, DmaSerializable, Filter, FilterRef};
use zxcvbn::{Score, zxcvbn};

use crate::domain::{Reason, credential::CredentialValue};

/// Shorter ones of a list are left out: no policy lets them through anyway.
const SHORTEST_LISTED: usize = 8;

/// Code points that are estimated: of more, the estimate takes up to half a second.
const ESTIMATED: usize = 24;

/// What precedes the fingerprints in the file: the filter's own description, filled up so that the
/// fingerprints stand where their type wants them.
const HEAD: usize = 32;

/// Bytes at an address that is a multiple of eight.
#[repr(align(8))]
struct Aligned<T: ?Sized>(T);

/// `script/common-passwords` makes the file.
static FILE: &Aligned<[u8]> = &Aligned(*include_bytes!("../../assets/common-passwords.filter"));

static LISTED: LazyLock<Option<BinaryFuse16Ref<'static>>> = LazyLock::new(|| {
    let (head, fingerprints) = FILE.0.split_at_checked(HEAD)?;
    Some(BinaryFuse16Ref::from_dma(head.get(..BinaryFuse16::DESCRIPTOR_LEN)?, fingerprints))
});

/// Why a password is among the first that anybody tries, if it is. `words` are those of the user and
/// of the service.
pub(crate) fn reasons(password: &CredentialValue, words: &[String]) -> Vec<Reason> {
    let is_listed = LISTED.as_ref().is_none_or(|listed| listed.contains(&key(&password.folded())));
    let is_guessable = is_guessable(password.secret().expose_secret(), words);
    [(is_listed, Reason::CommonPassword), (is_guessable, Reason::Guessable)]
        .into_iter()
        .filter_map(|(is, reason)| is.then_some(reason))
        .collect()
}

/// True when the estimate finds it soon: its beginning, and, where it is longer, the end behind that.
fn is_guessable(password: &str, words: &[String]) -> bool {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let characters: Vec<(usize, char)> = password.char_indices().collect();
    let at = |index: usize| characters.get(index).map_or(password.len(), |(at, _)| *at);
    let is_weak = |part: Option<&str>| {
        part.is_none_or(|part| part.is_empty() || zxcvbn(part, &words).score() < Score::Three)
    };
    let end = characters.len().saturating_sub(ESTIMATED).max(ESTIMATED);
    is_weak(password.get(..at(ESTIMATED))) && is_weak(password.get(at(end)..))
}

/// Of a folded password.
fn key(folded: &str) -> u64 {
    let digest = Sha256::digest(folded.as_bytes());
    digest.first_chunk::<8>().map_or(0, |head| u64::from_be_bytes(*head))
}

/// The file of a list with one password in each line. The same list always gives the same bytes.
///
/// # Errors
/// When the list has nothing of use.
pub(crate) fn make_filter<'lines>(
    lines: impl Iterator<Item = &'lines str>,
) -> Result<Vec<u8>, &'static str> {
    let long = lines.filter(|line| line.chars().count() >= SHORTEST_LISTED);
    // What no password can be, such as a line with NUL, is of no use.
    let values = long.filter_map(|line| CredentialValue::parse("", &line.into()).ok());
    let mut keys: Vec<_> = values.map(|value| key(&value.folded())).collect();
    keys.sort_unstable();
    keys.dedup();
    let filter = BinaryFuse16::try_from(&keys)?;
    let mut file = vec![0; HEAD];
    let head = file.get_mut(..BinaryFuse16::DESCRIPTOR_LEN).ok_or("the head is too short")?;
    filter.dma_copy_descriptor_to(head);
    file.extend_from_slice(filter.dma_fingerprints());
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reasons(password: &str, words: &[String]) -> Vec<Reason> {
        super::reasons(&CredentialValue::parse("P", &password.into()).unwrap(), words)
    }

    fn listed(password: &str) -> bool {
        reasons(password, &[]).contains(&Reason::CommonPassword)
    }

    #[test]
    fn what_is_on_the_list_is_found_however_it_is_written() {
        for password in [
            "correcthorsebatterystaple",
            "LiverpoolFootballClub",
            "password",
            "PASSWORD",
            "12345678910",
            "123456789987654321",
            "1qaz2wsx3edc4rfv",
            "momsanaladventure",
            "passwordstandard",
            "Passwordpassword",
        ] {
            assert!(listed(password), "{password}");
        }
    }

    #[test]
    fn of_what_is_not_on_it_about_one_in_sixty_five_thousand_is_taken_for_it() {
        let count = 1_000_000;
        let filter = LISTED.as_ref().unwrap();
        let wrong =
            (0..count).filter(|number| filter.contains(&key(&format!("no password {number}"))));
        // 15.3 are expected; more than 45 would be seven deviations too many.
        let wrong = wrong.count();
        assert!((1..45).contains(&wrong), "{wrong} of {count}");
    }

    #[test]
    fn an_estimate_knows_patterns_and_words_that_no_list_has() {
        for (password, words) in [
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", vec![]),
            ("øaøaøaøaøaøaøaøaøa", vec![]),
            ("abcdefghijklmnopqrstuvwxyz", vec![]),
            ("passwordpasswordpassword1", vec![]),
            ("muellermuellermueller", vec!["mueller".to_owned()]),
        ] {
            assert!(reasons(password, &words).contains(&Reason::Guessable), "{password}");
        }
        for password in ["correct horse battery staple", "xkqzjvwpyrtgbmns", "ølmskjæråtuvwxyzpq"]
        {
            assert!(reasons(password, &[]).is_empty(), "{password}");
        }
    }

    #[test]
    fn a_list_gives_the_same_bytes_whatever_its_order_and_finds_all_of_it() {
        let list = ["one password", "another one", "short", "a third one"];
        let file = make_filter(list.into_iter()).unwrap();
        assert_eq!(make_filter(list.into_iter().rev()).unwrap(), file);
        assert_eq!(file.len() % 2, 0);
    }

    #[test]
    fn a_long_password_is_as_strong_as_the_stronger_of_its_ends() {
        let long = "correct horse battery staple ".repeat(35);
        assert!(reasons(&long, &[]).is_empty());
        let padded = format!("{}correct horse battery staple xkqzj", "a".repeat(100));
        assert!(reasons(&padded, &[]).is_empty());
        assert_eq!(reasons(&"ø".repeat(500), &[]), [Reason::Guessable]);
    }
}
