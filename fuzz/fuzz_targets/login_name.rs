//! Login names: their canonical form, variants, and the most similar valid name.
#![no_main]

use credential_keeper::fuzz_support::{fold, login_name, new_login_name, similar_login_name};
use credential_keeper_fuzz::{Limits, within};
use libfuzzer_sys::fuzz_target;

/// The longest name, in code points.
const MAXIMUM: usize = 239;

fuzz_target!(|input: (u32, &str)| {
    let (number, text) = input;
    let folded = within(Limits::PARSER, text.len(), || fold(text));
    assert_eq!(fold(&folded), folded, "the canonical form is not stable");
    match within(Limits::PARSER, text.len(), || login_name(text)) {
        Err(message) => assert!(message.starts_with("UserName: "), "{message}"),
        Ok(canonical) => {
            assert_eq!(canonical, folded);
            assert!(canonical.chars().count() <= MAXIMUM && text.chars().count() <= MAXIMUM);
            assert_eq!(login_name(&canonical), Ok(canonical), "the canonical form is another name");
        }
    }
    match within(Limits::PARSER, text.len(), || new_login_name(text, number)) {
        Err(message) => assert!(message.starts_with("UserName: "), "{message}"),
        Ok(variant) => {
            assert!(variant.ends_with(&number.to_string()), "without its number: {variant}");
            assert!(new_login_name(&variant, 1).is_ok(), "an invalid variant: {variant:?}");
            assert!(login_name(text).is_ok(), "a new name that cannot log in");
        }
    }
    if let Some(similar) = within(Limits::PARSER, text.len(), || similar_login_name(text)) {
        assert!(new_login_name(&similar, 1).is_ok(), "an invalid suggestion: {similar:?}");
        assert_eq!(
            similar_login_name(&similar),
            Some(similar),
            "a suggestion is not similar to itself"
        );
    }
});
