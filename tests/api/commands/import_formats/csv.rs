//! CSV.

use std::fs;

use data_encoding::HEXLOWER;
use serde_json::json;
use sha2::{Digest, Sha256};
use sqlx::PgPool;

use super::{
    SHA_CRYPT, assert_refused, convert, exported, file_named, import, import_bytes, results, told,
    users,
};
use crate::{commands::import::logs_in, support::TestApp};

const BCRYPT: &str = "$2b$08$abcdefghijklmnopqrstuubAvJmxpQuyV3jn7x.SUSPxe.DearCPe";

#[sqlx::test]
async fn csv_as_databases_and_spreadsheets_write_it_is_imported(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    // CRLF, a byte order mark, quoted delimiters, quotes and line ends, and a formula.
    let comma = format!(
        "\u{feff}Username,Password,\"Password Hash\",Full Name,Disabled,ID\r\n\
         ada,\"a, \"\"quoted\"\" value\",,Ada,no,\r\n\
         \"multi\nline\",x,,,,\r\n\
         formula,=1+1,,=cmd|' /C calc'!A0,,700\r\n\
         \r\n\
         grace,,{BCRYPT},\"Grace\r\n\tHopper\",yes,\r\n\
         spaces,\"  kept  \",,Sp\u{e9}cial,FALSE,\n"
    );
    let (_folder, path) = file_named("users.csv", comma.as_bytes());
    let (code, found, said) = import(&app, &path, &[]);
    let expected = [
        (2, "added", ""),
        (3, "failed", "login_name"),
        (5, "added", ""),
        (7, "failed", "display_name"),
        (9, "added", ""),
    ];
    assert_eq!((code, told(&found)), (1, expected.to_vec()), "{said}");
    assert!(logs_in(&app, "ada", "a, \"quoted\" value").await);
    assert!(logs_in(&app, "formula", "=1+1").await);
    assert!(logs_in(&app, "spaces", "  kept  ").await && !logs_in(&app, "spaces", "kept").await);
    assert_eq!(exported(&app, "formula")["display_name"], "=cmd|' /C calc'!A0");
    assert!(!std::path::Path::new(&format!("{}.progress", path.display())).exists());
}

#[sqlx::test]
async fn the_delimiter_is_that_of_the_header_or_of_an_argument(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (number, delimiter) in [",", ";", "\t"].into_iter().enumerate() {
        let value = if delimiter == "\t" { "a b,c;d" } else { "a b" };
        let text = format!("login{delimiter}value\nuser{number}{delimiter}{value}\n");
        // The name of the file says what it is, and `-` needs the argument.
        let (_folder, path) = file_named("users.tsv", text.as_bytes());
        assert_eq!(import(&app, &path, &["--dry-run"]).0, 0, "{text}");
        let output = import_bytes(&app, text.as_bytes(), &["--from", "csv"]);
        assert_eq!(told(&results(&output)), [(2, "added", "")], "{output:?}");
    }
    for (name, value) in [("user0", "a b"), ("user1", "a b"), ("user2", "a b,c;d")] {
        assert!(logs_in(&app, name, value).await, "{name}");
    }
    let (_folder, path) = file_named("users.csv", b"login;value,hash\nada;x,\n");
    assert_refused(&app, &path, &[], "more than one of comma, semicolon and tab");
    assert_refused(&app, &path, &["--delimiter", "semicolon"], "column 2 of the header is unknown");
    let mapped = ["--delimiter", "semicolon", "--column", "value=value,hash"];
    assert_eq!(told(&import(&app, &path, &mapped).1), [(2, "added", "")]);
    assert!(logs_in(&app, "ada", "x,").await);
}

#[sqlx::test]
async fn a_wrong_header_is_refused_before_anything_is_imported(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (text, expected) in [
        (
            "login,value,marker\nada,marker,40\n",
            "column 3 of the header is unknown; add a header if",
        ),
        (
            "login,value,Username\nada,marker,x\n",
            "columns 1 and 3 of the header are both login_name",
        ),
        ("value,id\nmarker,1\n", "no column with the login name; name it `login_name`"),
        ("marker1,marker2\nada,v\n", "no column with the login name"),
        ("login,valid_to\nada,\n", "the column valid_to, but neither `value` nor `hash`"),
        ("login,value\n", "has only a header; add a line for each user"),
        ("\n\r\n", "has no header"),
        ("login,\"value\n", "the record in line 1 does not end"),
        ("login,value\nada,x\nbob,\"marker\nc,d\n", "the record in line 3 does not end"),
    ] {
        let (_folder, path) = file_named("users.csv", text.as_bytes());
        assert_refused(&app, &path, &[], expected);
    }
    let (_folder, path) = file_named("users.csv", b"login,value\nada,x\n");
    let missing = ["--column", "display_name=Full name"];
    assert_refused(&app, &path, &missing, "no column \"Full name\", which an argument names");
    let ignored = ["--ignore-column", "age"];
    assert_refused(&app, &path, &ignored, "no column \"age\", which an argument names");
    let wrong = ["--from", "json-lines", "--delimiter", "tab"];
    assert_refused(&app, &path, &wrong, "--delimiter needs the format csv; add `--from csv`");
    assert_eq!(users(&app).await, 3);
}

#[sqlx::test]
async fn a_wrong_record_fails_alone_and_is_never_repeated(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let text = format!(
        "login;value;id;admin;valid_to\n\
         short;marker\n\
         long;marker;;;;more\n\
         \"a\"b;marker;;;\n\
         number;marker;7a;;\n\
         boolean;marker;;perhaps;\n\
         moment;marker;;;tomorrow\n\
         {};marker;;;\n\
         ok;v;;;2090-01-01T00:00:00Z\n",
        "x".repeat(70_000)
    );
    let (_folder, path) = file_named("users.csv", text.as_bytes());
    let (code, found, said) = import(&app, &path, &[]);
    let expected = [
        (2, "failed", "line"),
        (3, "failed", "line"),
        (4, "failed", "line"),
        (5, "failed", "id"),
        (6, "failed", "administrator"),
        (7, "failed", "credentials[0].valid_to"),
        (8, "failed", "line"),
        (9, "added", ""),
    ];
    assert_eq!((code, told(&found)), (1, expected.to_vec()), "{said}");
    assert_eq!(found[0]["reason"], "has 2 fields, but the header has 5");
    assert!(!format!("{found:?}{said}").contains("marker"));
}

#[sqlx::test]
async fn an_import_of_csv_resumes_behind_the_last_complete_record(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let text = "login,value,name\na,v,\"two\nlines\"\nb,v,B\nc,v,C\n";
    let (folder, path) = file_named("users.csv", text.as_bytes());
    let checkpoint = folder.path().join("users.csv.progress");
    let sha256 = HEXLOWER.encode(&Sha256::digest(text));
    let write = |format: &str, lines: u64| {
        let content = json!({"sha256": sha256, "format": format, "lines": lines});
        fs::write(&checkpoint, content.to_string()).unwrap();
    };
    // Lines 2 and 3 are the first record.
    write("CSV", 3);
    let (code, found, said) = import(&app, &path, &[]);
    assert_eq!((code, told(&found)), (0, vec![(4, "added", ""), (5, "added", "")]), "{said}");
    assert!(said.contains("resuming after line 3") && !checkpoint.exists(), "{said}");
    write("LDIF", 3);
    let (code, found, said) = import(&app, &path, &[]);
    assert_eq!((code, found.len()), (1, 0), "{said}");
    assert!(said.contains("the earlier run read the file as LDIF"), "{said}");
}

#[sqlx::test]
async fn a_resumed_import_has_the_same_options(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let text = "login,value,mail\na,v,x\nb,v,y\n";
    let (folder, path) = file_named("users.csv", text.as_bytes());
    let checkpoint = folder.path().join("users.csv.progress");
    let digest = |text: &str| HEXLOWER.encode(&Sha256::digest(text));
    let write = |options: Option<String>| {
        let mut content = json!({"sha256": digest(text), "format": "CSV", "lines": 2});
        content["options"] = json!(options);
        fs::write(&checkpoint, content.to_string()).unwrap();
    };
    let by_mail = ["--column", "login_name=mail", "--ignore-column", "login"];
    let options = digest(r#"["column login_name=mail","ignored=login"]"#);
    for (earlier, arguments) in
        [(None, &by_mail[..]), (Some(options.clone()), &["--ignore-column", "mail"])]
    {
        write(earlier);
        let (code, found, said) = import(&app, &path, arguments);
        assert_eq!((code, found.len()), (1, 0), "{said}");
        let expected = "the earlier run read the file as CSV with other options; pass the same";
        assert!(said.contains(expected) && checkpoint.exists(), "{said}");
    }
    assert_eq!(users(&app).await, 3);
    write(Some(options));
    let swapped = ["--ignore-column", "login", "--column", "login_name=mail"];
    let (code, found, said) = import(&app, &path, &swapped);
    assert_eq!((code, told(&found)), (0, vec![(3, "added", "")]), "{said}");
}

#[sqlx::test]
async fn a_hash_in_a_column_of_passwords_fails(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let text = format!(
        "login,password,credential_type\n\
         sha,{SHA_CRYPT},\n\
         bcrypt,{BCRYPT},\n\
         ldap,{{SSHA}}DkMTwBl+l/vAQ9D8YCsGvwxv2aj6dGJo,\n\
         yescrypt,$y$j9T$F5Jx5fExrKuPp53xLKQ..1$tnSY,\n\
         des,abcdefghijklm,\n\
         clear,$6$ is my password,\n\
         identifier,administrator,ActiveDirectory\n"
    );
    let (_folder, path) = file_named("users.csv", text.as_bytes());
    let (code, found, said) = import(&app, &path, &[]);
    let failed = |line| (line, "failed", "value");
    let mut expected = (2..=6).map(failed).collect::<Vec<_>>();
    expected.extend([(7, "added", ""), (8, "added", "")]);
    assert_eq!((code, told(&found)), (1, expected), "{said}");
    let reason = found[0]["reason"].as_str().unwrap();
    assert!(reason.contains("is a hash;") && reason.contains("`--column hash=Password`"));
    assert!(found[4]["reason"].as_str().unwrap().contains("may be a hash of DES-crypt"));
    assert!(!logs_in(&app, "sha", SHA_CRYPT).await);
    assert!(logs_in(&app, "clear", "$6$ is my password").await);
    let (_folder, path) =
        file_named("users.csv", format!("login,Pass\nsha,{SHA_CRYPT}\n").as_bytes());
    assert_eq!(told(&import(&app, &path, &["--column", "hash=Pass"]).1), [(2, "added", "")]);
    assert!(logs_in(&app, "sha", "correct horse").await && !logs_in(&app, "sha", SHA_CRYPT).await);
}

#[test]
fn csv_is_converted_without_a_database() {
    let text = b"login,value,admin\nada,\"a\nb\",1\nbob,x\n";
    let (_folder, path) = file_named("users.csv", text);
    let output = convert(&path, &[]);
    let line = r#"{"login_name":"ada","administrator":true,"credentials":[{"value":"a\nb"}]}"#;
    assert_eq!((output.code, output.stdout.trim_end()), (1, line), "{output:?}");
    let expected = "line 4: failed: line has 2 fields, but the header has 3";
    assert!(output.stderr.contains(expected), "{output:?}");
}
