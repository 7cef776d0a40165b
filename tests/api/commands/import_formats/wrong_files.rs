//! Files that are not what they were given as.

use std::fs;

use serde_json::json;
use sqlx::PgPool;

use super::{
    assert_refused, convert, file_named, import, import_bytes, results, sample, told, users,
};
use crate::{commands::import::user, support::TestApp};

const EXPORTS: [(&str, &str, &str); 5] = [
    ("keycloak", "keycloak.json", "a Keycloak realm"),
    ("kratos", "kratos.json", "Kratos identities"),
    ("zitadel", "zitadel.json", "a ZITADEL export"),
    ("django", "django.json", "a Django dump"),
    ("ldif", "directory.ldif", "LDIF"),
];

#[sqlx::test]
async fn an_export_of_another_system_is_recognized(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let other = ["firebase.json"].into_iter().chain(EXPORTS.map(|(_, file, _)| file));
    for file in other {
        let (_folder, path) = file_named("export", &fs::read(sample(file)).unwrap());
        for (format, own, _) in EXPORTS {
            if own != file {
                assert_refused(&app, &path, &["--from", format], "; pass `--from ");
            }
        }
        // Without a format, too.
        assert_refused(&app, &path, &[], "; pass `--from ");
        assert_refused(&app, &path, &["--from", "csv"], "; pass `--from ");
    }
    let (_folder, path) = file_named("export", &fs::read(sample("kratos.json")).unwrap());
    let expected = "looks like Kratos identities, not like a Keycloak realm; pass `--from kratos`";
    assert_refused(&app, &path, &["--from", "keycloak"], expected);
    let (_folder, path) = file_named("users", b"login;password\nada;marker\n");
    assert_refused(&app, &path, &[], "looks like CSV, not like JSON lines; pass `--from csv`");
    let (_folder, path) = file_named("users", (user("a", "marker") + "\n").as_bytes());
    assert_refused(&app, &path, &["--from", "ldif"], "looks like JSON lines");
    assert_eq!(users(&app).await, 3);
}

#[sqlx::test]
async fn an_export_that_was_cut_changes_nothing(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (format, file, name) in EXPORTS {
        let whole = fs::read(sample(file)).unwrap();
        for length in [whole.len() - 3, whole.len() * 2 / 3] {
            let (_folder, path) = file_named(file, &whole[..length]);
            let output = convert(&path, &["--from", format]);
            assert_eq!(output.code, 1, "{name}: {output:?}");
            let expected =
                if format == "ldif" { "the file was cut" } else { "it was cut: export it" };
            assert_refused(&app, &path, &["--from", format], expected);
        }
    }
    assert_eq!(users(&app).await, 3);
}

#[sqlx::test]
async fn plain_text_that_was_cut_changes_nothing(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let line = user("first", "v");
    let long = format!("{line}\n{{\"login_name\":\"{}", "x".repeat(200_000));
    let entry = "dn: uid=first\nuid: first\n";
    for (format, content, expected) in [
        ("csv", "login,value\nfirst,v\nlast,mark".to_owned(), "in line 3, has no line end"),
        ("csv", "login,value\nfirst,v\nlast,\"mark\"".to_owned(), "in line 3, has no line end"),
        ("csv", "login,val".to_owned(), "in line 1, has no line end"),
        (
            "json-lines",
            format!("{line}\n{}", &line[..40]),
            "line 2 is no JSON and has no line feed",
        ),
        ("json-lines", long, "line 2 is no JSON and has no line feed"),
        ("json-lines", "\n \n\t".to_owned(), "has no line; pass a file with users"),
        ("ldif", format!("{entry}\n{entry}"), "in line 4, has no blank line after it"),
        ("ldif", format!("{entry}\ndn: uid=last\n"), "in line 4, has no blank line after it"),
    ] {
        let (_folder, path) = file_named("users", content.as_bytes());
        assert_refused(&app, &path, &["--from", format], expected);
        assert_eq!(convert(&path, &["--from", format]).code, 1, "{content}");
    }
    assert_eq!(users(&app).await, 3);
    // A pipe is read once, and what may be cut is not imported from it, either.
    let output = import_bytes(&app, b"login,value\nfirst,v\nlast,mark", &["--from", "csv"]);
    assert_eq!((output.code, told(&results(&output))), (1, vec![(2, "added", "")]), "{output:?}");
    // A whole line needs no line feed.
    let (_folder, path) = file_named("users", user("last", "v").as_bytes());
    assert_eq!(told(&import(&app, &path, &[]).1), [(1, "added", "")]);
}

#[sqlx::test]
async fn what_precedes_the_end_of_a_cut_pipe_is_imported_and_reported(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let whole = fs::read(sample("kratos.json")).unwrap();
    let output = import_bytes(&app, &whole[..whole.len() - 3], &["--from", "kratos"]);
    assert_eq!(output.code, 1, "{output:?}");
    let found = results(&output);
    assert_eq!(told(&found)[..3], [(1, "added", ""), (2, "added", ""), (3, "skipped", "")]);
    for expected in
        ["standard input: ends in its middle, at line ", "2 added", "stopped after entry 4"]
    {
        assert!(output.stderr.contains(expected), "{expected}: {output:?}");
    }
}

#[sqlx::test]
async fn a_file_without_users_is_refused_with_the_next_step(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (format, content, expected) in [
        ("json-lines", "", "is empty; pass a file with users"),
        ("csv", "", "is empty"),
        ("keycloak", "", "is empty"),
        ("ldif", "\u{feff}", "LDIF without users"),
        ("keycloak", "{\"realm\":\"x\"}", "without users; export it with `kc.sh export"),
        ("keycloak", "{\"realm\":\"x\",\"users\":null}", "without users"),
        ("kratos", "[]", "without users; list them with `include_credential=password`"),
        ("zitadel", "{\"orgs\":[{\"humanUsers\":[]}]}", "without users"),
        ("django", "[{\"model\":\"a.b\",\"pk\":1,\"fields\":{}}]", "without users; dump the app"),
        ("ldif", "version: 1\n", "LDIF without users"),
    ] {
        let (_folder, path) = file_named("export", content.as_bytes());
        assert_refused(&app, &path, &["--from", format], expected);
    }
    let folder = tempfile::tempdir().unwrap();
    assert_refused(&app, folder.path(), &["--from", "csv"], "resuming needs a regular file");
    assert_refused(&app, &folder.path().join("missing"), &[], "No such file or directory");
    let output = convert(folder.path(), &["--from", "csv"]);
    assert!(output.code == 1 && output.stderr.contains("Is a directory"), "{output:?}");
    // It would print the secrets of an archive.
    let (_folder, path) = file_named("whole.keeper", b"keeper-archive 1\nand more");
    let output = convert(&path, &[]);
    assert!(
        output.code == 1 && output.stderr.contains("is an encrypted archive; pass it to `import`")
    );
}

#[sqlx::test]
async fn a_document_that_would_need_much_memory_is_refused(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let long = "x".repeat(5 * 1024 * 1024);
    let deep = format!("{{\"realm\":\"x\",\"a\":{}", "[".repeat(100_000));
    let entry = json!({"realm": "x", "users": [{"username": "a"}, {"username": long}]}).to_string();
    let nested = format!("{{\"realm\":\"x\",\"users\":[{{\"a\":{}", "[".repeat(100_000));
    for (content, expected) in [
        (deep, "nested deeper than 128 levels"),
        (nested, "nested deeper than 128 levels"),
        (entry, "an entry is longer than 4 MiB"),
        (
            "{\"realm\":\"x\",\"users\":[{\"username\":\"a\"}}".to_owned(),
            "is not valid JSON at line 1",
        ),
        (
            "{\"realm\":\"x\",\"users\":{\"a\":1}}".to_owned(),
            "is not a Keycloak realm: it has another",
        ),
        ("{\"realm\":\"x\",\"users\":[]} trailing".to_owned(), "is not valid JSON at line 1"),
    ] {
        let (_folder, path) = file_named("realm.json", content.as_bytes());
        assert_refused(&app, &path, &["--from", "keycloak"], expected);
    }
    // What is not kept may be of any length.
    let realm = json!({"realm": "x", "themes": long, "users": [{"username": "a"}]}).to_string();
    let (_folder, path) = file_named("realm.json", realm.as_bytes());
    assert_eq!(told(&import(&app, &path, &["--from", "keycloak"]).1), [(1, "added", "")]);
}

#[sqlx::test]
async fn changes_and_other_text_are_no_ldif(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (content, expected) in [
        ("dn: uid=a\nchangetype: add\nuid: a\n", "line 2 is a change; export the entries"),
        ("uid: marker\n", "line 1 is not LDIF: an entry must start with `dn:`"),
        ("dn: uid=a\nuid: a\n\nmarker\n", "line 4 is not LDIF: it has no colon"),
        (
            "dn: uid=a\nuid: a\nuserPassword: mark",
            "line 3 ends without a line feed: the file was cut",
        ),
    ] {
        let (_folder, path) = file_named("directory.ldif", content.as_bytes());
        assert_refused(&app, &path, &["--from", "ldif"], expected);
    }
    let content =
        "dn: uid=a\nuid: a\nuserPassword:: !!\n\ndn: uid=b\nuid:: /w==\n\ndn: uid=a\nuid: c\n\n";
    let (_folder, path) = file_named("directory.ldif", content.as_bytes());
    let (_, found, said) = import(&app, &path, &["--from", "ldif"]);
    let expected = [(1, "failed", "userPassword"), (5, "failed", "uid"), (8, "added", "")];
    assert_eq!(told(&found), expected, "{said}");
}
