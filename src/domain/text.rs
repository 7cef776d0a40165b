//! Unicode forms used by more than one type (protocol.md 10.25).

use icu_casemap::CaseMapper;
use icu_normalizer::{ComposingNormalizer, DecomposingNormalizer};

/// NFC: what secrets are normalised to before they are hashed, when set and when verified.
pub(super) fn nfc(text: &str) -> String {
    ComposingNormalizer::new_nfc().normalize(text).into_owned()
}

/// NFKC and full case folding: the one form in which names are compared.
///
/// Folding and compatibility decomposition feed each other, so they alternate as in Unicode's
/// definition of a compatibility caseless match (The Unicode Standard, D146).
pub(super) fn nfkc_case_fold(text: &str) -> String {
    let fold = CaseMapper::new();
    let compatible = DecomposingNormalizer::new_nfkd();
    let once = fold.fold_string(&DecomposingNormalizer::new_nfd().normalize(text)).into_owned();
    let twice = fold.fold_string(&compatible.normalize(&once)).into_owned();
    ComposingNormalizer::new_nfkc().normalize(&twice).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_canonical_form_of_a_canonical_form_is_itself(text in "\\PC{0,40}") {
            let once = nfkc_case_fold(&text);
            prop_assert_eq!(nfkc_case_fold(&once), once);
        }
    }

    #[test]
    fn spellings_of_one_name_share_a_form() {
        for (left, right) in
            [("TJE0", "tje0"), ("Straße", "STRASSE"), ("ﬁna", "FINA"), ("Å", "a\u{30a}")]
        {
            assert_eq!(nfkc_case_fold(left), nfkc_case_fold(right));
        }
    }
}
