//! A webhook as a sink: a receiver that verifies signatures, loses, delays and repeats.

use std::{collections::BTreeSet, fs, time::Duration};

use serde_json::Value;
use sqlx::PgPool;

use super::{Archive, parse_lines, wait_for_all};
use crate::support::{
    Instance, OldSystem, PLAIN, Reply, TestApp, TestAuthority, http_reply, late, make_pipe,
    replace, wait_until,
};

/// The settings of a sink that sends to a receiver.
fn settings(receiver: &OldSystem) -> String {
    let hook = receiver.variables();
    let value = |name: &str| &hook.iter().find(|(found, _)| found.ends_with(name)).unwrap().1;
    format!(
        "[audit]\nsinks = [{{ name = 'siem', type = 'webhook', url = '{}', key_file = '{}', \
         ca_file = '{}', timeout_seconds = 1 }}]\n",
        value("HOOK_URL"),
        value("HOOK_KEY_FILE"),
        value("HOOK_CA_FILE"),
    )
}

/// The events of the requests that the receiver did not refuse, in the order in which they came.
fn received(receiver: &OldSystem) -> Vec<Value> {
    let kept = receiver.requests().into_iter().filter(|request| !request.is_refused);
    kept.flat_map(|request| request.body["data"]["events"].as_array().unwrap().clone()).collect()
}

async fn save(app: &TestApp, value: &str) {
    app.save(&app.administrator(), PLAIN.0, "", value).await.assert_saved();
}

#[sqlx::test]
async fn events_arrive_in_signed_requests(pool: PgPool) {
    let receiver = OldSystem::start();
    let app = TestApp::spawn_with(pool, &[], &settings(&receiver)).await;
    save(&app, "canary-value").await;
    let events = wait_for_all(&app, || received(&receiver)).await;
    for request in receiver.requests() {
        assert!(request.is_signed && !request.is_refused, "{request:?}");
        let (first, last) = {
            let events = request.body["data"]["events"].as_array().unwrap();
            (events[0]["position"].clone(), events.last().unwrap()["position"].clone())
        };
        let id = format!("webhook-id: audit_siem_{first}_{last}\r\n");
        assert!(request.head.contains(&id), "{}", request.head);
        assert_eq!(
            (&request.body["type"], &request.body["data"]["sink"]),
            (&"audit.events".into(), &"siem".into())
        );
        assert!(!request.body.to_string().contains("canary"));
    }
    // The copy that the receiver keeps verifies.
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.jsonl");
    let lines: Vec<_> = events.iter().map(Value::to_string).collect();
    std::fs::write(&copy, lines.join("\n") + "\n").unwrap();
    assert_eq!(parse_lines(&std::fs::read_to_string(&copy).unwrap()), events);
    super::assert_verified(&app, &copy).await;
}

#[sqlx::test]
async fn a_receiver_that_loses_delays_and_repeats_gets_everything_in_order(pool: PgPool) {
    let receiver = OldSystem::start();
    let app = TestApp::spawn_with(pool, &[], &settings(&receiver)).await;
    wait_for_all(&app, || received(&receiver)).await;
    let ok = || http_reply("200 OK", "application/json", "{}");
    let failures = |reason: &str| {
        format!("keeper_audit_sink_failures_total{{sink=\"siem\",reason=\"{reason}\"}}")
    };
    for (number, (reply, reason)) in [
        // It loses the request.
        (Reply::Close, "unreachable"),
        (http_reply("500 Internal Server Error", "text/plain", "no"), "refused"),
        (http_reply("302 Found\r\nLocation: https://localhost/", "text/plain", ""), "refused"),
        (http_reply("503 Service Unavailable\r\nRetry-After: 2", "text/plain", ""), "refused"),
        // It keeps the request, and its answer comes too late.
        (late(Duration::from_millis(1500), ok()), "timed_out"),
    ]
    .into_iter()
    .enumerate()
    {
        let before = app.metric(&failures(reason)).await;
        receiver.set_reply(reply);
        save(&app, &format!("{number}-1")).await;
        save(&app, &format!("{number}-2")).await;
        app.wait_for_metric(&failures(reason), before + 1.0).await;
        receiver.set_reply(ok());
        wait_for_all(&app, || received(&receiver)).await;
    }
    // The last events came, and were repeated because the answer did not.
    let delivered = u32::try_from(super::stored(&app).await.len()).unwrap();
    let name = "keeper_audit_sink_events_delivered_total{sink=\"siem\"}";
    app.wait_for_metric(name, delivered.into()).await;
    let events = received(&receiver);
    let places: BTreeSet<_> = events.iter().map(super::place).collect();
    assert!(events.len() > places.len(), "no event was repeated");
}

/// A pipe that nobody writes stands for a volume that does not answer.
#[sqlx::test]
async fn a_key_that_cannot_be_read_stops_no_other_sink_and_not_the_shutdown(pool: PgPool) {
    let (receiver, archive) = (OldSystem::start(), Archive::new());
    let file =
        format!("}}, {{ name = 'archive', type = 'file', file = '{}' }}]", archive.path.display());
    let settings = settings(&receiver).replace("}]", &file);
    let app = TestApp::spawn(pool).await;
    app.rewrite_settings(&settings);
    let instance = Instance::start(&app, &[]);
    wait_for_all(&app, || received(&receiver)).await;
    let key = receiver.path("key");
    fs::remove_file(&key).unwrap();
    make_pipe(&key);
    for value in ["first", "second"] {
        save(&app, value).await;
        wait_for_all(&app, || archive.events()).await;
    }
    instance.stop();
}

#[sqlx::test]
async fn a_wrong_key_address_or_certificate_is_found_before_the_first_event(pool: PgPool) {
    let receiver = OldSystem::start();
    let app = TestApp::spawn(pool).await;
    let valid = settings(&receiver);
    let check = |settings: &str| {
        app.rewrite_settings(settings);
        let output = app.command(&["config", "check"], "");
        format!("{}{}", output.stdout, output.stderr)
    };
    let doctor = || {
        let output = app.command(&["--json", "doctor"], "");
        let findings: Vec<Value> = serde_json::from_str(&output.stdout).unwrap();
        let is_ours =
            |finding: &Value| finding["what"] == "each sink of the audit stream takes events";
        let finding = findings.into_iter().find(is_ours).unwrap();
        format!("{}: {}", finding["verdict"], finding["next_step"])
    };
    assert!(check(&valid).contains("the settings are valid"), "{}", check(&valid));
    assert!(doctor().contains("pass"), "{}", doctor());
    assert_eq!(receiver.requests().last().unwrap().body["type"], "audit.ping");
    // `config check` reads the files.
    let missing = receiver.path("missing").to_str().unwrap().to_owned();
    let key = receiver.path("key").to_str().unwrap().to_owned();
    let authority = receiver.path("ca.crt").to_str().unwrap().to_owned();
    let no_key = receiver.path("no-key").to_str().unwrap().to_owned();
    replace(&receiver.path("no-key"), "no key\n", 0o400);
    for (from, to, expected) in [
        (&key, &missing, "siem: key_file: failed to read"),
        (&key, &no_key, "must contain one or two lines"),
        (&authority, &missing, "siem: cannot read"),
        (&authority, &key, "contains no valid certificate"),
        (
            &"https://localhost".to_owned(),
            &"http://siem.example".to_owned(),
            "must be an https URL",
        ),
        (
            &"https://localhost".to_owned(),
            &"https://a:b@localhost".to_owned(),
            "must be an https URL",
        ),
        (&"timeout_seconds = 1".to_owned(), &"timeout_seconds = 0".to_owned(), "between 1 and 60"),
    ] {
        let found = check(&valid.replace(from, to));
        assert!(found.contains("audit.sinks") && found.contains(expected), "{to}: {found}");
    }
    // `doctor` asks the receiver.
    app.rewrite_settings(&valid);
    receiver.set_key(&[9; 32]);
    assert!(doctor().contains("answered with status 401"), "{}", doctor());
    receiver.set_certificate(&receiver.authority.issue(&["other.example"]));
    assert!(doctor().contains("siem: cannot reach localhost"), "{}", doctor());
    receiver.set_reply(Reply::Close);
    assert!(doctor().contains("siem: cannot reach localhost"), "{}", doctor());
}

#[sqlx::test]
async fn a_renewed_authority_is_used_without_a_restart(pool: PgPool) {
    let receiver = OldSystem::start();
    let app = TestApp::spawn_with(pool, &[], &settings(&receiver)).await;
    wait_for_all(&app, || received(&receiver)).await;
    let authority = TestAuthority::new();
    receiver.set_certificate(&authority.issue(&["localhost"]));
    save(&app, "with the former authority").await;
    let failures = "keeper_audit_sink_failures_total{sink=\"siem\",reason=\"unreachable\"}";
    wait_until("a delivery fails", async || app.metric(failures).await > 0.0).await;
    replace(&receiver.path("ca.crt"), &authority.certificate(), 0o444);
    wait_for_all(&app, || received(&receiver)).await;
}
