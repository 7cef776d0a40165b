//! `doctor`: the verdict on each requirement, with the next step.

use std::collections::BTreeMap;

use serde_json::Value;
use sqlx::PgPool;

use crate::support::{TestApp, keeper, run_with_input};

/// The exit code, and the verdict and next step by requirement.
fn doctor(app: &TestApp, variables: &[(&str, &str)]) -> (i32, BTreeMap<String, (String, String)>) {
    let mut command = keeper(&["--json", "doctor"]);
    command.envs(app.variables()).envs(variables.iter().copied());
    let finished = run_with_input(command, "");
    let findings: Value =
        serde_json::from_str(&finished.stdout).unwrap_or_else(|_| panic!("{finished:?}"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let findings = findings.as_array().unwrap().iter().map(|finding| {
        assert!(!finding["clause"].as_str().unwrap().is_empty());
        (text(&finding["what"]), (text(&finding["verdict"]), text(&finding["next_step"])))
    });
    (finished.code, findings.collect())
}

#[sqlx::test]
async fn doctor_passes_a_sound_installation_and_names_the_next_step_of_a_failure(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let sound = [("KEEPER__PASSWORDS__POLICY", "nist")];
    // Records the writing key.
    app.command(&["user", "list"], "").assert_success();
    let (code, findings) = doctor(&app, &sound);
    let failed: Vec<_> = findings.iter().filter(|(_, (verdict, _))| verdict == "FAIL").collect();
    assert_eq!((code, failed), (0, Vec::new()));
    assert!(findings.len() >= 25, "{} clauses", findings.len());
    for (variable, value, what) in [
        ("PASSWORDS__POLICY", "none", "common and breached passwords are rejected"),
        ("HASHING__ITERATIONS", "1", "the hashing cost meets OWASP's minimum"),
        ("ATTEMPTS__MAXIMUM_PER_ADDRESS", "0", "failed attempts per address are limited"),
        ("HTTP__TLS_TERMINATED_BY_PROXY", "true", "client addresses are known behind the proxy"),
        (
            "HTTP__LISTEN",
            "0.0.0.0:0",
            "plain HTTP is served on loopback or behind a TLS proxy only",
        ),
        ("HTTP__LISTEN", "0.0.0.0:0", "requests for other host names are rejected"),
        ("HTTP__CORS_ORIGINS", "*", "cross-origin requests are limited to configured origins"),
        ("LOG__LEVEL", "debug", "the log level is info or less verbose"),
        ("LOG__LEVEL", "warn,sqlx=debug", "the log level is info or less verbose"),
        (
            "SESSIONS__ABSOLUTE_SECONDS",
            "0",
            "tickets, sessions and tokens have an absolute lifetime",
        ),
        ("ACCESS_TOKENS__LIFETIME_SECONDS", "90000", "access tokens expire within a day"),
        ("AUDIT__ANCHOR_SECONDS", "0", "anchors of the audit chains are logged at least daily"),
        ("AUDIT__ANCHOR_SECONDS", "86401", "anchors of the audit chains are logged at least daily"),
        ("KEYRING__FILE", "/no/such/file", "the keyring and the database are usable and match"),
        (
            "DATABASE__URL",
            app.owner_url().as_str(),
            "the database role of the service is not a superuser",
        ),
    ] {
        let variable = format!("KEEPER__{variable}");
        let (code, findings) = doctor(&app, &[&sound[..], &[(variable.as_str(), value)]].concat());
        let (verdict, next) = &findings[what];
        assert_eq!((code, verdict.as_str()), (1, "FAIL"), "{variable}={value}");
        assert!(!next.is_empty(), "{variable}={value}");
    }
    for (statements, what) in [
        // The administrator flag of an external user has no effect.
        (
            "UPDATE users SET user_type = 'external' WHERE is_administrator",
            "there is an active administrator",
        ),
        ("UPDATE users SET is_administrator = false", "there is an active administrator"),
        (
            "UPDATE keys SET first_used_at = now() - interval '366 days'",
            "the writing key is less than a year old",
        ),
        (
            "UPDATE credentials SET key_id = 'other'",
            "every credential is sealed under the writing key",
        ),
        (
            "INSERT INTO installation VALUES (true, 'development', now())",
            "the database is not a demo with published passwords",
        ),
    ] {
        sqlx::raw_sql(statements).execute(&app.pool).await.unwrap();
        let (code, findings) = doctor(&app, &sound);
        assert_eq!((code, findings[what].0.as_str()), (1, "FAIL"), "{statements}");
    }
    let cheaper = [("KEEPER__HASHING__MEMORY_KIB", "47104")];
    let (_, findings) = doctor(&app, &[&sound[..], &cheaper].concat());
    assert_eq!(findings["every hash has the current cost"].0, "note");
    // A less verbose level omits requests, but never anchors and alarms.
    let (_, findings) = doctor(&app, &[&sound[..], &[("KEEPER__LOG__LEVEL", "warn")]].concat());
    assert_eq!(findings["every request is logged with its caller"].0, "note");
    for what in ["anchors of the audit chains are logged at least daily", "alarms are logged"] {
        assert_eq!(findings[what].0, "pass", "{what}");
    }
}
