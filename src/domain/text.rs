//! Unicode normalization and character classes (docs/reference/wire-contract.md#d25-limits).

use icu_casemap::CaseMapper;
use icu_normalizer::{ComposingNormalizer, DecomposingNormalizer};
use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{DefaultIgnorableCodePoint, GeneralCategory, NoncharacterCodePoint},
};

/// NFC, the form in which secrets are hashed and verified.
pub(super) fn nfc(text: &str) -> String {
    ComposingNormalizer::new_nfc().normalize(text).into_owned()
}

/// NFD, the form that some systems, such as macOS, produce.
pub(super) fn nfd(text: &str) -> String {
    DecomposingNormalizer::new_nfd().normalize(text).into_owned()
}

/// NFKC with full case folding, the form in which names are compared.
///
/// Each step can enable the other, so they alternate as in the compatibility caseless match of The
/// Unicode Standard (D146).
pub(super) fn nfkc_case_fold(text: &str) -> String {
    let fold = CaseMapper::new();
    let compatible = DecomposingNormalizer::new_nfkd();
    let once = fold.fold_string(&DecomposingNormalizer::new_nfd().normalize(text)).into_owned();
    let twice = fold.fold_string(&compatible.normalize(&once)).into_owned();
    ComposingNormalizer::new_nfkc().normalize(&twice).into_owned()
}

/// True for a character that XML 1.0 can represent, so that a response in XML returns it unchanged.
pub(crate) fn is_xml(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | '\u{20}'..='\u{fffd}' | '\u{10000}'..)
}

/// True for a character that is invisible or changes the order of its neighbors: controls, format
/// characters such as U+200B and U+202E, line separators, default ignorable code points, and
/// noncharacters.
pub(super) fn is_invisible(character: char) -> bool {
    let category = CodePointMapData::<GeneralCategory>::new().get(character);
    let is_control = category == GeneralCategory::Control
        || category == GeneralCategory::Format
        || category == GeneralCategory::LineSeparator
        || category == GeneralCategory::ParagraphSeparator;
    is_control
        || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(character)
        || CodePointSetData::new::<NoncharacterCodePoint>().contains(character)
}

/// As [`is_invisible`], except for characters that ordinary text needs: joiners (Persian, emoji),
/// direction marks (Hebrew and Arabic next to digits) and variation selectors.
pub(crate) fn is_hidden_in_text(character: char) -> bool {
    let is_needed = matches!(
        character,
        '\u{200c}'..='\u{200f}' | '\u{61c}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}'
    );
    is_invisible(character) && !is_needed
}

/// True for a character without visible ink.
pub(super) fn is_blank(character: char) -> bool {
    // Unicode classifies the blank braille pattern as a symbol.
    character.is_whitespace() || character == '\u{2800}' || is_invisible(character)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_canonical_form_is_stable(text in "\\PC{0,40}") {
            let once = nfkc_case_fold(&text);
            prop_assert_eq!(nfkc_case_fold(&once), once);
        }
    }

    #[test]
    fn invisible_and_bidirectional_control_characters_are_invisible() {
        for character in [
            '\0',
            '\u{7f}',
            '\u{85}',
            '\u{ad}',
            '\u{34f}',
            '\u{61c}',
            '\u{115f}',
            '\u{180e}',
            '\u{200b}',
            '\u{200d}',
            '\u{202a}',
            '\u{202e}',
            '\u{2028}',
            '\u{2029}',
            '\u{2060}',
            '\u{2066}',
            '\u{2069}',
            '\u{3164}',
            '\u{fdd0}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{ffa0}',
            '\u{fff9}',
            '\u{fffe}',
            '\u{1ffff}',
            '\u{e0001}',
            '\u{e0020}',
            '\u{e01ef}',
        ] {
            assert!(is_invisible(character), "{:x}", u32::from(character));
            assert!(is_blank(character), "{:x}", u32::from(character));
        }
        for character in ['a', ' ', 'é', '\u{301}', 'ß', '中', 'م', '🦀', '\u{fffd}'] {
            assert!(!is_invisible(character), "{:x}", u32::from(character));
        }
        assert!([' ', '\u{a0}', '\u{2800}', '\u{3000}'].into_iter().all(is_blank));
    }

    #[test]
    fn spellings_of_one_name_have_one_canonical_form() {
        for (left, right) in
            [("TJE0", "tje0"), ("Straße", "STRASSE"), ("ﬁna", "FINA"), ("Å", "a\u{30a}")]
        {
            assert_eq!(nfkc_case_fold(left), nfkc_case_fold(right));
        }
    }
}
