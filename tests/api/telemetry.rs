//! Traces and logs by OTLP: what a collector receives, and what its failures cost.

use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;
use sqlx::PgPool;

use crate::{
    canary::{MARKER, assert_no_secret},
    support::{
        Answer, Collector, CollectorFront, CommandOutput, Credentials, FrontReply, Instance,
        OldSystem, OpenBao, PLAIN, PRINCIPAL, TestApp, TestAuthority, TestIssuer, keeper,
        old_password, replace, run_with_input, wait_until,
    },
};

const URL: &str = "KEEPER__TELEMETRY__OTLP_URL";
const TIMEOUT: &str = "KEEPER__TELEMETRY__OTLP_TIMEOUT_SECONDS";
const RATIO: &str = "KEEPER__TELEMETRY__TRACE_SAMPLE_RATIO";

/// The ids of a caller.
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// The header of a caller who has decided that a trace is exported, or that it is not.
fn traceparent(trace: &str, is_sampled: bool) -> String {
    format!("00-{trace}-{PARENT}-0{}", u8::from(is_sampled))
}

/// Sends a GET request with further headers.
async fn get(instance: &Instance, credentials: &Credentials, headers: &[(&str, &str)]) -> Answer {
    let request = instance.client.get(format!("{}{PRINCIPAL}", instance.server.ready));
    let mut request = credentials.apply_to(request);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Answer::read(request.send().await.unwrap()).await
}

/// A span as the collector prints it.
#[derive(Debug, Default)]
struct Span {
    trace: String,
    parent: String,
    id: String,
    name: String,
    kind: String,
    /// The times of its start and its end, in nanoseconds.
    times: [u64; 2],
    attributes: Vec<String>,
}

/// The spans that the collector has received.
fn spans(received: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut is_in_span = false;
    for line in received.lines().map(str::trim) {
        if line.starts_with("Span #") {
            spans.push(Span::default());
            is_in_span = true;
        } else if line.starts_with("ResourceLog") || line.starts_with("ResourceSpans") {
            is_in_span = false;
        }
        let Some(span) = spans.last_mut().filter(|_| is_in_span) else { continue };
        if let Some(attribute) = line.strip_prefix("-> ") {
            span.attributes.push(attribute.to_owned());
        }
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        match name.trim() {
            "Trace ID" => value.clone_into(&mut span.trace),
            "Parent ID" => value.clone_into(&mut span.parent),
            "ID" => value.clone_into(&mut span.id),
            "Name" => value.clone_into(&mut span.name),
            "Kind" => value.clone_into(&mut span.kind),
            "Start time" => span.times[0] = value.parse().unwrap(),
            "End time" => span.times[1] = value.parse().unwrap(),
            _ => {}
        }
    }
    spans
}

fn named<'span>(spans: &'span [Span], name: &str) -> &'span Span {
    let found = spans.iter().find(|span| span.name == name);
    found.unwrap_or_else(|| panic!("no span {name}: {spans:#?}"))
}

#[sqlx::test]
async fn a_login_is_exported_as_a_trace_of_its_caller_with_its_logs(pool: PgPool) {
    let collector = Collector::start();
    let app = TestApp::spawn(pool).await;
    let instance = Instance::start(&app, &[(URL, &collector.url())]);
    let header = traceparent(TRACE, true);
    get(&instance, &app.plain(), &[("traceparent", &header)]).await.assert_status(200);
    let log = instance.stop();
    let received = collector.received();
    let spans = spans(&received);
    let root = named(&spans, "GET /api/v1/user/currentprincipal");
    assert_eq!((root.kind.as_str(), root.parent.as_str()), ("SPAN_KIND_SERVER", PARENT));
    for attribute in [
        "http.request.method: Str(GET)",
        "http.route: Str(/api/v1/user/currentprincipal)",
        "http.response.status_code: Int(200)",
    ] {
        assert!(root.attributes.iter().any(|found| found == attribute), "{root:?}");
    }
    let authenticate = named(&spans, "authenticate");
    assert_eq!(authenticate.parent, root.id);
    for name in ["hashing.wait", "hashing.work", "db.logins.find", "db.attempts.record_success"] {
        let span = named(&spans, name);
        assert_eq!(span.parent, authenticate.id, "{name}");
        let kind = if name.starts_with("db.") { "SPAN_KIND_CLIENT" } else { "SPAN_KIND_INTERNAL" };
        assert_eq!(span.kind, kind, "{name}");
    }
    let [wait, work] = ["hashing.wait", "hashing.work"].map(|name| named(&spans, name).times);
    assert!(wait[1] - wait[0] < 1_000_000_000 && work[1] - work[0] > 1_000_000, "{spans:#?}");
    for span in spans.iter().filter(|span| span.trace == TRACE) {
        assert!(root.times[0] <= span.times[0] && span.times[1] <= root.times[1], "{span:?}");
    }
    // The same log with the same names, in the same trace.
    let line: Value = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .find(|line| line["message"] == "answered")
        .unwrap();
    assert_eq!((&line["trace.id"], &line["span.id"]), (&TRACE.into(), &root.id.as_str().into()));
    let (_, record) = received.split_once("Body: Str(answered)").unwrap();
    for text in [
        format!("-> http.request.id: Str({})", line["http.request.id"].as_str().unwrap()),
        format!("-> user.id: Str({})", PLAIN.0),
        format!("Trace ID       : {TRACE}"),
        format!("Span ID        : {}", root.id),
    ] {
        assert!(record.contains(&text), "{text}: {record}");
    }
    assert!(received.contains("-> service.name: Str(credential-keeper)"), "{received}");
}

#[sqlx::test]
async fn no_value_of_a_request_reaches_the_collector(pool: PgPool) {
    let collector = Collector::start();
    let app = TestApp::spawn(pool).await;
    app.command(&["user", "add", "canary-name", "--id", "4100"], "canary-password")
        .assert_success();
    let level = ("KEEPER__LOG__LEVEL", "trace,sqlx=trace,actix_http=trace");
    let instance = Instance::start(&app, &[(URL, &collector.url()), level]);
    let user = Credentials::basic("canary-name", "canary-password");
    get(&instance, &user, &[]).await.assert_status(200);
    get(&instance, &Credentials::basic("canary-name", "canary-wrong"), &[])
        .await
        .assert_status(401);
    instance.get(&format!("{PRINCIPAL}?$select=canary-query"), &user).await;
    instance.get("/canary-path", &user).await.assert_status(404);
    instance.get("/api/v1/User/canary-parameter", &user).await;
    let ticket = instance.ticket(&user).await;
    get(&instance, &ticket, &[]).await.assert_status(200);
    instance.save(&app.administrator(), 4100, "canary-saved").await.assert_saved();
    let token = instance.token(&app.plain()).await;
    get(&instance, &token, &[]).await.assert_status(200);
    instance.stop();
    let received = collector.received();
    assert!(spans(&received).len() > 50, "{received}");
    assert!(received.contains("InstrumentationScope sqlx::query"), "{received}");
    assert!(!received.to_lowercase().contains("canary"), "{received}");
    for encoded in ["canary-name:canary-password", "canary-name:canary-wrong"] {
        assert!(!received.contains(&STANDARD.encode(encoded)), "{encoded}");
    }
    for issued in [ticket, token] {
        let (Credentials::Ticket(text) | Credentials::Bearer(text)) = issued else { panic!() };
        assert!(!received.contains(&text[3..]), "a ticket or a token was exported");
    }
}

#[sqlx::test]
async fn the_decision_of_the_caller_is_kept_and_else_the_ratio_decides(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let of_caller = |number: u8| format!("{number:02x}{}", &TRACE[2..]);
    for (ratio, own) in [("0.0", false), ("1.0", true)] {
        let collector = Collector::start();
        let instance = Instance::start(&app, &[(URL, &collector.url()), (RATIO, ratio)]);
        for (number, is_sampled) in [(1, true), (2, false)] {
            let header = traceparent(&of_caller(number), is_sampled);
            get(&instance, &app.plain(), &[("traceparent", &header)]).await.assert_status(200);
        }
        // Neither begins with a valid header, so each begins a trace of its own.
        for header in ["", "00-0-0-01", &traceparent(TRACE, true).to_uppercase(), "\u{e4}"] {
            get(&instance, &app.plain(), &[("traceparent", header)]).await.assert_status(200);
        }
        instance.stop();
        let received = collector.received();
        let spans = spans(&received);
        let roots = spans.iter().filter(|span| span.kind == "SPAN_KIND_SERVER");
        let traces: Vec<_> = roots.map(|span| span.trace.clone()).collect();
        assert!(traces.contains(&of_caller(1)), "{ratio}: {traces:?}");
        assert!(spans.iter().all(|span| span.trace != of_caller(2)), "{ratio}: {spans:#?}");
        assert_eq!(traces.len(), if own { 5 } else { 1 }, "{ratio}: {traces:?}");
        assert!(!traces.iter().any(|trace| trace == TRACE || trace.starts_with("0000")));
        // Logs are exported all the same.
        assert_eq!(received.matches("Body: Str(answered)").count(), 6, "{received}");
    }
}

/// The id of the span that a request of this service names as its parent.
fn parent_in(head: &str, trace: &str) -> String {
    let line = head.lines().find_map(|line| line.strip_prefix("traceparent: "));
    let line = line.unwrap_or_else(|| panic!("no traceparent: {head}"));
    let rest = line.strip_prefix(&format!("00-{trace}-")).unwrap_or_else(|| panic!("{line}"));
    rest.strip_suffix("-01").unwrap().to_owned()
}

#[sqlx::test]
async fn the_trace_goes_on_in_requests_to_other_services(pool: PgPool) {
    let collector = Collector::start();
    let old = OldSystem::start();
    let keys = CollectorFront::start(None, FrontReply::Status("500 Internal Server Error"));
    let variables = old.variables();
    let variables: Vec<_> = variables.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let issuer = format!(r#"jwks_url = "{}/keys""#, keys.url());
    let settings = TestIssuer::settings_with_keys(&issuer);
    let app = TestApp::spawn_with(pool, &variables, &settings).await;
    let instance = Instance::start(&app, &[(URL, &collector.url())]);
    let header = traceparent(TRACE, true);
    let headers = [("traceparent", header.as_str()), ("tracestate", "vendor=1")];
    let moving = Credentials::basic("moving", &old_password("moving"));
    get(&instance, &moving, &headers).await.assert_status(200);
    let token = TestIssuer::new().token(&TestIssuer::claims("somebody"));
    get(&instance, &Credentials::Bearer(token), &headers).await.assert_status(503);
    // Without a trace of the caller, with one of its own.
    get(&instance, &Credentials::basic("another", "x"), &[]).await.assert_status(401);
    instance.stop();
    let spans = spans(&collector.received());
    let requests = old.requests();
    for (head, name) in
        [(&requests[0].head, "migration_hook.ask"), (&keys.heads()[0], "key_sets.fetch")]
    {
        let span = named(&spans, name);
        assert_eq!(
            (parent_in(head, TRACE), span.kind.as_str()),
            (span.id.clone(), "SPAN_KIND_CLIENT")
        );
        assert_eq!(span.trace, TRACE);
        assert!(head.contains("\r\ntracestate: vendor=1\r\n"), "{head}");
    }
    let own = spans.iter().filter(|span| span.name == "migration_hook.ask").nth(1).unwrap();
    assert_eq!(parent_in(&requests[1].head, &own.trace), own.id);
    assert!(!requests[1].head.contains("tracestate"), "{:?}", requests[1]);
}

#[sqlx::test]
async fn without_a_collector_nothing_is_installed_or_sent(pool: PgPool) {
    let old = OldSystem::start();
    let variables = old.variables();
    let variables: Vec<_> = variables.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let app = TestApp::spawn_with(pool, &variables, "").await;
    let threads = |instance: &Instance| {
        let folder = fs::read_dir(format!("/proc/{}/task", instance.server.id())).unwrap();
        let names =
            folder.map(|task| fs::read_to_string(task.unwrap().path().join("comm")).unwrap());
        names.filter(|name| name.trim() == "otlp-export").count()
    };
    let instance = Instance::start(&app, &[]);
    assert_eq!(threads(&instance), 0);
    let header = traceparent(TRACE, true);
    let moving = Credentials::basic("moving", &old_password("moving"));
    get(&instance, &moving, &[("traceparent", &header)]).await.assert_status(200);
    assert!(!old.requests()[0].head.contains("traceparent"));
    assert!(!instance.stop().contains("trace.id"));
    let collector = Collector::start();
    let instance = Instance::start(&app, &[(URL, &collector.url())]);
    assert_eq!(threads(&instance), 1);
    instance.stop();
}

/// The last errors and warnings of an instance.
async fn recent_errors(instance: &Instance) -> String {
    let url = format!("{}/errors", instance.operations);
    instance.client.get(url).send().await.unwrap().text().await.unwrap()
}

/// A text of a line of the log.
fn text_of(line: &str, name: &str) -> String {
    let line: Value = serde_json::from_str(line).unwrap();
    line[name].as_str().unwrap_or_default().to_owned()
}

fn dropped(signal: &str, reason: &str) -> String {
    format!("keeper_telemetry_dropped_total{{signal=\"{signal}\",reason=\"{reason}\"}}")
}

#[sqlx::test]
async fn a_collector_that_is_away_for_a_while_gets_everything_later(pool: PgPool) {
    let mut collector = Collector::stopped();
    let app = TestApp::spawn(pool).await;
    let instance = Instance::start(&app, &[(URL, &collector.url())]);
    let header = traceparent(TRACE, true);
    let begun = Instant::now();
    get(&instance, &app.plain(), &[("traceparent", &header)]).await.assert_status(200);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let failure = |signal: &str| format!("cannot export {signal}; trying again");
    wait_until("exports of both signals have failed", async || {
        let errors = recent_errors(&instance).await;
        ["traces", "logs"].iter().all(|signal| errors.contains(&failure(signal)))
    })
    .await;
    collector.restart();
    let received = collector.wait_for(&["authenticate", "Body: Str(answered)"]);
    assert_eq!(named(&spans(&received), "authenticate").trace, TRACE);
    let log = instance.stop();
    for signal in ["traces", "logs"] {
        // The collector refuses connections, and may answer late while it starts.
        let lines = log.lines().filter(|line| line.contains(&failure(signal)));
        let mut errors: Vec<_> = lines.map(|line| text_of(line, "error.message")).collect();
        let (count, first) = (errors.len(), errors.first().cloned().unwrap_or_default());
        assert!(first.contains("cannot be reached: "), "{log}");
        errors.sort();
        errors.dedup();
        assert_eq!(errors.len(), count, "an error is repeated: {log}");
        assert!(log.contains(&format!("the collector takes {signal} again")), "{log}");
    }
}

#[sqlx::test]
async fn a_collector_that_never_answers_delays_no_request(pool: PgPool) {
    let front = CollectorFront::start(None, FrontReply::Nothing);
    let app = TestApp::spawn(pool).await;
    let level = ("KEEPER__LOG__LEVEL", "trace,sqlx=trace,actix_http=trace");
    // Much longer than a request takes on a busy machine.
    let instance = Instance::start(&app, &[(URL, &front.url()), (TIMEOUT, "60"), level]);
    let user = app.plain();
    let full = dropped("logs", "queue_full");
    let mut slowest = Duration::ZERO;
    for _ in 0..3000 {
        let begun = Instant::now();
        get(&instance, &user, &[]).await.assert_status(200);
        slowest = slowest.max(begun.elapsed());
        if instance.metric(&full).await > Some(100.0) {
            break;
        }
    }
    assert!(instance.metric(&full).await > Some(100.0));
    assert!(slowest < Duration::from_secs(20), "{slowest:?}");
    wait_until("the collector is asked", async || !front.heads().is_empty()).await;
    let begun = Instant::now();
    instance.stop();
    // Five seconds are for the collector.
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}

#[sqlx::test]
async fn what_a_collector_refuses_is_counted_and_later_batches_are_sent(pool: PgPool) {
    let collector = Collector::start();
    let front = CollectorFront::start(None, FrontReply::Status("500 Internal Server Error"));
    let app = TestApp::spawn(pool).await;
    let instance = Instance::start(&app, &[(URL, &front.url())]);
    get(&instance, &app.plain(), &[]).await.assert_status(200);
    let refused = dropped("traces", "refused");
    instance.wait_for_more(&refused, 0.0).await;
    front.set_reply(FrontReply::Forward(collector.url()));
    let header = traceparent(TRACE, true);
    get(&instance, &app.plain(), &[("traceparent", &header)]).await.assert_status(200);
    collector.wait_for(&[&format!("Trace ID       : {TRACE}"), "Body: Str(answered)"]);
    let log = instance.stop();
    assert!(log.contains("answered 500 Internal Server Error to /v1/traces"), "{log}");
}

#[sqlx::test]
async fn what_a_collector_rejects_of_a_batch_is_counted_and_logged(pool: PgPool) {
    let front = CollectorFront::start(None, FrontReply::Reject("too many"));
    let app = TestApp::spawn(pool).await;
    let instance = Instance::start(&app, &[(URL, &front.url())]);
    get(&instance, &app.plain(), &[]).await.assert_status(200);
    instance.wait_for_more(&dropped("logs", "refused"), 0.0).await;
    let log = instance.stop();
    assert!(log.contains("the collector rejected a part of the logs"), "{log}");
    assert!(log.contains("too many"), "{log}");
}

#[sqlx::test]
async fn what_a_collector_rejects_is_logged_once_a_minute_whatever_it_says(pool: PgPool) {
    let front = CollectorFront::start(None, FrontReply::Reject("too many"));
    let app = TestApp::spawn(pool).await;
    let instance = Instance::start(&app, &[(URL, &front.url())]);
    let batches = || front.heads().iter().filter(|head| head.starts_with("POST /v1/logs ")).count();
    for _ in 0..4 {
        let before = batches();
        get(&instance, &app.plain(), &[]).await.assert_status(200);
        wait_until("another batch of logs is rejected", async || batches() > before).await;
    }
    let log = instance.stop();
    for signal in ["traces", "logs"] {
        let line = format!("the collector rejected a part of the {signal}");
        assert_eq!(log.matches(&line).count(), 1, "{log}");
    }
}

/// A collector may quote the values that it rejects.
#[sqlx::test]
async fn the_words_of_a_collector_are_in_the_log_only(pool: PgPool) {
    let front = CollectorFront::start(None, FrontReply::Reject(MARKER));
    let app = TestApp::spawn(pool).await;
    let url = front.url();
    let instance = Instance::start(&app, &[(URL, &url)]);
    get(&instance, &app.plain(), &[]).await.assert_status(200);
    let errors = async || recent_errors(&instance).await;
    let message = "the collector rejected a part of the logs";
    wait_until("the rejection is kept", async || errors().await.contains(message)).await;
    assert_no_secret("/errors", errors().await.as_bytes());
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("bundle.tar.gz");
    let operations = instance.operations.strip_prefix("http://").unwrap();
    let variables = [(URL, url.as_str()), ("KEEPER__OPERATIONS__LISTEN", operations)];
    run(&app, &["doctor", "--bundle", bundle.to_str().unwrap()], &variables);
    let unpacked = Command::new("tar").arg("-xzOf").arg(&bundle).output().unwrap();
    let text = String::from_utf8(unpacked.stdout).unwrap();
    assert!(text.contains(message), "{text}");
    assert_no_secret("the bundle", text.as_bytes());
    let log = instance.stop();
    let mut lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let line = lines.find(|line| line["message"] == message).unwrap();
    assert!(line["keeper.telemetry.rejection"].as_str().unwrap().starts_with(MARKER), "{line}");
    assert!(line["error.message"].is_null(), "{line}");
}

#[sqlx::test]
async fn a_refusal_after_an_outage_is_logged_with_its_status(pool: PgPool) {
    let front = CollectorFront::start(None, FrontReply::Status("503 Service Unavailable"));
    let app = TestApp::spawn(pool).await;
    let instance = Instance::start(&app, &[(URL, &front.url())]);
    wait_until("the collector is asked twice", async || front.heads().len() >= 4).await;
    front.set_reply(FrontReply::Status("401 Unauthorized"));
    instance.wait_for_more(&dropped("logs", "refused"), 0.0).await;
    let log = instance.stop();
    assert!(log.contains("cannot export logs; trying again"), "{log}");
    assert!(log.contains("answered 401 Unauthorized to /v1/logs"), "{log}");
}

/// Runs a command with the settings of a test and others.
fn run(app: &TestApp, arguments: &[&str], variables: &[(&str, &str)]) -> CommandOutput {
    let mut command = keeper(arguments);
    command.envs(app.variables()).envs(variables.iter().copied());
    run_with_input(command, "")
}

/// The verdict and the next step of `doctor` about the collector.
fn verdict(app: &TestApp, variables: &[(&str, &str)]) -> String {
    let output = run(app, &["doctor", "--json"], variables);
    let rows: Value = serde_json::from_str(&output.stdout).unwrap();
    let mut rows = rows.as_array().unwrap().iter();
    let row = rows.find(|row| row["what"] == "the collector takes traces and logs");
    let row = row.unwrap_or_else(|| panic!("{output:?}"));
    format!("{} {}", row["verdict"].as_str().unwrap(), row["next_step"])
}

#[sqlx::test]
async fn a_collector_is_verified_and_gets_the_headers_of_the_file(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let authority = TestAuthority::new();
    replace(folder.path().join("ca.crt").as_path(), &authority.certificate(), 0o444);
    replace(folder.path().join("other.crt").as_path(), &TestAuthority::new().certificate(), 0o444);
    let headers = "Authorization: Bearer first\n\nX-Tenant: keeper\n";
    replace(folder.path().join("headers").as_path(), headers, 0o400);
    let collector = Collector::start();
    let certificate = authority.issue(&["localhost"]);
    let front = CollectorFront::start(Some(&certificate), FrontReply::Forward(collector.url()));
    let app = TestApp::spawn(pool).await;
    let (url, ca, other, file) = (front.url(), path("ca.crt"), path("other.crt"), path("headers"));
    let ca = ("KEEPER__TELEMETRY__OTLP_CA_FILE", ca.as_str());
    let other = ("KEEPER__TELEMETRY__OTLP_CA_FILE", other.as_str());
    let headers = ("KEEPER__TELEMETRY__OTLP_HEADERS_FILE", file.as_str());
    assert_eq!(verdict(&app, &[(URL, &url), ca, headers]), "pass null");
    let refused = verdict(&app, &[(URL, &url), other, headers]);
    assert!(refused.starts_with("FAIL") && refused.contains("cannot be reached"), "{refused}");
    assert!(refused.to_lowercase().contains("certificate"), "{refused}");
    front.set_reply(FrontReply::Status("401 Unauthorized"));
    let refused = verdict(&app, &[(URL, &url), ca, headers]);
    assert!(refused.contains("answered 401 Unauthorized to /v1/traces"), "{refused}");
    let away = format!("http://{}", crate::support::free_address());
    let refused = verdict(&app, &[(URL, &away)]);
    assert!(refused.starts_with("FAIL") && refused.contains("cannot be reached"), "{refused}");

    front.set_reply(FrontReply::Forward(collector.url()));
    let instance = Instance::start(&app, &[(URL, &url), ca, headers]);
    collector.wait_for(&["Body: Str(started)"]);
    replace(folder.path().join("headers").as_path(), "Authorization: Bearer second\n", 0o400);
    get(&instance, &app.plain(), &[]).await.assert_status(200);
    collector.wait_for(&["Body: Str(answered)", "authenticate"]);
    let log = instance.stop();
    assert!(!log.contains("Bearer"), "{log}");
    let heads = front.heads();
    let has = |path: &str, header: &str| {
        heads.iter().any(|head| head.starts_with(&format!("POST {path} ")) && head.contains(header))
    };
    assert!(has("/v1/logs", "\r\nauthorization: Bearer first\r\n"), "{heads:?}");
    assert!(has("/v1/logs", "\r\nx-tenant: keeper\r\n"), "{heads:?}");
    assert!(has("/v1/logs", "\r\nauthorization: Bearer second\r\n"), "{heads:?}");
    assert!(has("/v1/traces", "\r\nauthorization: Bearer second\r\n"), "{heads:?}");
    assert!(heads.iter().all(|head| head.contains("\r\ncontent-type: application/x-protobuf\r\n")));

    // An unknown authority costs nothing but the export.
    let instance = Instance::start(&app, &[(URL, &url), other]);
    get(&instance, &app.plain(), &[]).await.assert_status(200);
    let log = instance.stop();
    assert!(log.contains("cannot export logs"), "{log}");
}

#[sqlx::test]
async fn a_renewed_authority_of_the_collector_is_used_without_a_restart(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.crt");
    let [former, renewed] = [TestAuthority::new(), TestAuthority::new()];
    replace(&ca, &former.certificate(), 0o444);
    let collector = Collector::start();
    let reply = FrontReply::Forward(collector.url());
    let front = CollectorFront::start(Some(&former.issue(&["localhost"])), reply);
    let app = TestApp::spawn(pool).await;
    let (url, file) = (front.url(), ca.to_str().unwrap());
    let variables = [(URL, url.as_str()), ("KEEPER__TELEMETRY__OTLP_CA_FILE", file)];
    let instance = Instance::start(&app, &variables);
    collector.wait_for(&["Body: Str(started)"]);
    replace(&ca, &renewed.certificate(), 0o444);
    front.set_certificate(&renewed.issue(&["localhost"]));
    get(&instance, &app.plain(), &[]).await.assert_status(200);
    collector.wait_for(&["Body: Str(answered)", "authenticate"]);
    instance.stop();
}

#[sqlx::test]
async fn config_check_and_serve_name_unusable_files(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let written = |name: &str, text: &str, mode| {
        let file = folder.path().join(name);
        replace(&file, text, mode);
        file.to_str().unwrap().to_owned()
    };
    // More than a map of headers can have.
    let many: Vec<_> = (0..40_000).map(|number| format!("h{number}: marker")).collect();
    let app = TestApp::spawn(pool).await;
    let url = (URL, "https://localhost:1");
    run(&app, &["config", "check"], &[url]).assert_success();
    for (name, value, text) in [
        ("otlp_ca_file", "/no/such/file".to_owned(), "cannot read"),
        ("otlp_ca_file", written("no.crt", "marker", 0o444), "no valid certificate"),
        ("otlp_headers_file", "/no/such/file".to_owned(), "failed to read"),
        ("otlp_headers_file", written("open", "Authorization: marker", 0o444), "too open"),
        ("otlp_headers_file", written("plain", "marker", 0o400), "not a header"),
        ("otlp_headers_file", written("name", "mark er: x", 0o400), "not a header"),
        (
            "otlp_headers_file",
            written("same", "a: 1\n\nA: marker", 0o400),
            "line 3 has the name of",
        ),
        (
            "otlp_headers_file",
            written("own", "Content-Length: 1", 0o400),
            "line 1 is a header that",
        ),
        ("otlp_headers_file", written("many", &many.join("\n"), 0o400), "more than 64 headers"),
    ] {
        let variable = format!("KEEPER__TELEMETRY__{}", name.to_uppercase());
        for command in [&["config", "check"][..], &["serve"]] {
            let output = run(&app, command, &[url, (&variable, &value)]);
            let text_of = format!("{}{}", output.stdout, output.stderr);
            assert_eq!(output.code, 1, "{command:?}: {output:?}");
            assert!(text_of.contains(&format!("telemetry.{name}")), "{output:?}");
            assert!(text_of.contains(text), "{text}: {output:?}");
            assert!(!text_of.contains("marker"), "{output:?}");
        }
    }
}

#[sqlx::test]
async fn a_start_that_asks_a_transit_engine_has_a_trace_of_its_own(pool: PgPool) {
    let server = OpenBao::start().await;
    let app = TestApp::spawn(pool).await;
    app.command(&["migrate"], "").assert_success();
    let settings = server.settings();
    let mut settings: Vec<_> = settings.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    run(&app, &["keys", "wrap"], &settings).assert_success();
    let folder = tempfile::tempdir().unwrap();
    let authority = TestAuthority::new();
    let ca = folder.path().join("ca.crt");
    replace(&ca, &authority.certificate(), 0o444);
    let reply = FrontReply::Status("503 Service Unavailable");
    let front = CollectorFront::start(Some(&authority.issue(&["localhost"])), reply);
    let collector = Collector::start();
    let (address, url) = (front.url(), collector.url());
    settings.extend([
        ("KEEPER__KEYRING__TRANSIT__ADDRESS", address.as_str()),
        ("KEEPER__KEYRING__TRANSIT__CA_FILE", ca.to_str().unwrap()),
        ("KEEPER__KEYRING__STARTUP_WAIT_SECONDS", "0"),
        (URL, url.as_str()),
    ]);
    let output = run(&app, &["serve"], &settings);
    assert_ne!(output.code, 0, "{output:?}");
    let spans = spans(&collector.received());
    let span = named(&spans, "transit.decrypt");
    assert_eq!((span.parent.as_str(), span.kind.as_str()), ("", "SPAN_KIND_CLIENT"));
    assert_eq!(parent_in(&front.heads()[0], &span.trace), span.id);
}
