//! Passwords that are tried first: those of a list of common and breached ones, and those that an
//! estimate says are soon come by. Offline; nothing leaves the process.
//!
//! The list is kept as a binary fuse filter over the first eight bytes of SHA-256: everything on the
//! list is found, and of what is not, one in 65,536 is taken for it.

use std::sync::LazyLock;

use sha2::{Digest, Sha256};
use xorf::{BinaryFuse16, BinaryFuse16Ref, DmaSerializable, Filter, FilterRef};
use zxcvbn::{Score, zxcvbn};

use crate::domain::credential::CredentialValue;

/// Shorter ones of a list are left out: no policy lets them through anyway.
const SHORTEST_LISTED: usize = 8;

/// Code points that are estimated at a time. The time grows exponentially with those that can stand
/// for a letter: 5 ms at most were measured for 16, 95 ms for 46.
const ESTIMATED: usize = 16;

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

/// True for a password on the list.
pub(crate) fn is_listed(password: &CredentialValue) -> bool {
    LISTED.as_ref().is_none_or(|listed| listed.contains(&key(&password.folded())))
}

/// True when the estimate finds it soon: its beginning, and, where it is longer, the end behind that. `words` are those of the user and of the
/// service. Takes up to about the time of a hash, whatever the password is.
pub(crate) fn is_guessable(password: &[u8], words: &[String]) -> bool {
    let Ok(password) = str::from_utf8(password) else { return true };
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let is_weak =
        |part: Option<&str>| part.is_none_or(|part| zxcvbn(part, &words).score() < Score::Three);
    let at = |index: usize| password.char_indices().nth(index).map_or(password.len(), |(at, _)| at);
    // Where there is no end behind the beginning, nothing is there to be strong.
    let end = password.chars().count().saturating_sub(ESTIMATED).max(ESTIMATED);
    let rest = password.get(at(end)..).filter(|rest| !rest.is_empty());
    is_weak(password.get(..at(ESTIMATED))) && is_weak(rest)
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

    fn guessable(password: &str, words: &[&str]) -> bool {
        let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
        is_guessable(password.as_bytes(), &words)
    }

    fn listed(password: &str) -> bool {
        is_listed(&CredentialValue::parse("P", &password.into()).unwrap())
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
            ("muellermuellermueller", vec!["mueller"]),
        ] {
            assert!(guessable(password, &words), "{password}");
        }
        for password in ["correct horse battery staple", "xkqzjvwpyrtgbmns", "ølmskjæråtuvwxyzpq"]
        {
            assert!(!listed(password) && !guessable(password, &[]), "{password}");
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
        assert!(!guessable(&long, &[]));
        let padded = format!("{}correct horse battery staple xkqzj", "a".repeat(100));
        assert!(!guessable(&padded, &[]));
        assert!(guessable(&"ø".repeat(500), &[]));
    }

    /// The time of an estimate is bounded by what is estimated, so a text that is long and hard to
    /// estimate must be judged by its two ends alone.
    #[test]
    fn what_is_between_the_ends_is_not_estimated() {
        let hard = "4@8({[<3691!|0$57+%2".repeat(50);
        for (ends, is_weak) in [("aaaaaaaaaaaaaaaa", true), ("xkqzjvwpyrtgbmns", false)] {
            assert_eq!(guessable(&format!("{ends}{hard}{ends}"), &[]), is_weak);
        }
    }
}
