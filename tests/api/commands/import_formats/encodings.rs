//! Text that is not UTF-8.

use serde_json::json;
use sqlx::PgPool;

use super::{assert_refused, file_named, import_bytes, results, told, users};
use crate::{commands::import::user, support::TestApp};

fn utf_16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(to_bytes).collect()
}

#[sqlx::test]
async fn a_file_of_another_encoding_changes_nothing_and_its_encoding_is_named(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let lines: String = (0..3000).map(|number| user(&format!("u{number}"), "v") + "\n").collect();
    let csv = "login,value\nada,v\n";
    let latin = |byte: u8| {
        let last = [b"{\"login_name\":\"marker", &[byte][..], b"\"}\n"].concat();
        [lines.as_bytes(), &last].concat()
    };
    let mixed = [user("\u{e9}", "v").as_bytes(), b"\n", &latin(0xe9)].concat();
    for (name, bytes, expected) in [
        ("a.jsonl", utf_16(&format!("\u{feff}{lines}"), u16::to_le_bytes), "is UTF-16; convert it"),
        (
            "a.jsonl",
            utf_16(&lines, u16::to_le_bytes),
            "is UTF-16LE; convert it to UTF-8, for \
            example with `iconv -f UTF-16LE -t UTF-8`",
        ),
        ("a.csv", utf_16(csv, u16::to_be_bytes), "is UTF-16BE; convert it"),
        (
            "a.jsonl",
            latin(0xe9),
            "line 3001 is not UTF-8; it is probably ISO-8859-1; convert the \
            file, for example with `iconv -f ISO-8859-1 -t UTF-8`",
        ),
        ("a.jsonl", latin(0x93), "line 3001 is not UTF-8; it is probably WINDOWS-1252"),
        ("a.jsonl", mixed, "line 3002 is not UTF-8, but earlier lines are; correct this line"),
        ("a.csv", b"login,value\nJos\xe9,v\n".to_vec(), "line 2 is not UTF-8; it is probably"),
    ] {
        let (_folder, path) = file_named(name, &bytes);
        assert_refused(&app, &path, &[], &expected.replace("            ", ""));
    }
    assert_eq!(users(&app).await, 3);
}

#[sqlx::test]
async fn standard_input_of_another_encoding_is_refused_where_it_shows(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for bytes in
        [utf_16("{\"login_name\":\"a\"}", u16::to_le_bytes), b"{\"a\":\"\xe9\"}\n".to_vec()]
    {
        let output = import_bytes(&app, &bytes, &[]);
        assert_eq!((output.code, output.stdout.as_str()), (1, ""), "{output:?}");
        assert!(output.stderr.contains("; convert "), "{output:?}");
    }
    // What was read before has its result.
    let line = |number: usize| json!({"login_name": format!("u{number:0>200}")}).to_string() + "\n";
    let lines: String = (0..1000).map(line).collect();
    let output = import_bytes(&app, &[lines.as_bytes(), b"{\"\xe9\"}\n"].concat(), &[]);
    assert_eq!(output.code, 1, "{output:?}");
    let found = results(&output);
    let added = told(&found).iter().filter(|(_, result, _)| *result == "added").count();
    assert_eq!(added, 1000, "{}", output.stderr);
    assert!(output.stderr.contains("line 1001 is not UTF-8"), "{}", output.stderr);
    assert!(output.stderr.contains("stopped after line 1000"), "{}", output.stderr);
}
