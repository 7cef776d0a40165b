//! What a new password has to be (NIST SP 800-63B-4, 3.1.1.2): long, and none that is tried first.
//! There are no rules about kinds of characters, and no password ends by its age.

use zeroize::Zeroizing;

use super::{credential::CredentialValue, invalid_field::Reason, text::nfkc_case_fold};

/// Code points of a password that is all there is to prove.
pub(crate) const MINIMUM_CHARACTERS: usize = 15;

/// The same, where a second factor is asked for elsewhere.
pub(crate) const MINIMUM_WITH_SECOND_FACTOR: usize = 8;

/// Code points that a password must have besides words that anybody would try.
const BESIDE_CONTEXT: usize = 8;

/// Shorter words say nothing.
pub(crate) const SHORTEST_WORD: usize = 3;

/// The rules of an installation.
#[derive(Debug, Clone)]
pub(crate) struct PasswordPolicy {
    pub(crate) minimum_characters: usize,
    /// Names of the service and whatever else belongs to this installation.
    pub(crate) context_words: Vec<String>,
}

impl PasswordPolicy {
    /// The words that belong to one user's password, folded.
    pub(crate) fn words_of(&self, login_name: &str) -> Vec<String> {
        let words = self.context_words.iter().map(String::as_str).chain([login_name]);
        let folded = words.map(nfkc_case_fold);
        let mut words: Vec<_> =
            folded.filter(|word| word.chars().count() >= SHORTEST_WORD).collect();
        // Of two words of which one begins with the other, the longer one is taken out.
        words.sort_by_key(|word| std::cmp::Reverse(word.len()));
        words
    }

    /// What is wrong with a password by itself; what is tried first is the business of others.
    pub(crate) fn problems(&self, password: &CredentialValue, words: &[String]) -> Vec<Reason> {
        let mut problems = Vec::new();
        if password.characters() < self.minimum_characters {
            problems.push(Reason::TooFewCharacters(self.minimum_characters));
        }
        if is_of_context(password, words) {
            problems.push(Reason::ContextWords);
        }
        problems
    }
}

/// True when little is left without the words.
fn is_of_context(password: &CredentialValue, words: &[String]) -> bool {
    let mut rest = password.folded();
    if !words.iter().any(|word| rest.contains(word.as_str())) {
        return false;
    }
    for word in words {
        rest = Zeroizing::new(rest.replace(word.as_str(), ""));
    }
    rest.chars().filter(|c| c.is_alphanumeric()).count() < BESIDE_CONTEXT
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
    fn code_points_are_counted_and_not_bytes() {
        assert_eq!(problems("fourteen chars"), [Reason::TooFewCharacters(15)]);
        assert!(problems("fifteen charact").is_empty());
        assert_eq!(problems(&"ø".repeat(14)), [Reason::TooFewCharacters(15)]);
        assert!(problems(&"ø".repeat(15)).is_empty());
        assert!(problems(&"🦉".repeat(15)).is_empty());
    }

    #[test]
    fn words_of_the_context_do_not_make_a_password() {
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
    fn no_kind_of_character_is_asked_for() {
        for password in
            ["only lower letters", "123454321098765", "               ", "ÆØÅæøåÆØÅæøåÆØÅ"]
        {
            assert!(problems(password).is_empty(), "{password}");
        }
    }
}
