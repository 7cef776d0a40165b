//! The texts of all languages, from the Fluent files of `locales/`.

use std::sync::OnceLock;

use fluent_bundle::{FluentArgs, FluentResource, concurrent::FluentBundle};

/// The tag of the language in which errors and pages are if the request selects none.
pub(super) const ENGLISH: &str = "en";

/// The texts of one language. Parsed, they take about half a megabyte.
struct Texts {
    tag: &'static str,
    file: &'static str,
    parsed: OnceLock<FluentBundle<FluentResource>>,
}

impl Texts {
    const fn new(tag: &'static str, file: &'static str) -> Self {
        Self { tag, file, parsed: OnceLock::new() }
    }

    /// The texts, which the first call parses.
    fn parsed(&self) -> &FluentBundle<FluentResource> {
        self.parsed.get_or_init(|| bundle(self.tag, self.file))
    }
}

static LANGUAGES: [Texts; 6] = [
    Texts::new("da", include_str!("../../../locales/da/main.ftl")),
    Texts::new("de", include_str!("../../../locales/de/main.ftl")),
    Texts::new(ENGLISH, include_str!("../../../locales/en/main.ftl")),
    Texts::new("nb", include_str!("../../../locales/nb/main.ftl")),
    Texts::new("nl", include_str!("../../../locales/nl/main.ftl")),
    Texts::new("sv", include_str!("../../../locales/sv/main.ftl")),
];

/// Parses the English texts, so that no request waits for them, and the first refusal under load
/// needs no memory for them. Other languages are parsed when a request selects them.
pub(crate) fn load_english_texts() {
    if let Some(english) = LANGUAGES.iter().find(|texts| texts.tag == ENGLISH) {
        english.parsed();
    }
}

/// The tags of all languages, sorted.
pub(super) fn tags() -> impl Iterator<Item = &'static str> {
    LANGUAGES.iter().map(|texts| texts.tag)
}

/// A text in the language with this tag; `None` if the language has no such text, or the text needs
/// other arguments.
pub(super) fn find(tag: &str, key: &str, arguments: &[(&'static str, &str)]) -> Option<String> {
    let bundle = LANGUAGES.iter().find(|texts| texts.tag == tag)?.parsed();
    let pattern = bundle.get_message(key)?.value()?;
    let arguments: FluentArgs<'_> = arguments.iter().copied().collect();
    let mut errors = Vec::new();
    let text = bundle.format_pattern(pattern, Some(&arguments), &mut errors);
    errors.is_empty().then(|| text.into_owned())
}

fn bundle(tag: &str, text: &str) -> FluentBundle<FluentResource> {
    // The test of this file refuses invalid tags and files.
    let mut bundle = FluentBundle::new_concurrent(vec![tag.parse().unwrap_or_default()]);
    // No bidirectional isolation marks around arguments, because programs also read the texts.
    bundle.set_use_isolating(false);
    let file = FluentResource::try_new(text.to_owned()).unwrap_or_else(|(partial, _)| partial);
    bundle.add_resource_overriding(file);
    bundle
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn every_file_is_valid_and_has_its_language() {
        let mut folders: Vec<_> =
            fs::read_dir("locales").unwrap().map(|entry| entry.unwrap().file_name()).collect();
        folders.sort();
        assert_eq!(folders, tags().collect::<Vec<_>>());
        for Texts { tag, file: text, .. } in &LANGUAGES {
            let mut bundle = FluentBundle::new_concurrent(vec![tag.parse().unwrap()]);
            let file = FluentResource::try_new((*text).to_owned());
            let errors = file.as_ref().err().map(|(_, errors)| errors);
            assert_eq!(errors, None, "{tag}");
            bundle.add_resource(file.unwrap()).expect("every key of a file is unique");
        }
    }
}
