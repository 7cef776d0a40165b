//! Names in an input, of which only a part is kept: it may have megabytes of them.

/// The most names of dropped members that are counted one by one.
pub(crate) const MAXIMUM_NAMES: usize = 1000;

/// Stands for the names that are not counted one by one.
pub(crate) const OTHERS: &str = "others";

/// The text if it is one of those that are known, and otherwise a word for it: an unknown text is a
/// value of the file, and may be a secret.
pub(crate) fn known_or<'text>(known: &[&'text str], text: &str, other: &'text str) -> &'text str {
    known.iter().find(|name| name.eq_ignore_ascii_case(text)).copied().unwrap_or(other)
}

/// The longest part of a name that is kept and shown, in characters.
const SHOWN: usize = 100;

/// The part of a name that is kept: it may have megabytes.
pub(crate) fn shortened(name: String) -> String {
    if name.len() <= SHOWN { name } else { name.chars().take(SHOWN).collect() }
}

/// The part of the dropped names of an entry that is kept.
pub(crate) fn shortened_names(mut names: Vec<String>) -> Vec<String> {
    if names.len() > MAXIMUM_NAMES {
        names.truncate(MAXIMUM_NAMES);
        names.push(OTHERS.to_owned());
        names.shrink_to_fit();
    }
    names.into_iter().map(shortened).collect()
}
