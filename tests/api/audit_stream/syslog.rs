//! A real rsyslog as a sink.

use std::{collections::BTreeSet, net::TcpListener, sync::Arc, thread, time::Duration};

use serde_json::Value;
use sqlx::PgPool;
use tokio_rustls::rustls::ServerConnection;

use super::{assert_verified, stored, wait_for_all};
use crate::support::{
    PLAIN, Rsyslog, TestApp, TestAuthority, TestCertificate, replace, server_config, wait_until,
};

/// The settings of a sink that sends to rsyslog, with more members.
fn settings(server: &Rsyslog, members: &str) -> String {
    format!(
        "[audit]\nsinks = [{{ name = 'siem', type = 'syslog', address = 'localhost:{}', \
         ca_file = '{}'{members} }}]\n",
        server.port,
        server.path("ca.crt").display(),
    )
}

/// The members that name the certificate of the client.
fn client(server: &Rsyslog, name: &str) -> String {
    let path = |extension: &str| server.path(&format!("{name}.{extension}")).display().to_string();
    format!(", certificate_file = '{}', key_file = '{}'", path("crt"), path("key"))
}

/// The events that rsyslog has written.
fn received(server: &Rsyslog) -> Vec<Value> {
    let event = |line: String| {
        let (header, json) = line.split_at(line.find('{').unwrap());
        let event: Value = serde_json::from_str(json).unwrap();
        let fields: Vec<_> = header.split(' ').collect();
        assert_eq!(
            (fields[0], fields[3], fields[4]),
            ("<109>1", "credential-keeper", "-"),
            "{line}"
        );
        assert_eq!(
            (fields[1], fields[5]),
            (event["occurred_at"].as_str().unwrap(), event["kind"].as_str().unwrap(),)
        );
        event
    };
    server.lines().into_iter().map(event).collect()
}

async fn save(app: &TestApp, value: &str) {
    app.save(&app.administrator(), PLAIN.0, "", value).await.assert_saved();
}

#[sqlx::test]
async fn rsyslog_gets_every_event_as_json(pool: PgPool) {
    let server = Rsyslog::start(true);
    let settings = settings(&server, &client(&server, "client"));
    let app = TestApp::spawn_with(pool, &[], &settings).await;
    save(&app, "canary-value").await;
    wait_for_all(&app, || received(&server)).await;
    let count = stored(&app).await.len();
    let name = "keeper_audit_sink_events_delivered_total{sink=\"siem\"}";
    app.wait_for_metric(name, u32::try_from(count).unwrap().into()).await;
    assert_eq!(received(&server).len(), count, "events were repeated");
    // The file of the collector verifies as it is.
    assert_verified(&app, &server.path("messages")).await;
    assert!(!server.lines().concat().contains("canary"));
}

#[sqlx::test]
async fn a_server_that_stops_and_starts_misses_nothing(pool: PgPool) {
    let mut server = Rsyslog::start(false);
    let app = TestApp::spawn_with(pool, &[], &settings(&server, "")).await;
    for round in 0..4 {
        for value in 0..5 {
            save(&app, &format!("{round}-{value}")).await;
        }
        server.stop();
        save(&app, &format!("{round}-away")).await;
        server.restart();
    }
    wait_for_all(&app, || received(&server)).await;
    app.wait_for_metric("keeper_audit_sink_backlog{sink=\"siem\"}", 0.0).await;
}

#[sqlx::test]
async fn rsyslog_gets_every_event_as_cef(pool: PgPool) {
    let server = Rsyslog::start(false);
    let app = TestApp::spawn_with(pool, &[], &settings(&server, ", format = 'cef'")).await;
    save(&app, "x").await;
    app.wait_for_metric("keeper_audit_sink_backlog{sink=\"siem\"}", 0.0).await;
    let read = || -> BTreeSet<(i64, i64, String)> {
        let place = |line: &String| {
            let field = |name: &str| {
                let (_, rest) = line.split_once(&format!(" {name}=")).unwrap();
                rest.split(' ').next().unwrap().to_owned()
            };
            let (_, content) = line.split_once(" - CEF:0|Credential Keeper|").unwrap();
            assert_eq!(content.matches('|').count(), 5, "{line}");
            let number = |name: &str| field(name).parse().unwrap();
            (number("duid"), number("cn1"), field("cs4"))
        };
        server.lines().iter().map(place).collect()
    };
    let expected: BTreeSet<_> = stored(&app)
        .await
        .into_iter()
        .map(|((user, sequence), mac)| (user, sequence, mac))
        .collect();
    for _ in 0..200 {
        if read() == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(read(), expected);
}

#[sqlx::test]
async fn a_wrong_address_certificate_or_key_is_found_before_the_first_event(pool: PgPool) {
    let server = Rsyslog::start(true);
    let app = TestApp::spawn(pool).await;
    let valid = settings(&server, &client(&server, "client"));
    let check = |settings: &str| {
        app.rewrite_settings(settings);
        let output = app.command(&["config", "check"], "");
        format!("{}{}", output.stdout, output.stderr)
    };
    let doctor = |settings: &str| {
        app.rewrite_settings(settings);
        let output = app.command(&["--json", "doctor"], "");
        let findings: Vec<Value> = serde_json::from_str(&output.stdout).unwrap();
        let is_ours =
            |finding: &Value| finding["what"] == "each sink of the audit stream takes events";
        let finding = findings.into_iter().find(is_ours).unwrap();
        format!("{}: {}", finding["verdict"], finding["next_step"])
    };
    assert!(check(&valid).contains("the settings are valid"), "{}", check(&valid));
    assert!(doctor(&valid).contains("pass"), "{}", doctor(&valid));
    let path = |name: &str| server.path(name).display().to_string();
    let address = format!("localhost:{}", server.port);
    for (from, to, expected) in [
        (path("ca.crt"), path("missing"), "siem: cannot read"),
        (path("ca.crt"), path("client.key"), "contains no valid certificate"),
        (path("client.crt"), path("missing"), "siem: cannot read"),
        (path("client.key"), path("missing"), "siem: key_file: failed to read"),
        (path("client.key"), path("server.key"), "is not the key of certificate_file"),
        (address.clone(), "localhost".to_owned(), "siem: address must be a host and a port"),
        ("certificate_file".to_owned(), "format = 'xml', certificate_file".to_owned(), "invalid"),
        (format!(", key_file = '{}'", path("client.key")), String::new(), "must be set together"),
    ] {
        assert!(valid.contains(&from));
        let found = check(&valid.replace(&from, &to));
        assert!(found.contains("audit.sinks") && found.contains(expected), "{to}: {found}");
    }
    let without_certificate = settings(&server, "");
    let found = doctor(&without_certificate);
    assert!(found.contains("FAIL") && found.contains("did not confirm"), "{found}");
    let closed = valid.replace(&address, "localhost:1");
    assert!(doctor(&closed).contains("siem: cannot connect to localhost:1"), "{}", doctor(&closed));
    // The certificate of the server has another name.
    let other = valid.replace("localhost:", "127.0.0.1:");
    assert!(doctor(&other).contains("siem: TLS with 127.0.0.1"), "{}", doctor(&other));
    let other = valid.replace(&path("ca.crt"), &path("client.crt"));
    assert!(doctor(&other).contains("siem: TLS with localhost"), "{}", doctor(&other));
    assert!(server.lines().is_empty(), "a check sent a message");
}

/// Starts a server that ends TLS and the connection after the handshake, with the messages unread.
fn start_without_reading(certificate: &TestCertificate) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = server_config(certificate);
    thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut tls = ServerConnection::new(Arc::clone(&config)).unwrap();
            if tls.complete_io(&mut connection).is_ok() {
                // The client has sent everything meanwhile, and waits.
                thread::sleep(Duration::from_millis(200));
                tls.send_close_notify();
                let _ = tls.complete_io(&mut connection);
            }
        }
    });
    port
}

#[sqlx::test]
async fn the_end_of_tls_does_not_confirm_what_was_not_read(pool: PgPool) {
    let mut app = TestApp::spawn(pool).await;
    // The first bytes may come with the end of the handshake.
    for value in 0..40 {
        save(&app, &value.to_string()).await;
    }
    let mut server = Rsyslog::start(false);
    let valid = settings(&server, "");
    let certificate = server.authority.issue(&["localhost"]);
    server.stop();
    let port = start_without_reading(&certificate);
    let (from, to) = (format!("localhost:{}", server.port), format!("localhost:{port}"));
    app.rewrite_settings(&valid.replace(&from, &to));
    app.restart().await;
    let failures = "keeper_audit_sink_failures_total{sink=\"siem\",reason=\"unreachable\"}";
    wait_until("a delivery fails", async || app.metric(failures).await > 0.0).await;
    let delivered = app.metric("keeper_audit_sink_events_delivered_total{sink=\"siem\"}").await;
    assert!(delivered.abs() < f64::EPSILON, "{delivered} events count as delivered");
    server.restart();
    app.rewrite_settings(&valid);
    app.restart().await;
    wait_for_all(&app, || received(&server)).await;
}

#[sqlx::test]
async fn renewed_certificates_are_used_without_a_restart(pool: PgPool) {
    let mut server = Rsyslog::start(true);
    let app = TestApp::spawn_with(pool, &[], &settings(&server, &client(&server, "client"))).await;
    wait_for_all(&app, || received(&server)).await;
    // The server gets a certificate of a new authority, and trusts no other one.
    server.stop();
    let authority = TestAuthority::new();
    let folder = server.path("");
    replace(&server.path("ca.crt"), &authority.certificate(), 0o444);
    authority.issue(&["localhost"]).write(&folder, "server");
    server.restart();
    save(&app, "with the former certificate").await;
    let failures = "keeper_audit_sink_failures_total{sink=\"siem\",reason=\"unreachable\"}";
    wait_until("a delivery fails", async || app.metric(failures).await > 0.0).await;
    authority.issue(&["keeper"]).write(&folder, "client");
    wait_for_all(&app, || received(&server)).await;
}
