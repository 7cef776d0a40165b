//! A body of `SaveCredential`, checked as a command: the same members mean the same in each format,
//! and a value that one format refuses is refused by each.
#![no_main]

use arbitrary::Arbitrary;
use credential_keeper::fuzz_support::{CheckedSave, read_save};
use credential_keeper_fuzz::{Limits, assert_hides, charset, within};
use libfuzzer_sys::fuzz_target;
use secrecy::ExposeSecret;
use serde_json::{Map, Value};
use wire_formats::Format;

#[derive(Debug, Arbitrary)]
struct Case<'data> {
    charset: u8,
    user_id: Option<UserId<'data>>,
    credential_type: Option<Name<'data>>,
    value: Option<&'data str>,
    display_value: Option<&'data str>,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum UserId<'data> {
    Number(i32),
    Text(&'data str),
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Name<'data> {
    Password,
    Directory,
    Other(&'data str),
}

fuzz_target!(|case: Case<'_>| {
    let members = members(&case);
    let charset = charset(case.charset % 2);
    let read = |format, text: String| {
        let body = charset.encode(text);
        let checked = within(Limits::PARSER, body.len(), || read_save(&body, format, charset));
        if let (Err(message), Some(value)) = (&checked, case.value) {
            assert_hides(message, value.as_bytes());
        }
        checked.as_ref().map(fields).map_err(Clone::clone)
    };
    let of_json = read(Format::Json, json(&members));
    let of_form = read(Format::Form, form(&members));
    assert_eq!(of_form, of_json, "a form and JSON differ");
    // XML has no place for some characters, and removes the carriage return of a line end.
    if members.iter().all(|(_, value)| {
        value.chars().all(|c| c == '\t' || c == '\n' || (' '..='\u{d7ff}').contains(&c))
    }) {
        assert_eq!(read(Format::Xml, xml(&members)), of_json, "XML and JSON differ");
    }
});

/// The members with their paths.
fn members(case: &Case<'_>) -> Vec<(Vec<&'static str>, String)> {
    let mut members = Vec::new();
    let mut add = |path: &[&'static str], text: String| members.push((path.to_vec(), text));
    match case.user_id {
        Some(UserId::Number(number)) => add(&["UserId"], number.to_string()),
        Some(UserId::Text(text)) => add(&["UserId"], text.to_owned()),
        None => {}
    }
    match case.credential_type {
        Some(Name::Password) => add(&["Credential", "Type", "Type"], "CRM5/PASSWORD".to_owned()),
        Some(Name::Directory) => add(&["Credential", "Type", "Type"], "ActiveDirectory".to_owned()),
        Some(Name::Other(text)) => add(&["Credential", "Type", "Type"], text.to_owned()),
        None => {}
    }
    for (name, text) in [("Value", case.value), ("DisplayValue", case.display_value)] {
        if let Some(text) = text {
            add(&["Credential", name], text.to_owned());
        }
    }
    members
}

fn fields(saved: &CheckedSave) -> (i32, String, String, Option<String>) {
    let value = saved.value.expose_secret().to_owned();
    (saved.user_id, saved.credential_type.clone(), value, saved.display_value.clone())
}

fn json(members: &[(Vec<&str>, String)]) -> String {
    let mut root = Value::Object(Map::new());
    for (path, text) in members {
        let mut place = &mut root;
        for name in path {
            place = &mut place[*name];
        }
        *place = Value::from(text.as_str());
    }
    root.to_string()
}

fn form(members: &[(Vec<&str>, String)]) -> String {
    let pair = |(path, text): &(Vec<&str>, String)| {
        let encoded: Vec<_> = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
        format!("{}={}", path.join("."), encoded.concat())
    };
    members.iter().map(pair).collect::<Vec<_>>().join("&")
}

fn xml(members: &[(Vec<&str>, String)]) -> String {
    let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let element = |name: &str, content: String| format!("<{name}>{content}</{name}>");
    let text_of = |path: &[&str]| {
        members.iter().find(|(known, _)| known == path).map(|(_, text)| escaped(text))
    };
    let leaf = |path: &[&str]| {
        text_of(path).map(|text| element(path[path.len() - 1], text)).unwrap_or_default()
    };
    let credential_type = leaf(&["Credential", "Type", "Type"]);
    let credential_type =
        if credential_type.is_empty() { String::new() } else { element("Type", credential_type) };
    let inner =
        [credential_type, leaf(&["Credential", "Value"]), leaf(&["Credential", "DisplayValue"])]
            .concat();
    let credential = if inner.is_empty() { String::new() } else { element("Credential", inner) };
    element("Request", leaf(&["UserId"]) + &credential)
}
