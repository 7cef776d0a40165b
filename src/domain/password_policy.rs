//! The policy for new passwords (NIST SP 800-63B-4, 3.1.1.2): a minimum length and no context
//! words. There are no composition rules, and passwords do not expire.

use zeroize::Zeroizing;

use super::{credential::CredentialValue, invalid_field::Reason, text::nfkc_case_fold};

/// The minimum length in code points of a password that is the only factor.
pub(crate) const MINIMUM_CHARACTERS: usize = 15;

/// The minimum length in code points when another system requires a second factor.
pub(crate) const MINIMUM_WITH_SECOND_FACTOR: usize = 8;

/// The minimum number of letters and digits outside context words.
const MINIMUM_OUTSIDE_CONTEXT: usize = 8;

/// The length in code points below which a word is not a context word.
pub(crate) const SHORTEST_WORD: usize = 3;

/// The policy of an installation.
#[derive(Debug, Clone)]
pub(crate) struct PasswordPolicy {
    pub(crate) minimum_characters: usize,
    /// Names of the service and of the installation.
    pub(crate) context_words: Vec<String>,
}

impl PasswordPolicy {
    /// The context words for the password of one user, folded.
    pub(crate) fn words_of(&self, login_name: &str) -> Vec<String> {
        let words = self.context_words.iter().map(String::as_str).chain([login_name]);
        let folded = words.map(nfkc_case_fold);
        let mut words: Vec<_> =
            folded.filter(|word| word.chars().count() >= SHORTEST_WORD).collect();
        // Longest first, so that a word is removed before its own prefix.
        words.sort_by_key(|word| std::cmp::Reverse(word.len()));
        words
    }

    /// The rules that a password violates. Common passwords are checked elsewhere.
    pub(crate) fn problems(&self, password: &CredentialValue, words: &[String]) -> Vec<Reason> {
        let mut problems = Vec::new();
        if password.characters() < self.minimum_characters {
            problems.push(Reason::TooFewCharacters(self.minimum_characters));
        }
        if is_mostly_context(password, words) {
            problems.push(Reason::ContextWords);
        }
        problems
    }
}

/// True when too few letters and digits remain after the words are removed.
fn is_mostly_context(password: &CredentialValue, words: &[String]) -> bool {
    let mut rest = password.folded();
    if !words.iter().any(|word| rest.contains(word.as_str())) {
        return false;
    }
    for word in words {
        rest = Zeroizing::new(rest.replace(word.as_str(), ""));
    }
    rest.chars().filter(|c| c.is_alphanumeric()).count() < MINIMUM_OUTSIDE_CONTEXT
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    fn problems(password: &str) -> Vec<Reason> {
        let policy = PasswordPolicy {
            minimum_characters: MINIMUM_CHARACTERS,
            context_words: vec!["SuperOffice".to_owned(), "Keeper".to_owned()],
        };
        let password = CredentialValue::parse("P", &SecretString::from(password)).unwrap();
        policy.problems(&password, &policy.words_of("Ana.Müller"))
    }

    #[test]
    fn the_length_is_counted_in_code_points() {
        assert_eq!(problems("fourteen chars"), [Reason::TooFewCharacters(15)]);
        assert!(problems("fifteen charact").is_empty());
        assert_eq!(problems(&"ø".repeat(14)), [Reason::TooFewCharacters(15)]);
        assert!(problems(&"ø".repeat(15)).is_empty());
        assert!(problems(&"🦉".repeat(15)).is_empty());
    }

    #[test]
    fn context_words_do_not_count_towards_a_password() {
        for password in [
            "superoffice-2026!",
            "SUPEROFFICESUPEROFFICE",
            "ana.müllerana.müller1",
            "KeeperSuperOffice1234",
        ] {
            assert_eq!(problems(password), [Reason::ContextWords], "{password}");
        }
        assert!(problems("my keeper likes green tea").is_empty());
    }

    #[test]
    fn there_are_no_composition_rules() {
        for password in
            ["only lower letters", "123454321098765", "               ", "ÆØÅæøåÆØÅæøåÆØÅ"]
        {
            assert!(problems(password).is_empty(), "{password}");
        }
    }
}
