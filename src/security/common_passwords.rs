//! Common, breached and guessable passwords. The checks are offline: nothing leaves the process.
//!
//! The list is a binary fuse filter over the first eight bytes of SHA-256. It has no false
//! negatives, and the false-positive rate is 1 in 65,536. `zxcvbn` estimates passwords that are not
//! listed.

use std::sync::LazyLock;

use sha2::{Digest, Sha256};
use xorf::{BinaryFuse16, BinaryFuse16Ref, DmaSerializable, Filter, FilterRef};
use zxcvbn::{Score, zxcvbn};

use crate::domain::credential::CredentialValue;

/// Shorter passwords are not listed, because no policy accepts them.
const SHORTEST_LISTED: usize = 8;

/// Number of code points in one estimate. The time grows exponentially with the code points that
/// substitute a letter: at most 5 ms for 16 and 95 ms for 46 were measured.
const ESTIMATED: usize = 16;

/// Length of the header of the file: the descriptor of the filter, padded to the alignment of the
/// fingerprints.
const HEADER_LENGTH: usize = 32;

/// Aligns bytes to eight.
#[repr(align(8))]
struct Aligned<T: ?Sized>(T);

/// `script/common-passwords` makes the file.
static FILE: &Aligned<[u8]> = &Aligned(*include_bytes!("../../assets/common-passwords.filter"));

static LISTED: LazyLock<Option<BinaryFuse16Ref<'static>>> = LazyLock::new(|| {
    let (head, fingerprints) = FILE.0.split_at_checked(HEADER_LENGTH)?;
    Some(BinaryFuse16Ref::from_dma(head.get(..BinaryFuse16::DESCRIPTOR_LEN)?, fingerprints))
});

/// True for a password on the list.
pub(crate) fn is_listed(password: &CredentialValue) -> bool {
    LISTED.as_ref().is_none_or(|listed| listed.contains(&key(&password.folded())))
}

/// True when the estimate is weak for the start of the password and, if it is longer, for its end.
/// `words` are those of the user and of the service. Takes at most about the time of a hash.
pub(crate) fn is_guessable(password: &[u8], words: &[String]) -> bool {
    let Ok(password) = str::from_utf8(password) else { return true };
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let is_weak =
        |part: Option<&str>| part.is_none_or(|part| zxcvbn(part, &words).score() < Score::Three);
    let offset = |index: usize| {
        password.char_indices().nth(index).map_or(password.len(), |(offset, _)| offset)
    };
    // Without an end behind the start, only the start counts.
    let end = password.chars().count().saturating_sub(ESTIMATED).max(ESTIMATED);
    let rest = password.get(offset(end)..).filter(|rest| !rest.is_empty());
    is_weak(password.get(..offset(ESTIMATED))) && is_weak(rest)
}

/// The key of a folded password in the filter.
fn key(folded: &str) -> u64 {
    let digest = Sha256::digest(folded.as_bytes());
    digest.first_chunk::<8>().map_or(0, |head| u64::from_be_bytes(*head))
}

/// Builds the file of the filter from a list with one password per line. The output is
/// deterministic.
///
/// # Errors
/// When the list has no usable password.
pub(crate) fn make_filter<'lines>(
    lines: impl Iterator<Item = &'lines str>,
) -> Result<Vec<u8>, &'static str> {
    let long = lines.filter(|line| line.chars().count() >= SHORTEST_LISTED);
    // Skip lines that cannot be a password, for example with NUL.
    let values = long.filter_map(|line| CredentialValue::parse("", &line.into()).ok());
    let mut keys: Vec<_> = values.map(|value| key(&value.folded())).collect();
    keys.sort_unstable();
    keys.dedup();
    let filter = BinaryFuse16::try_from(&keys)?;
    let mut file = vec![0; HEADER_LENGTH];
    let head = file.get_mut(..BinaryFuse16::DESCRIPTOR_LEN).ok_or("the header is too short")?;
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
    fn a_listed_password_is_found_in_any_case() {
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
    fn the_false_positive_rate_is_about_1_in_65536() {
        let count = 1_000_000;
        let filter = LISTED.as_ref().unwrap();
        let wrong =
            (0..count).filter(|number| filter.contains(&key(&format!("no password {number}"))));
        // 15.3 are expected. 45 would be more than seven standard deviations above.
        let wrong = wrong.count();
        assert!((1..45).contains(&wrong), "{wrong} of {count}");
    }

    #[test]
    fn the_estimate_finds_patterns_and_words_that_are_not_listed() {
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
    fn the_filter_does_not_depend_on_the_order_of_the_list() {
        let list = ["one password", "another one", "short", "a third one"];
        let file = make_filter(list.into_iter()).unwrap();
        assert_eq!(make_filter(list.into_iter().rev()).unwrap(), file);
        assert_eq!(file.len() % 2, 0);
    }

    #[test]
    fn a_long_password_is_as_strong_as_its_stronger_end() {
        let long = "correct horse battery staple ".repeat(35);
        assert!(!guessable(&long, &[]));
        let padded = format!("{}correct horse battery staple xkqzj", "a".repeat(100));
        assert!(!guessable(&padded, &[]));
        assert!(guessable(&"ø".repeat(500), &[]));
    }

    /// The number of estimated code points bounds the time, so the estimate of a long password uses
    /// its two ends only.
    #[test]
    fn the_middle_of_a_long_password_is_not_estimated() {
        let hard = "4@8({[<3691!|0$57+%2".repeat(50);
        for (ends, is_weak) in [("aaaaaaaaaaaaaaaa", true), ("xkqzjvwpyrtgbmns", false)] {
            assert_eq!(guessable(&format!("{ends}{hard}{ends}"), &[]), is_weak);
        }
    }
}
