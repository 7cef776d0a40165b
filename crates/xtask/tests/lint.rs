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
    // Through a re-export, and through a path in the code or in the arguments of a macro.
    let errors = ("src/http/errors.rs", "use super::Route; pub(crate) struct E(Route);");
    for code in [
        "pub(crate) struct Call; fn f(_: crate::http::errors::E) {}",
        "pub(crate) struct Call; fn f() { m!(crate::http::errors::E) }",
    ] {
        let call = ("src/http/call.rs", code);
        let messages = lint(&[ROOT, STORAGE, DOMAIN, http, routes, call, errors]);
        let expected =
            "files import each other: src/http/call.rs, src/http/errors.rs, src/http/routes.rs";
        assert!(messages.contains(expected), "{code}: {messages}");
    }
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
fn a_reexport_of_another_layer_is_found() {
    let modules = "mod domain; mod http; mod storage;";
    for (root, http) in [
        ("", "pub(crate) use crate::storage::Row;"),
        // A name of the root has the layer of the file that defines it.
        ("pub use storage::Row;", "use crate::Row;"),
        ("pub use crate::storage::Row as Line;", "fn f(_: crate::Line) {}"),
        ("use storage::Row;", "fn f(_: super::Row) {}"),
        ("pub use storage::*;", "use crate::Row;"),
        ("pub mod all { pub use crate::storage::Row; }", "use crate::all::Row;"),
    ] {
        let root = format!("{modules} {root}");
        let storage = ("src/storage.rs", "pub(crate) struct Row;");
        let messages = lint(&[("src/lib.rs", &root), storage, DOMAIN, ("src/http.rs", http)]);
        assert!(messages.contains("http must not import storage"), "{root} {http}: {messages}");
    }
    let root = ("src/lib.rs", "mod http; pub struct Row;");
    let messages = lint(&[root, ("src/http.rs", "use crate::Row;")]);
    assert!(messages.contains("src/http.rs imports src/lib.rs: define the item"), "{messages}");
}

#[test]
fn an_import_in_the_arguments_of_a_macro_or_an_attribute_is_found() {
    let storage = ("src/storage.rs", "pub(crate) struct Row;");
    for code in [
        "fn f() { join!(crate::storage::find(), 1) }",
        "fn f() { tokio::select! { () = stop => {} row = crate::storage::find() => {} } }",
        "fn f() -> bool { matches!(row, crate::storage::Row) }",
        "fn f() { m!(super::storage::Row) }",
        "fn f() { m!({ [crate::storage::Row] }) }",
        "m! { use crate::{domain::Id, storage::Row}; }",
        "macro_rules! m { ($name:ident) => { $crate::storage::$name() }; }",
        "#[derive(crate::storage::Row)] struct S;",
        "#[serde(with = \"crate::storage\")] struct S;",
        "struct S { #[serde(default, deserialize_with = \"super::storage::read\")] f: u8 }",
    ] {
        let messages = lint(&[ROOT, storage, DOMAIN, ("src/http.rs", code)]);
        assert!(messages.contains("http must not import storage"), "{code}: {messages}");
    }
    for code in [
        "fn f() { m!(crate::domain::Id, self, crate) }",
        "m! { pub(in crate::storage) struct S; pub(crate) struct T; }",
        "fn f() { m!(\"crate::storage\", storage::Row, row.storage) }",
    ] {
        assert_eq!(lint(&[ROOT, storage, DOMAIN, ("src/http.rs", code)]), "", "{code}");
    }
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
        "assert_matches!(given, Some(found) if found == token, \"{}\", given)",
        "tokio::select! { () = stop => false, found = find() => { found.mac == given } }",
        "json!({\"IsSame\": token == given}).is_null()",
        "m!(let is_same = given == xsrf; is_same)",
        "m!(one, |two| two == 2, [1 => nonce == given])",
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
        "extern crate rand as numbers;",
        "use openssl::rand::rand_bytes;",
        "fn f() { aws_lc_rs::rand::fill(&mut key) }",
        "fn f() { aws_lc_rs::default_provider().secure_random.fill(&mut key) }",
        "fn f() -> String { format!(\"{}\", Uuid::new_v4()) }",
        "fn f() -> Value { json!({\"Id\": Uuid::new_v4()}) }",
        "fn f() -> Vec<u8> { vec![fastrand::u8(..); 32] }",
        "fn f() { tokio::select! { () = stop => {} key = rand::random() => {} } }",
        "fn f() { open!(\"/dev/urandom\") }",
        "macro_rules! id { () => { uuid::Uuid::new_v4() }; }",
    ] {
        let messages = lint_code(code);
        assert!(messages.contains("take random bytes from random_bytes"), "{code}: {messages}");
    }
    let source = ("src/security/random.rs", "fn f() { getrandom::fill(&mut bytes) }");
    let security = ("src/security/mod.rs", "mod random;");
    assert_eq!(lint(&[("src/lib.rs", "mod security;"), security, source]), "");
}

#[test]
fn an_outdated_exception_for_ids_is_found() {
    let files = |code| {
        let http = ("src/http/mod.rs", "mod request_id;");
        [("src/lib.rs", "mod http;"), http, ("src/http/request_id.rs", code)]
    };
    assert_eq!(lint(&files("fn f() { Uuid::new_v4() }")), "");
    let messages = lint(&files("fn f() {}"));
    assert!(messages.contains("src/http/request_id.rs does not use new_v4"), "{messages}");
}

/// Runs the lint on one statement of a test.
fn lint_test(statement: &str) -> String {
    let test = format!("async fn f() {{ {statement} }}");
    lint(&[("src/lib.rs", ""), ("tests/api/outages.rs", &test)])
}

#[test]
fn a_loop_of_a_test_that_may_end_without_its_condition_is_found() {
    for statement in [
        "for _ in 0..100 { if is_done() { break; } sleep(PAUSE).await; }",
        "for _ in 1..=100 { if is_done() { break; } sleep(PAUSE).await; }",
        "for attempt in attempts { match attempt() { Ok(()) => break, _ => sleep(PAUSE).await } }",
        "loop { if is_done() || Instant::now() > end { break; } tokio::time::sleep(PAUSE).await; }",
        "loop { tokio::select! { () = sleep(PAUSE) => {} () = done() => break, } }",
        "while begin.elapsed() < LIMIT { if is_done() { break; } thread::sleep(PAUSE); }",
        "while !is_done() && Instant::now() < end { sleep(PAUSE).await; }",
        "run(async { 'waiting: loop { for part in parts { if part.is_read() { break 'waiting; } }
             sleep(PAUSE).await; } });",
    ] {
        let messages = lint_test(statement);
        let expected =
            "tests/api/outages.rs: a loop of f sleeps, and may end without its condition";
        assert!(messages.contains(expected), "{statement}: {messages}");
    }
    for statement in [
        "loop { if is_done() { return; } assert!(Instant::now() < end); sleep(PAUSE).await; }",
        "let value = loop { if let Some(value) = read() { break value; } sleep(PAUSE).await; };",
        "while !is_done() { assert!(Instant::now() < end); sleep(PAUSE).await; }",
        "while Instant::now() < end { save().await; sleep(PAUSE).await; }",
        "for part in parts { loop { if part.is_read() { break; } } sleep(PAUSE).await; }",
        "for user in users { spawn(async { sleep(PAUSE).await }); if user == last { break; } }",
        "for user in users { if user == last { break; } }",
    ] {
        assert_eq!(lint_test(statement), "", "{statement}");
    }
}

/// Runs the lint on one statement of a function, with a table of three log fields.
fn lint_event(statement: &str) -> String {
    let table = "const FIELDS: &[LogField] = fields! {
        \"user.id\" => \"user.target.id\": Keyword, \"An id.\";
        \"error\" => \"error.message\": Text,
            \"An error; and its causes.\";
        \"credential.type\" => \"keeper.credential.type\": Keyword, \"A type.\";
    };";
    let code = format!("fn f() {{ {statement} }}");
    lint(&[
        ("src/lib.rs", "mod http; mod telemetry;"),
        ("src/telemetry/mod.rs", "mod log_fields;"),
        ("src/telemetry/log_fields.rs", table),
        ("src/http.rs", &code),
    ])
}

#[test]
fn a_field_of_the_log_that_is_not_in_its_table_is_found() {
    for statement in [
        "tracing::info!(number, \"a text\");",
        "tracing::warn!(%error, number, \"a text\");",
        "tracing::error!(user.id = %id, number = list.len(), \"a text of {}\", other);",
        "tracing::debug!(target: REQUESTS, { user.id = id, number = ?1 }, \"a text\");",
        "alarm!(error = &error as &dyn std::error::Error, ?number);",
        "ticket_alarm!(number, \"a text\")",
        "anchor!(user.id = 1, number = 2,);",
        "tracing::info_span!(target: REQUESTS, \"request\", user.id = Empty, number = Empty);",
        "Span::current().record(\"user.id\", id).record(\"number\", 1);",
        "tokio::select! { () = stop => {} found = find() => tracing::info!(number, \"a text\"), }",
        "tokio::spawn(async move { if let Err(error) = run().await { alarm!(%error, number) } });",
    ] {
        let messages = lint_event(statement);
        let expected = "src/http.rs logs the field `number`, which is not in the table";
        assert!(messages.contains(expected), "{statement}: {messages}");
        assert_eq!(messages.lines().count(), 1, "{statement}: {messages}");
    }
    for statement in [
        "tracing::warn!(user.id = %id, error = error as &dyn std::error::Error, \"a text\");",
        "tracing::info!(\"{number} of {}\", number);",
        "tracing::warn!(credential.r#type = name, \"a text\");",
        "alarm!(credential.type = name, \"{text}\");",
        "tracing::info!(target: TRACES, number, took_ns);",
        "tracing::info!(target: crate::trace_context::TRACES, number);",
        "trace_span!(\"authenticate\");",
        "metrics.record(number);",
        "tokio::select! { () = stop => {} found = find() => tracing::info!(\"{number}\"), }",
    ] {
        assert_eq!(lint_event(statement), "", "{statement}");
    }
    let messages = lint_event("tracing::info!(1 + 1);");
    assert!(messages.contains("src/http.rs: cannot read info!"), "{messages}");
}

/// Runs the lint on one statement of the storage.
fn lint_sql(statement: &str) -> String {
    let root = ("src/lib.rs", "mod storage;");
    let storage = ("src/storage/mod.rs", "mod users;");
    let code = format!("fn f() {{ sqlx::query!(r#\"{statement}\"#, id) }}");
    let messages = lint(&[root, storage, ("src/storage/users.rs", &code)]);
    // The other exceptions have no statement here.
    let is_own = |line: &&str| line.contains("users::f:");
    messages.lines().filter(is_own).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_statement_on_one_shard_is_accepted() {
    for statement in [
        "SELECT kind FROM installation",
        "SELECT login_name FROM users WHERE user_id = $1 FOR NO KEY UPDATE",
        "SELECT 1 FROM users u JOIN tickets t ON t.user_id = u.user_id WHERE u.user_id = $1",
        "SELECT 1 FROM tickets t JOIN users u USING (user_id) WHERE t.user_id = $1",
        "SELECT 1 FROM unnest($2::text[]) AS t(name) LEFT JOIN users u ON u.user_id = $1",
        "SELECT EXISTS (SELECT 1 FROM tickets WHERE user_id = $1)
             OR EXISTS (SELECT 1 FROM credentials WHERE user_id = $1)",
        "WITH gone AS (DELETE FROM tickets WHERE user_id = $1 RETURNING 1)
         UPDATE users SET is_retired = true WHERE user_id = $1 AND EXISTS (SELECT 1 FROM gone)",
        "INSERT INTO tickets (user_id, digest) VALUES ($1, $2)
         ON CONFLICT (user_id, digest) DO UPDATE SET expires_at = $3",
        "DELETE FROM tickets t USING users u WHERE t.user_id = $1 AND u.user_id = t.user_id",
        "UPDATE known_addresses SET counted_secrets = coalesce((counted_secrets)[1:16], '{}')
         WHERE user_id = $1",
        "SELECT user_id FROM login_names WHERE canonical_name = $1",
    ] {
        assert_eq!(lint_sql(statement), "", "{statement}");
    }
}

#[test]
fn a_statement_on_several_shards_is_found() {
    for statement in [
        "SELECT 1 FROM users",
        "SELECT 1 FROM users WHERE user_id > $1",
        "SELECT 1 FROM users WHERE user_id = ANY($1)",
        "SELECT 1 FROM users WHERE user_id = $1 OR is_retired",
        "SELECT 1 FROM users WHERE NOT (user_id = $1)",
        "SELECT 1 FROM users WHERE login_name = $1",
        // Two users, and a name with its user.
        "SELECT 1 FROM users u JOIN tickets t ON t.user_id = $2 WHERE u.user_id = $1",
        "SELECT 1 FROM login_names n JOIN users u ON u.user_id = n.user_id
         WHERE n.canonical_name = $1",
        "SELECT 1 FROM login_names n, nick_names k
         WHERE n.canonical_name = $1 AND k.canonical_name = $1",
        // The condition of an outer join keeps every row of the left side.
        "SELECT 1 FROM users u LEFT JOIN tickets t ON t.user_id = $1 AND u.user_id = $1",
        "SELECT 1 FROM tickets WHERE user_id = $1 AND EXISTS (SELECT 1 FROM users)",
        "WITH gone AS (DELETE FROM tickets WHERE expires_at < $2 RETURNING 1)
         UPDATE users SET is_retired = true WHERE user_id = $1",
        "INSERT INTO tickets (user_id, digest) SELECT user_id, $1 FROM users",
        "INSERT INTO tickets (user_id, digest) VALUES ($1, $3), ($2, $3)",
        "UPDATE users SET is_retired = true",
        "DELETE FROM tickets USING users u WHERE u.user_id = $1",
    ] {
        assert!(lint_sql(statement).contains("runs on several shards"), "{statement}");
    }
}

#[test]
fn a_statement_in_the_arguments_of_a_macro_is_found() {
    let code = "fn f() { tokio::try_join!(sqlx::query!(\"SELECT 1 FROM users\").fetch_one(a), b) }";
    let storage = ("src/storage/mod.rs", "mod users;");
    let messages = lint(&[("src/lib.rs", "mod storage;"), storage, ("src/storage/users.rs", code)]);
    assert!(messages.contains("users::f: runs on several shards"), "{messages}");
}

#[test]
fn a_form_that_a_distributed_database_refuses_is_found() {
    let upsert = |change: &str| {
        format!(
            "INSERT INTO known_addresses AS k (user_id, address_digest) VALUES ($1, $2)
             ON CONFLICT (user_id, address_digest) DO UPDATE SET {change}"
        )
    };
    for (statement, message) in [
        ("WITH a AS (SELECT FROM users WHERE user_id = $1) SELECT 1 FROM a", "empty select list"),
        (&*upsert("last_failed_at = $3 + interval '1 hour'"), "adds an interval"),
        (&*upsert("last_failed_at = k.last_failed_at - $3::interval"), "adds an interval"),
        (&*upsert("counted_secrets = ($3 || k.counted_secrets)[1:16]"), "array slice"),
        (
            "UPDATE known_addresses SET counted_secrets = (counted_secrets)[1:16]
             WHERE user_id = $1",
            "array slice",
        ),
        (
            "INSERT INTO tickets (user_id) VALUES ($1) ON CONFLICT ON CONSTRAINT tickets_pkey
             DO NOTHING",
            "names a constraint",
        ),
        (
            "WITH new AS (INSERT INTO tickets (user_id) VALUES ($1))
             UPDATE users SET is_retired = true WHERE user_id = $1",
            "inserts in a CTE",
        ),
        (
            "WITH new AS (UPDATE keys SET retired_at = $2)
             UPDATE users SET is_retired = true WHERE user_id = $1",
            "changes the reference table keys",
        ),
        (
            "WITH mode AS (SELECT set_config('synchronous_commit', 'local', true))
             UPDATE users SET is_retired = true
             WHERE user_id = $1 AND (SELECT count(*) FROM mode) >= 0",
            "volatile function",
        ),
        (
            "SELECT 1 FROM users, database_history WHERE user_id = $1",
            "reads the local table database_history",
        ),
        ("SELECT 1 FROM users WHERE is_retired LIMIT 5 FOR UPDATE SKIP LOCKED", "row locks"),
        ("SELECT 1 FROM users WHERE user_id = = $1", "cannot read the statement"),
    ] {
        let messages = lint_sql(statement);
        assert!(messages.contains(message), "{statement}: {messages}");
    }
}

#[test]
fn the_name_of_a_violated_constraint_is_used_nowhere() {
    let lint_users = |statement: &str| {
        let storage = ("src/storage/mod.rs", "mod users;");
        let code = format!("fn f() {{ {statement} }}");
        lint(&[("src/lib.rs", "mod storage;"), storage, ("src/storage/users.rs", &code)])
    };
    for statement in [
        "if let StorageError::Constraint(name) = error {}",
        "matches!(error, StorageError::Constraint(name) if name == \"users_pkey\");",
        "assert!(matches!(error, StorageError::Constraint(_name)));",
        "tokio::select! { Err(StorageError::Constraint(name)) = save() => {} }",
        "m! { error, StorageError::Constraint(name) => true, _ => false }",
    ] {
        let messages = lint_users(statement);
        let expected = "reads the name of a violated constraint";
        assert!(messages.contains(expected), "{statement}: {messages}");
    }
    assert_eq!(lint_users("matches!(error, StorageError::Constraint(_));"), "");
}

#[test]
fn the_guide_distributes_what_the_declaration_says() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    let output = command.arg("distribution").output().unwrap();
    let definition = String::from_utf8(output.stdout).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let guide = fs::read_to_string(root.join("docs/how-to/distribute-with-citus.md")).unwrap();
    assert!(guide.contains(&format!("```sql\n{definition}```")), "{definition}");
    let tables: Vec<_> = definition.split('\'').skip(1).step_by(2).collect();
    let privileges = fs::read_to_string(root.join("src/storage/privileges.rs")).unwrap();
    for migration in fs::read_dir(root.join("migrations")).unwrap() {
        let text = fs::read_to_string(migration.unwrap().path()).unwrap();
        for line in text.lines().filter_map(|line| line.strip_prefix("CREATE TABLE ")) {
            let table = line.trim_end_matches(" (");
            assert!(tables.contains(&table), "{table} has no distribution");
            assert!(privileges.contains(&format!("\"{table}\"")), "{table} has no privileges");
        }
    }
}

#[test]
fn this_repository_has_no_problem() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let output = Command::new(env!("CARGO_BIN_EXE_xtask")).current_dir(root).output().unwrap();
    let messages = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{messages}");
}
