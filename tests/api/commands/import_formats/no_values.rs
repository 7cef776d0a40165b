//! No message of an import repeats a value of its file, which may be a password.

use std::fs;

use serde_json::Value;
use sqlx::PgPool;

use super::{convert, exported, file_named, import, sample};
use crate::support::{TestApp, restrict};

/// A text that is in no message. It is an invalid login name, because the name of an entry is told.
const MARKER: &str = "MARKER:q7Zk";

/// A text that could be the name of something.
const WORD: &str = "markerq7zk";

/// Files that are refused as a whole or in some lines, with the value of `--from`.
const FILES: [(&str, &str); 43] = [
    ("csv", "MARKER:q7Zk,MARKER:q7Zk\n"),
    ("csv", "login,MARKER:q7Zk\nada,x\n"),
    ("csv", "MARKER:q7Zk,login\nada,x\n"),
    ("csv", "login,MARKER:q7Zk,x\n"),
    ("csv", "login,\"MARKER:q7Zk\nMARKER:q7Zk\",value\nada,x,y\n"),
    ("csv", "login,\"MARKER:q7Zk\n"),
    ("csv", "login,value;MARKER:q7Zk\tx\nada,x\n"),
    ("csv", "login,MARKER\"q7Zk\nada,x\n"),
    ("csv", "login,value\nada,MARKER:q7Zk"),
    ("csv", "login,value\nada,\"MARKER:q7Zk\n"),
    ("csv", "login,value\nada,MARKER:q7Zk,x\n"),
    ("csv", "login,value\nada,MARKER\"q7Zk\n"),
    ("csv", "login,value\nMARKER:q7Zk,x\n"),
    ("csv", "login,id\nada,MARKER:q7Zk\n"),
    ("csv", "login,admin\nada,MARKER:q7Zk\n"),
    ("csv", "login,type\nada,MARKER:q7Zk\n"),
    ("csv", "login,value,credential_type\nada,x,MARKER:q7Zk\n"),
    ("csv", "login,value,valid_to\nada,x,MARKER:q7Zk\n"),
    ("csv", "login,value,change_required\nada,x,MARKER:q7Zk\n"),
    ("csv", "login,hash\nada,MARKER:q7Zk\n"),
    ("csv", "login,hash\nada,$argon2id$v=19$m=MARKER:q7Zk$x$y\n"),
    ("csv", "{\"MARKER:q7Zk\": 1}\n"),
    ("json-lines", "MARKER:q7Zk"),
    ("json-lines", "MARKER:q7Zk\n"),
    ("json-lines", "{\"login_name\":\"MARKER:q7Zk\"}\n"),
    ("json-lines", "{\"login_name\":\"ada\",\"MARKER:q7Zk\":1}\n"),
    ("json-lines", "{\"login_name\":\"ada\",\"id\":\"MARKER:q7Zk\"}\n"),
    ("json-lines", "{\"login_name\":\"ada\",\"role\":\"MARKER:q7Zk\"}\n"),
    ("json-lines", "{\"login_name\":\"ada\",\"type\":\"MARKER:q7Zk\"}\n"),
    ("json-lines", "{\"login_name\":\"ada\",\"display_name\":\"MARKER:q7Zk\\u0001\"}\n"),
    ("json-lines", "{\"login_name\":\"ada\",\"nick_name\":\"MARKER:q7Zk\\u0001\"}\n"),
    ("json-lines", "{\"login_name\":\"ada\",\"credentials\":[{\"MARKER:q7Zk\":\"x\"}]}\n"),
    (
        "json-lines",
        "{\"login_name\":\"ada\",\"credentials\":[{\"value\":\"MARKER:q7Zk\\u0000\"}]}\n",
    ),
    (
        "json-lines",
        "{\"login_name\":\"ada\",\"credentials\":[{\"type\":\"MARKER:q7Zk\",\"value\":\"x\"}]}\n",
    ),
    (
        "json-lines",
        "{\"login_name\":\"ada\",\"untrusted_credentials\":[{\"type\":\"MARKER:q7Zk\",\"secret\":\"MARKER:q7Zk\"}]}\n",
    ),
    ("keycloak", "{\"realm\":\"x\",\"MARKER:q7Zk"),
    ("keycloak", "{\"realm\":\"x\",\"users\":MARKER:q7Zk}"),
    ("keycloak", "{\"realm\":\"x\",\"users\":\"MARKER:q7Zk\"}"),
    ("keycloak", "{\"realm\":\"x\",\"users\":[\"MARKER:q7Zk\"]}"),
    ("keycloak", "{\"realm\":\"x\",\"users\":[{\"username\":{\"MARKER:q7Zk\":1}}]}"),
    ("ldif", "MARKER:q7Zk\n"),
    ("ldif", "dn: uid=a\nuid: a\n\nMARKERq7Zk\n"),
    ("ldif", "dn: uid=a\nuid: MARKER:q7Zk\nuserPassword:: MARKER:q7Zk\n\n"),
];

/// An entry whose password was broken into two lines. The second one is taken for another
/// attribute, so the entry is imported.
const BROKEN_VALUE: &str = "dn: uid=a\nuid: a\nuserPassword: x\nMARKER/q7Zk: rest of a value\n\n";

/// The part of a marker that any repetition has.
const PARTS: [&str; 4] = ["MARKER", "q7Zk", "marker", "q7zk"];

#[track_caller]
fn assert_unrepeated(what: &str, said: &str) {
    for part in PARTS {
        assert!(!said.contains(part), "{what}: {said}");
    }
}

#[sqlx::test]
async fn no_refusal_of_a_file_or_a_line_repeats_a_value(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let refused = FILES.map(|(format, content)| (format, content, 1));
    for (format, content, expected) in refused.into_iter().chain([("ldif", BROKEN_VALUE, 0)]) {
        let (_folder, path) = file_named("users", content.as_bytes());
        let (code, results, said) = import(&app, &path, &["--from", format]);
        assert_eq!(code, expected, "{content}: {said}");
        assert_unrepeated(content, &format!("{results:?}"));
        assert_unrepeated(content, &said);
        assert_unrepeated(content, &convert(&path, &["--from", format]).stderr);
    }
    assert_eq!(exported(&app, "a")["credentials"][0]["type"], "CRM5/PASSWORD");
}

/// Paths to all texts in a document.
fn paths_of_texts(document: &Value, path: &str, found: &mut Vec<String>) {
    match document {
        Value::String(_) => found.push(path.to_owned()),
        Value::Array(list) => {
            for (index, element) in list.iter().enumerate() {
                paths_of_texts(element, &format!("{path}/{index}"), found);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                paths_of_texts(member, &format!("{path}/{}", name.replace('/', "~1")), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[test]
fn no_report_on_an_export_repeats_a_value() {
    let config = fs::read(sample("firebase-hash-config")).unwrap();
    let (_folder, config) = file_named("hash-config", &config);
    restrict(&config);
    let config = config.to_str().unwrap();
    let mut changed = 0;
    for (format, more) in [
        ("keycloak", &[][..]),
        ("kratos", &[]),
        ("zitadel", &[]),
        ("firebase", &["--firebase-hash-config", config]),
        ("django", &[]),
    ] {
        let text = fs::read_to_string(sample(&format!("{format}.json"))).unwrap();
        let document: Value = serde_json::from_str(&text).unwrap();
        let mut paths = Vec::new();
        paths_of_texts(&document, "", &mut paths);
        // All at once, and each alone: an earlier error hides later ones.
        let each = paths.iter().map(std::slice::from_ref);
        for chosen in each.chain([paths.as_slice()]) {
            for marker in [MARKER, WORD] {
                let mut document = document.clone();
                for path in chosen {
                    *document.pointer_mut(path).unwrap() = marker.into();
                }
                let (_folder, path) = file_named("export.json", document.to_string().as_bytes());
                let output = convert(&path, &[&["--from", format], more].concat());
                // The name of the entry is told, so that one can find it.
                let said = output.stderr.replace(&format!("({WORD})"), "");
                assert_unrepeated(&format!("{format} {chosen:?}"), &said);
                changed += 1;
            }
        }
    }
    assert!(changed > 100, "{changed}");
}
