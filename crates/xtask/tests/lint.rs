//! Tests of the lint on small source trees.

use std::{fs, path::Path, process::Command};

/// Runs the lint in a folder with these files; returns its messages, empty when it accepts them.
fn lint(files: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let file = folder.path().join(name);
        fs::create_dir_all(file.parent().unwrap_or(Path::new(""))).unwrap();
        fs::write(file, text).unwrap();
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    let output = command.current_dir(folder.path()).output().unwrap();
    let messages = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.success(), messages.is_empty(), "{messages}");
    messages
}

const ROOT: (&str, &str) = ("src/lib.rs", "mod domain; mod http; mod storage;");
const STORAGE: (&str, &str) = ("src/storage.rs", "use crate::domain::Id;");
const DOMAIN: (&str, &str) = ("src/domain.rs", "pub(crate) struct Id;");

#[test]
fn imports_that_point_downward_are_accepted() {
    let http = ("src/http/mod.rs", "mod routes; pub(crate) use routes::Route;");
    let routes = ("src/http/routes.rs", "use crate::domain::Id; pub(crate) struct Route(Id);");
    assert_eq!(lint(&[ROOT, STORAGE, DOMAIN, http, routes]), "");
}

#[test]
fn files_that_import_each_other_are_found() {
    let http =
        ("src/http/mod.rs", "mod call; mod errors; mod routes; pub(crate) use routes::Route;");
    let routes = ("src/http/routes.rs", "use super::call::Call; pub(crate) struct Route(Call);");
    // Through a re-export, and through a path in the code.
    let call = ("src/http/call.rs", "pub(crate) struct Call; fn f(_: crate::http::errors::E) {}");
    let errors = ("src/http/errors.rs", "use super::Route; pub(crate) struct E(Route);");
    let messages = lint(&[ROOT, STORAGE, DOMAIN, http, routes, call, errors]);
    let expected =
        "files import each other: src/http/call.rs, src/http/errors.rs, src/http/routes.rs";
    assert!(messages.contains(expected), "{messages}");
}

#[test]
fn a_folder_whose_file_imports_its_parent_is_found() {
    let http =
        ("src/http/mod.rs", "mod routes; use routes::Route; pub(crate) struct State(Route);");
    let routes = ("src/http/routes.rs", "use super::State; pub(crate) struct Route(Box<State>);");
    let messages = lint(&[ROOT, STORAGE, DOMAIN, http, routes]);
    assert!(messages.contains("src/http/mod.rs, src/http/routes.rs"), "{messages}");
}

#[test]
fn an_import_of_a_higher_layer_is_found_also_in_telemetry() {
    let root = ("src/lib.rs", "mod domain; mod http; mod storage; mod telemetry;");
    let http = ("src/http.rs", "pub(crate) struct Span;");
    let telemetry = ("src/telemetry.rs", "use crate::http::Span;");
    let messages = lint(&[root, STORAGE, DOMAIN, http, telemetry]);
    assert!(messages.contains("telemetry must not import http"), "{messages}");
    let domain = ("src/domain.rs", "pub(crate) fn f(_: crate::storage::Row) {}");
    let storage = ("src/storage.rs", "pub(crate) struct Row;");
    let messages = lint(&[root, storage, domain, http, ("src/telemetry.rs", "")]);
    assert!(messages.contains("domain must not import storage"), "{messages}");
}

#[test]
fn a_cycle_in_a_library_is_found() {
    let files = [
        ("src/lib.rs", ""),
        ("crates/engine/src/lib.rs", "mod a; mod b;"),
        ("crates/engine/src/a.rs", "use crate::b::B; pub(crate) struct A(Option<Box<B>>);"),
        ("crates/engine/src/b.rs", "use super::a::A; pub(crate) struct B(Option<Box<A>>);"),
    ];
    assert!(lint(&files).contains("crates/engine/src/a.rs, crates/engine/src/b.rs"));
}

#[test]
fn a_struct_of_the_service_that_is_too_large_is_found() {
    let root = ("src/lib.rs", "mod service;");
    let fields: String = (0..11).map(|number| format!("f{number}: u8,")).collect();
    let methods: String = (0..21).map(|number| format!("pub(crate) fn m{number}() {{}}")).collect();
    let service = format!("struct Wide {{ {fields} }} struct Long; impl Long {{ {methods} }}");
    let messages = lint(&[root, ("src/service.rs", &service)]);
    assert!(messages.contains("Wide has 11 fields"), "{messages}");
    assert!(messages.contains("Long has 21 public methods"), "{messages}");
}

#[test]
fn visibility_is_no_import() {
    let http = ("src/http/mod.rs", "mod routes; use routes::Route; fn f(_: Route) {}");
    let routes = ("src/http/routes.rs", "pub(in crate::http) struct Route; pub(super) fn f() {}");
    assert_eq!(lint(&[ROOT, STORAGE, DOMAIN, http, routes]), "");
}

#[test]
fn test_code_is_not_checked() {
    let http =
        ("src/http.rs", "pub(crate) struct State; #[cfg(test)] mod t { use crate::storage::Row; }");
    let storage = ("src/storage.rs", "pub(crate) struct Row;");
    assert_eq!(lint(&[ROOT, storage, DOMAIN, http]), "");
}

/// Runs the lint on a library of one file.
fn lint_code(code: &str) -> String {
    lint(&[("src/lib.rs", code)])
}

#[test]
fn a_comparison_of_a_secret_in_variable_time_is_found() {
    for comparison in [
        "expected_mac == given",
        "given != self.digest",
        "&head.mac[..] != &other[..]",
        "(sequence, mac) == (1, given)",
        "Some(token) == given",
        "hmac_sha256(key, text).as_slice() == given",
        "secret.expose_secret() == given",
        "given == secret.expose_secret().as_bytes()",
        "given.eq(&signature)",
        "digests.iter().any(|digest| digest.as_slice() == given)",
        "own.contains(&ticket.digest)",
        "xsrf.cmp(&given).is_eq()",
        "cookie_password.eq_ignore_ascii_case(given)",
        "format!(\"{}\", tag == given).is_empty()",
        "matches!(given, Some(found) if found == token)",
    ] {
        let messages = lint_code(&format!("fn f() -> bool {{ {comparison} }}"));
        assert!(messages.contains("in variable time"), "{comparison}: {messages}");
    }
    for field in ["mac: [u8; 32]", "digest: Vec<u8>", "token: String", "nonces: Vec<[u8; 24]>"] {
        let messages = lint_code(&format!("#[derive(Debug, PartialEq)] struct S {{ {field} }}"));
        assert!(messages.contains("in variable time"), "{field}: {messages}");
    }
    let messages = lint_code("#[derive(PartialEq)] struct KeyDigest([u8; 32]);");
    assert!(messages.contains("compares `KeyDigest`"), "{messages}");
}

#[test]
fn a_comparison_in_constant_time_or_of_no_secret_is_accepted() {
    for comparison in [
        "mac.ct_eq(&given).into()",
        "bool::from(secret.expose_secret().as_bytes().ct_eq(given))",
        "token.len() == given.len()",
        "ticket.kind == given.kind",
        "text.starts_with(\"8A:\") && token == \"\"",
        "password.policy == given",
        "hash == HashScheme::OverDigest && tag != SEQUENCE",
        "tokens.next() == Some(Token::Comma)",
        "password_type == given",
    ] {
        let code = format!("fn f() -> bool {{ {comparison} }}");
        assert_eq!(lint_code(&code), "", "{comparison}");
    }
    for field in ["mac: SecretString", "digest_length: usize", "token: u8", "hash: HashScheme"] {
        assert_eq!(lint_code(&format!("#[derive(PartialEq)] struct S {{ {field} }}")), "");
    }
    assert_eq!(lint_code("#[cfg(test)] mod t { fn f() -> bool { mac == given } }"), "");
    assert_eq!(lint_code("#[cfg_attr(test, derive(PartialEq))] struct S { mac: Vec<u8> }"), "");
}

#[test]
fn random_numbers_from_elsewhere_are_found() {
    for code in [
        "use rand::Rng;",
        "use getrandom::fill;",
        "fn f() { getrandom::fill(&mut bytes); }",
        "fn f() { fastrand::u64(..) }",
        "use aws_lc_rs::{rand::SystemRandom, digest};",
        "use chacha20poly1305::aead::{OsRng, Aead};",
        "fn f() -> Uuid { Uuid::new_v4() }",
        "fn f() { File::open(\"/dev/urandom\") }",
    ] {
        let messages = lint_code(code);
        assert!(messages.contains("take random bytes from random_bytes"), "{code}: {messages}");
    }
    let source = ("src/security/random.rs", "fn f() { getrandom::fill(&mut bytes) }");
    let security = ("src/security/mod.rs", "mod random;");
    assert_eq!(lint(&[("src/lib.rs", "mod security;"), security, source]), "");
}

#[test]
fn this_repository_has_no_problem() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let output = Command::new(env!("CARGO_BIN_EXE_xtask")).current_dir(root).output().unwrap();
    let messages = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{messages}");
}
