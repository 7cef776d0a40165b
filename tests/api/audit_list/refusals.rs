//! Who may read which events, and invalid queries: each error names the parameter and what is known.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::{ALL, OF_PAUL, get_with};
use crate::support::{ADMINISTRATOR, Answer, Credentials, PLAIN, SAVE, TestApp, password_of};

const EXPORT: &str = "/keeper/audit/export";

/// Part of refused values; must not be in any answer.
const MARKER: &str = "Zx7marker";

#[sqlx::test]
async fn only_administrators_and_auditors_read_the_events_of_others(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.add_user((401, "sys"), &["--type", "system"]);
    app.add_user((402, "ext"), &["--type", "external", "--administrator"]);
    app.add_user((403, "ano"), &["--type", "anonymous"]);
    app.add_user((404, "res"), &["--type", "resource"]);
    app.add_user((405, "help"), &["--role", "help-desk"]);
    app.add_user((406, "audit"), &["--role", "auditor"]);
    app.add_user((407, "out"), &["--type", "external", "--role", "auditor"]);
    // Whether the caller reads all events, and their own.
    for (caller, reads_all, reads_own) in [
        (ADMINISTRATOR, true, true),
        ((401, "sys"), true, true),
        (PLAIN, false, true),
        ((402, "ext"), false, true),
        ((403, "ano"), false, false),
        ((404, "res"), false, true),
        ((405, "help"), false, true),
        ((406, "audit"), true, true),
        ((407, "out"), false, true),
    ] {
        let credentials = Credentials::basic(caller.1, &password_of(caller.1));
        let own = format!("/keeper/users/{}/audit", caller.0);
        let of_self = format!("{ALL}?user={}", caller.0);
        for (path, is_allowed) in [
            (ALL, reads_all),
            (EXPORT, reads_all),
            ("/keeper/users/300/audit", reads_all),
            (&own, reads_own),
            (&of_self, reads_own),
        ] {
            let answer = app.get(path, &credentials).await;
            if is_allowed {
                answer.assert_status(200);
            } else {
                answer.assert_forbidden();
            }
        }
        if !reads_all {
            // A refusal does not reveal whether a user exists.
            app.get("/keeper/users/4711/audit", &credentials).await.assert_forbidden();
        }
    }
}

#[sqlx::test]
async fn users_do_not_see_where_and_why_others_made_a_change(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let body = json!({
        "UserId": PLAIN.0,
        "Credential": {"Type": {"Type": "ActiveDirectory"}, "Value": "S-1-5"},
    });
    let request = app.request(Method::POST, SAVE, &app.administrator()).json(&body);
    let saved = request.header("Keeper-Reason", "case 7").send().await.unwrap();
    Answer::read(saved).await.assert_saved();
    app.ticket(&app.plain()).await;
    let page = app.get(OF_PAUL, &app.plain()).await.json();
    let (own, by_administrator) = (&page["Events"][0], &page["Events"][1]);
    assert_eq!((&own["Kind"], &own["ActorId"]), (&"ticket_issued".into(), &PLAIN.0.into()));
    assert_eq!(own["Address"], "127.0.0.1");
    assert!(own["RequestId"].is_string());
    assert_eq!(by_administrator["Kind"], "credential_saved");
    assert_eq!(by_administrator["ActorId"], ADMINISTRATOR.0);
    assert_eq!(by_administrator["Address"], Value::Null);
    assert_eq!(by_administrator["RequestId"], Value::Null);
    assert_eq!(by_administrator["Reason"], Value::Null);
    let page = app.get(OF_PAUL, &app.administrator()).await.json();
    assert_eq!(page["Events"][1]["Address"], "127.0.0.1");
    assert_eq!(page["Events"][1]["Reason"], "case 7");
    assert!(page["Events"][0]["RequestId"].is_string());
}

#[sqlx::test]
async fn an_invalid_parameter_is_named_with_what_is_known(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let administrator = app.administrator();
    for path in [ALL, EXPORT] {
        for name in ["user", "actor"] {
            for (value, known) in [
                ("", "integer"),
                (MARKER, "integer"),
                ("-1", "integer"),
                ("+1", "integer"),
                ("1.0", "integer"),
                (" 1", "integer"),
                ("１", "integer"),
                ("0", "positive"),
                ("2147483648", "range"),
                ("99999999999999999999999", "range"),
            ] {
                let answer = get_with(&app, path, &[(name, value)], &administrator).await;
                assert_names(&answer, name, known);
            }
        }
        for kind in [
            "",
            ",",
            MARKER,
            "credential_saved,",
            "credential_saved,Zx7marker",
            "CREDENTIAL_SAVED",
            "credential saved",
        ] {
            let answer = get_with(&app, path, &[("kind", kind)], &administrator).await;
            assert_names(&answer, "kind", "credential_saved");
        }
        for name in ["since", "until"] {
            for time in [
                "",
                MARKER,
                "yesterday",
                "2027-13-01",
                "2027-02-30",
                "20270101",
                "2027-01-01T25:00:00Z",
                "1790000000",
                "2027-01-01T00:00:00+24:00",
                "12027-01-01",
            ] {
                let answer = get_with(&app, path, &[(name, time)], &administrator).await;
                assert_names(&answer, name, "2027-01-01T00:00:00Z");
            }
        }
        let backwards = [("since", "2027-01-02"), ("until", "2027-01-01")];
        assert_names(&get_with(&app, path, &backwards, &administrator).await, "until", "before");
        let same = [("since", "2027-01-02"), ("until", "2027-01-02")];
        assert_names(&get_with(&app, path, &same, &administrator).await, "until", "before");
        for unknown in ["acter", "$filter", "$skip", "$", "Zx7marker", "user[]", "$select"] {
            let answer = get_with(&app, path, &[(unknown, MARKER)], &administrator).await;
            assert_names(&answer, "query string", "user, kind, actor, since, until");
        }
        for encoded in ["user=%ff", "kind=%c3", "since=%80"] {
            let field = encoded.split('=').next().unwrap();
            let answer = app.get(&format!("{path}?{encoded}"), &administrator).await;
            assert_names(&answer, field, "UTF-8");
        }
        let repeated = app.get(&format!("{path}?user=1&USER=2"), &administrator).await;
        repeated.assert_refused(400, "ArgumentException", "duplicate_member");
        assert_eq!(repeated.json()["Field"], "user");
    }
    for top in ["0", "1001", "-1", "", "1.0", MARKER, "99999999999"] {
        let answer = get_with(&app, ALL, &[("$top", top)], &administrator).await;
        assert_names(&answer, "$top", "1 to 1000");
    }
    for token in [
        "",
        "1",
        "1.2",
        "1.2.3.4",
        "-1.2.3",
        MARKER,
        "9223372036854775807.1.1",
        "1.1.9223372036854775808",
    ] {
        let answer = get_with(&app, ALL, &[("$skiptoken", token)], &administrator).await;
        assert_names(&answer, "$skiptoken", "Next");
    }
    for format in ["", "xlsx", "json", MARKER] {
        let answer = get_with(&app, EXPORT, &[("$format", format)], &administrator).await;
        assert_names(&answer, "$format", "csv or jsonl");
    }
    // The user is in the path, and an export has no pages.
    let answer = get_with(&app, OF_PAUL, &[("user", "278")], &administrator).await;
    assert_names(&answer, "query string", "kind, actor");
    assert_names(
        &get_with(&app, EXPORT, &[("$top", "1")], &administrator).await,
        "query string",
        "$format",
    );
}

#[sqlx::test]
async fn a_refusal_is_in_the_language_and_the_format_of_the_caller(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let request = app.request(Method::GET, &format!("{ALL}?kind=x"), &app.administrator());
    let request = request.header("Accept-Language", "de").header("Accept", "application/xml");
    let answer = Answer::read(request.send().await.unwrap()).await;
    answer.assert_status(400);
    assert!(answer.header("content-type").starts_with("application/xml"), "{answer:?}");
    assert!(answer.body.contains("Arten von Audit-Ereignissen"), "{answer:?}");
}

/// Asserts a 400 that names the parameter and what is known, and repeats nothing.
#[track_caller]
fn assert_names(answer: &Answer, field: &str, known: &str) {
    answer.assert_field_refused(field);
    let message = answer.json()["Message"].as_str().unwrap().to_owned();
    assert!(message.starts_with(&format!("{field}: ")) && message.contains(known), "{message}");
    assert!(!answer.body.contains(MARKER), "{answer:?}");
}
