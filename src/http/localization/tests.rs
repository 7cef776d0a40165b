//! Tests of languages and of their texts.

use actix_web::http::header::{HeaderName, HeaderValue};

use super::language::{Language, find};
use crate::{
    domain::{
        Reason,
        credential_type::{CredentialType, CredentialTypes, PASSWORD},
    },
    http::error::{BodyFault, ErrorKind, MissingRight},
};

fn language(pairs: &[(&'static str, &'static str)]) -> Language {
    let pairs = pairs
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    Language::of(&pairs.collect())
}

fn known(tag: &'static str) -> Language {
    Language::Known(tag)
}

#[test]
fn the_language_follows_the_documented_precedence() {
    for (so, accept, expected) in [
        ("", "", Language::Unasked),
        ("", "en", known("en")),
        ("", "en-US,en;q=0.9", known("en")),
        ("", "nb-NO", known("nb")),
        ("", "no", known("nb")),
        ("", "nn,de", known("nb")),
        ("", "sv-SE,sv;q=0.9", known("sv")),
        ("", "da", known("da")),
        ("", "nl-BE", known("nl")),
        ("SV", "de", known("sv")),
        ("", "fr,de,ru,zh", known("de")),
        ("", "de;q=0.5, nb;q=0.8", known("nb")),
        ("", "de;q=0, nb;q=0.1", known("nb")),
        ("", "de;Q=0.5, nb;Q=0.8", known("nb")),
        ("", "de; Q = 0, nb;q=0.1", known("nb")),
        ("", "de;q=0.8;level=1, nb;q=0.5", known("de")),
        ("", "de;q=0.5;level=1", known("de")),
        ("", "de;level=1;q=0.5, nb;q=0.8", known("nb")),
        ("", "de;level=1, nb;q=0.8", known("de")),
        ("", "de;q=high, nb;q=0.1", known("nb")),
        ("", "fr", Language::Unasked),
        ("", "*", Language::Unasked),
        ("nb", "x", known("nb")),
        ("", "x", Language::Unasked),
        ("", "de, *;q=0.1", known("de")),
        ("nb", "de", known("nb")),
        ("NB", "", known("nb")),
        ("nb_NO", "", known("nb")),
        ("*", "de", Language::Off),
        ("x", "de", Language::Off),
        ("X", "de", Language::Off),
        ("tlh", "de", known("de")),
        (";;,q=", ";q=x,=", Language::Unasked),
    ] {
        let found = language(&[("so-language", so), ("accept-language", accept)]);
        assert_eq!(found, expected, "SO-Language: {so}, Accept-Language: {accept}");
    }
}

fn files_below(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// The keys of every text of pages, credential types and errors.
fn keys() -> Vec<String> {
    let mut keys = vec!["field-repeated".to_owned(), "body-repeated-member".to_owned()];
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["templates", "src/http/pages", "src/http/agents/user"] {
        files.extend(files_below(&root.join(folder)));
    }
    files.push(root.join("src/http/password_mail.rs"));
    for file in files {
        let text = std::fs::read_to_string(file).unwrap();
        let is_key = |part: &&str| part.starts_with("page-") || part.starts_with("mail-");
        keys.extend(text.split('"').filter(is_key).map(str::to_owned));
    }
    let types = CredentialTypes::new(Vec::new(), PASSWORD).unwrap();
    for key in types.iter().filter_map(CredentialType::text_key) {
        keys.extend([key.to_owned(), format!("{key}-description")]);
    }
    keys.extend(Reason::ALL.iter().map(|reason| reason.key().to_owned()));
    keys.extend(BodyFault::ALL.iter().map(|fault| fault.key().to_owned()));
    keys.extend(MissingRight::ALL.iter().map(|right| right.key().to_owned()));
    let samples = ErrorKind::samples();
    let others = samples.iter().filter(|kind| kind.field().is_none());
    keys.extend(others.map(|kind| kind.text_key().into_owned()));
    keys.sort_unstable();
    keys.dedup();
    keys
}

#[test]
fn every_language_has_every_text_and_no_other() {
    let expected = keys();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("locales");
    let mut languages = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let file = std::fs::read_to_string(path.join("main.ftl")).unwrap();
        let texts = file.lines().filter_map(|line| line.split_once(" = "));
        let mut found: Vec<_> = texts.map(|(key, _)| key.to_owned()).collect();
        found.sort_unstable();
        assert_eq!(found, expected, "{}", path.display());
        let tag = path.file_name().unwrap().to_str().unwrap();
        assert_eq!(find(tag).unwrap().to_string(), tag);
        languages += 1;
    }
    assert_eq!(languages, Language::tags().len());
}

#[test]
fn texts_name_the_roles_as_the_pages_do() {
    for (role, english) in [("page-role-auditor", "auditor"), ("page-role-help-desk", "help desk")]
    {
        for tag in Language::tags() {
            let name = known(tag).text(role).to_lowercase();
            for right in MissingRight::ALL {
                let names_role = known("en").text(right.key()).contains(english);
                let text = known(tag).text(right.key()).to_lowercase();
                assert!(!names_role || text.contains(&name), "{tag}: {name}: {text}");
            }
        }
    }
}

/// Each of these words is a second name for a thing that the texts of the language already name: the
/// audit log, a credential, a login, a mail, an auditor, the service.
#[test]
fn a_language_has_one_name_for_one_thing() {
    for (tag, others) in [
        ("da", &["revisionsspor", "legitimation", "e-mail"][..]),
        ("de", &["anmeldeinformation", "im protokoll"]),
        ("nb", &["revisjonsspor", "pålogging"]),
        ("nl", &["auditspoor", "inloggegevens", "dienst"]),
        ("sv", &["revisor", "autentiseringsuppgift", "e-post", "e-brev"]),
    ] {
        let path = format!("{}/locales/{tag}/main.ftl", env!("CARGO_MANIFEST_DIR"));
        let file = std::fs::read_to_string(path).unwrap();
        for (key, text) in file.lines().filter_map(|line| line.split_once(" = ")) {
            let text = text.to_lowercase();
            for other in others {
                assert!(!text.contains(*other), "{tag}: {key}: {other}");
            }
        }
    }
}

#[test]
fn no_text_names_an_age_of_a_proof_that_a_setting_can_make_wrong() {
    for tag in Language::tags() {
        let text = known(tag).text("page-own-password-hint");
        assert!(!text.contains(|letter: char| letter.is_ascii_digit()), "{tag}: {text}");
    }
}

#[test]
fn reasons_have_the_same_text_in_commands_and_in_english() {
    for reason in Reason::ALL.iter().copied() {
        let argument = reason.argument();
        let argument = argument.as_ref().map(|(name, value)| (*name, value.as_str()));
        let text = known("en").message(reason.key(), argument.as_slice());
        assert_eq!(text, reason.to_string());
    }
}

#[test]
fn without_a_language_errors_are_english_and_texts_raw() {
    let (unasked, off) = (Language::Unasked, Language::Off);
    assert_eq!(unasked.error(&ErrorKind::Internal), "An error has occurred.");
    assert_eq!(off.error(&ErrorKind::Internal), "[SR_ERROR_INTERNAL]");
    for language in [unasked, off] {
        assert_eq!(language.text("credential-type-password"), "[SR_CREDENTIAL_TYPE_PASSWORD]");
    }
    assert_eq!(known("de").text("credential-type-password"), "Passwort");
}

#[test]
fn a_message_contains_its_arguments_without_invisible_marks() {
    assert_eq!(
        known("nb").message("page-signed-in", &[("name", "Åse")]),
        "Du er logget inn som Åse."
    );
    let refused = crate::domain::InvalidField::new("Credential.Value", Reason::TooManyBytes(1024));
    assert_eq!(
        known("de").error(&refused.into()),
        "Credential.Value: darf höchstens 1024 Bytes lang sein"
    );
}
