//! Recognizes the format of a file that was given as another one.

/// A format that a file looks like.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) name: &'static str,
    /// The value of `--from`.
    pub(crate) option: &'static str,
}

/// A format with the words of which one shows it.
struct Signature {
    name: &'static str,
    option: &'static str,
    words: &'static [&'static str],
}

/// The words of JSON formats are member names that no other format has.
const JSON: [Signature; 6] = [
    Signature { name: "JSON lines", option: "json-lines", words: &["\"login_name\""] },
    Signature {
        name: "a Keycloak realm",
        option: "keycloak",
        words: &["\"realm\"", "\"credentialData\"", "\"serviceAccountClientId\""],
    },
    Signature {
        name: "Kratos identities",
        option: "kratos",
        words: &["\"schema_id\"", "\"traits\"", "\"hashed_password\""],
    },
    Signature {
        name: "a ZITADEL export",
        option: "zitadel",
        words: &["\"humanUsers\"", "\"machineUsers\"", "\"dataOrgs\"", "\"data_orgs\"", "\"orgs\""],
    },
    Signature {
        name: "a Firebase export",
        option: "firebase",
        words: &["\"localId\"", "\"passwordHash\""],
    },
    Signature { name: "a Django dump", option: "django", words: &["\"model\"", "\"fields\""] },
];

/// The format of a file that starts like this, if it is certain and is not the expected one.
pub(crate) fn other_format(head: &[u8], expected: &str) -> Option<Found> {
    let text = String::from_utf8_lossy(head);
    let text = text.trim_start();
    let found = if text.starts_with(['{', '[']) { json(text, expected)? } else { not_json(text)? };
    (found.name != expected).then_some(found)
}

/// True for text whose first line has a name of a column, and perhaps others that are unknown.
pub(super) fn may_be_csv(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head);
    let header = text.lines().next().unwrap_or_default();
    let mut names = header.split([',', ';', '\t']).map(|name| name.trim_matches(['"', ' ', '\r']));
    !header.trim_start().starts_with(['{', '[', '<']) && names.any(super::csv::is_known_column)
}

fn json(text: &str, expected: &str) -> Option<Found> {
    // Only names before the first value can tell JSON lines: values may contain anything.
    let has = |signature: &Signature| signature.words.iter().any(|word| text.contains(word));
    let expected_here = JSON.iter().find(|signature| signature.name == expected);
    if expected_here.is_some_and(has) {
        return None;
    }
    let found = JSON.iter().find(|signature| has(signature))?;
    Some(Found { name: found.name, option: found.option })
}

fn not_json(text: &str) -> Option<Found> {
    let mut lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let first = lines.next()?;
    if first.starts_with("dn:") || first.starts_with("version: 1") {
        return Some(Found { name: "LDIF", option: "ldif" });
    }
    let columns = first.split([',', ';', '\t']).map(|name| name.trim_matches(['"', ' ', '\r']));
    let is_header = first.contains([',', ';', '\t'])
        && columns.filter(|name| super::csv::is_known_column(name)).count() >= 2;
    is_header.then_some(Found { name: "CSV", option: "csv" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_another_format_is_recognized() {
        for (head, option) in [
            ("{\"login_name\":\"a\"}", "json-lines"),
            ("{\n \"id\": 1,\n \"realm\": \"r\"", "keycloak"),
            ("[{\"id\":\"1\",\"schema_id\":\"default\"", "kratos"),
            ("{\"orgs\":[{\"orgId\":\"1\"", "zitadel"),
            ("{\"users\": [{\"localId\": \"1\"", "firebase"),
            ("[\n{\n\"model\": \"auth.user\"", "django"),
            ("# slapcat\n\ndn: dc=example", "ldif"),
            ("version: 1\ndn: dc=example", "ldif"),
            ("Username;Password;x\r\n", "csv"),
        ] {
            let found = other_format(head.as_bytes(), "something else").unwrap();
            assert_eq!(found.option, option, "{head}");
            assert_eq!(other_format(head.as_bytes(), found.name), None, "{head}");
        }
        for head in ["", "text", "{}", "not, known", "[1]", "username"] {
            assert_eq!(other_format(head.as_bytes(), "JSON lines"), None, "{head}");
        }
    }
}
