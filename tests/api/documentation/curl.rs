//! The lines for curl on the pages, executed literally by bash.

use std::{
    collections::BTreeMap,
    fmt::Write,
    process::{Command, Stdio},
};

use serde_json::Value;
use sqlx::PgPool;

use super::{ADMINISTRATOR, add_administrator, document, examples, operations};
use crate::support::{Credentials, TestApp};

const BASE: &str = "/SuperOffice";
/// The operations that come first or last, because they end what the others need.
const FIRST: [&str; 1] = ["post.login"];
const LAST: [&str; 4] = [
    "delete.User.user",
    "post.Agents.User.DeleteUser",
    "post.Agents.User.ChangeOwnPassword",
    "delete.keeper.tickets.current",
];
/// The id of a ticket in its example is a placeholder.
const TICKET_OF_ID: &str = "delete.keeper.users.id.tickets.ticket";
/// Ends the session, like the deletion of the ticket in use.
const SIGN_OUT: &str = "post.logout";
/// Has the password of the user of the examples, in a session of another user.
const PROOF: &str = "post.keeper.session.proof";
/// Prints the status after each response.
const PRINT_STATUS: &str = "curl() { command curl --silent --show-error --max-time 60 \
                            --write-out '\\n@@status %{http_code}\\n' \"$@\"; }";

/// The text of an element, without the escapes of HTML.
fn unescaped(text: &str) -> String {
    let escapes = [("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'"), ("&#38;", "&")];
    escapes.iter().fold(text.to_owned(), |text, (escape, plain)| text.replace(escape, plain))
}

/// The blocks of code in the section with a heading, each with the heading directly before it.
fn blocks(page: &str, id: &str) -> Vec<(String, String)> {
    let (_, section) = page.split_once(&format!("<h2 id=\"{id}\">")).unwrap();
    let section = section.split("</section>").next().unwrap();
    let mut parts = section.split("<pre><code>");
    let mut before = parts.next().unwrap();
    let mut blocks = Vec::new();
    for part in parts {
        let (code, after) = part.split_once("</code></pre>").unwrap();
        let heading = before.rsplit("<h3>").next().unwrap().split("</h3>").next().unwrap();
        blocks.push((heading.to_owned(), unescaped(code)));
        before = after;
    }
    blocks
}

/// Runs a script, and returns what it printed.
fn run(app: &TestApp, script: &str) -> String {
    let bash = Command::new("bash")
        .args(["-euo", "pipefail", "-c", script])
        .env("KEEPER", &app.url)
        .env("LOGIN", ADMINISTRATOR.0)
        .env("PASSWORD", ADMINISTRATOR.1)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&bash.stderr);
    assert!(bash.status.success() && errors.is_empty(), "{}: {errors}", bash.status);
    String::from_utf8(bash.stdout).unwrap()
}

/// The lines of every operation, by id and scheme.
async fn lines(app: &TestApp) -> BTreeMap<(String, String), String> {
    let mut lines = BTreeMap::new();
    for (id, operation) in operations(&document()) {
        let page = app.get(&format!("{BASE}/docs/{id}"), &Credentials::Anonymous).await.body;
        let found = blocks(&page, "curl");
        let is_open = operation.described.get("security").is_none();
        let expected: &[&str] = match id.as_str() {
            SIGN_OUT | PROOF => &["Session with XSRF token"],
            "post.keeper.tickets" => &["Basic"],
            "delete.keeper.tickets.current" => &["SoTicket"],
            _ if is_open => &["Without authentication"],
            _ => &["Basic", "SoTicket", "Bearer", "Session with XSRF token"],
        };
        let schemes: Vec<_> = found.iter().map(|(scheme, _)| scheme.as_str()).collect();
        assert_eq!(schemes, expected, "{id}");
        lines.extend(found.into_iter().map(|(scheme, line)| ((id.clone(), scheme), line)));
    }
    lines
}

/// The line of a description is the same for each call, so one of them is executed.
fn is_executed(id: &str) -> bool {
    !id.starts_with("get.Agents.") || id == "get.Agents.User.GetUser"
}

/// The place of an operation in the order of execution.
fn place(id: &str) -> usize {
    let last = LAST.iter().position(|last| *last == id).map(|index| index + 2);
    last.unwrap_or_else(|| usize::from(!FIRST.contains(&id)))
}

#[sqlx::test]
async fn every_line_for_curl_sends_a_request_that_the_service_accepts(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[("KEEPER__HTTP__BASE_PATH", BASE)], "").await;
    add_administrator(&app);
    // The user of most examples, with the password of the last one.
    let user = ["user", "add", "kari", "--id", "1000"];
    app.command(&user, "four purple otters bake bread").assert_success();
    let index = app.get(&format!("{BASE}/docs"), &Credentials::Anonymous).await.body;
    let start = &blocks(&index, "call");
    assert_eq!(start.len(), 2);
    assert!(start[0].1.starts_with("KEEPER=https://keeper.example\n"), "{start:?}");
    // The second block gets the ticket, the token and the session.
    let prelude = format!("{}\n{PRINT_STATUS}\n", start[1].1);
    let lines = lines(&app).await;
    let mut ordered: Vec<_> = lines.iter().filter(|((id, _), _)| is_executed(id)).collect();
    ordered.sort_by_key(|((id, _), _)| place(id));
    let mut scripts = [prelude.clone(), prelude];
    for ((id, scheme), line) in &ordered {
        let script = &mut scripts[usize::from(id == SIGN_OUT)];
        writeln!(script, "echo '@@call {id} {scheme}'\n{line}").unwrap();
    }
    let printed = scripts.map(|script| run(&app, &script)).concat();
    let examples = examples();
    let (mut called, mut succeeded, mut problems) = (0, Vec::new(), Vec::new());
    for part in printed.split("@@call ").skip(1) {
        let (call, rest) = part.split_once('\n').unwrap();
        let (body, status) = rest.rsplit_once("@@status ").unwrap();
        let (id, status) = (call.split(' ').next().unwrap(), status.trim());
        let recorded = examples[id].as_array().unwrap();
        let status_code = status.parse().ok();
        let is_recorded = recorded.iter().any(|example| example["status"].as_u64() == status_code);
        let code = serde_json::from_str::<Value>(body.trim()).ok();
        let code = code.and_then(|body| Some(body.get("Code")?.as_str()?.to_owned()));
        // The users of the examples may be gone, or exist already.
        let is_about_data = code.as_deref().is_some_and(|code| {
            matches!(code, "unknown_user" | "login_name_taken" | "identifier_taken" | "outdated")
        });
        let is_gone = id == TICKET_OF_ID && status == "404";
        let is_of_another = id == PROOF && code.as_deref() == Some("unauthenticated");
        if !(is_recorded || is_about_data || is_gone || is_of_another) {
            problems.push(format!("{call}: {status} {body}"));
        }
        called += 1;
        if status.starts_with('2') {
            succeeded.push(call.to_owned());
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert_eq!(called, ordered.len());
    assert!(succeeded.len() * 3 > called * 2, "only {} of {called}", succeeded.len());
    for id in ["post.Agents.User.GetCredentialTypes", "get.User", "get.User.currentPrincipal"] {
        for scheme in ["Basic", "SoTicket", "Bearer", "Session with XSRF token"] {
            assert!(succeeded.contains(&format!("{id} {scheme}")), "{id} {scheme}");
        }
    }
}
