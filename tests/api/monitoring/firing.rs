//! Alerts on their whole way: from the service to the receiver of the real Alertmanager.

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use rustix::process::Signal;
use serde_json::{Value, json};
use sqlx::PgPool;
use tempfile::TempDir;

use super::{GUIDE, RULES, read};
use crate::metrics::damage_row;
use crate::support::{
    Instance, PRINCIPAL, SETTINGS_REFUSED, TestApp, free_port, wait_until_listening,
};

/// How long an alert may take to its receiver.
const PATIENCE: Duration = Duration::from_secs(90);

/// A program that stops with the test.
struct Program(Child);

impl Program {
    fn start(name: &str, folder: &Path, port: u16, arguments: &[&str]) -> Self {
        let mut command = Command::new(name);
        command.args(arguments).arg(format!("--web.listen-address=127.0.0.1:{port}"));
        command.current_dir(folder).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        wait_until_listening(name, &mut child, &[port]);
        Self(child)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Receives the notifications of the Alertmanager.
fn start_receiver() -> (u16, mpsc::Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let body = read_body(&mut connection);
            let _ = connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            if let Some(body) = body
                && sender.send(body).is_err()
            {
                return;
            }
        }
    });
    (port, receiver)
}

/// The JSON body of a request.
fn read_body(connection: &mut impl Read) -> Option<Value> {
    let mut received = Vec::new();
    let mut part = [0; 4096];
    loop {
        let length = connection.read(&mut part).ok().filter(|length| *length > 0)?;
        received.extend_from_slice(&part[..length]);
        let text = String::from_utf8_lossy(&received);
        if let Some((_, body)) = text.split_once("\r\n\r\n")
            && let Ok(body) = serde_json::from_str(body)
        {
            return Some(body);
        }
    }
}

fn write_settings(folder: &Path, operations: &str, alertmanager: u16, receiver: u16) {
    let prometheus = json!({
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [folder.join("rules.yml")],
        "alerting": {
            "alertmanagers": [{"static_configs": [{"targets": [format!("127.0.0.1:{alertmanager}")]}]}]
        },
        "scrape_configs": [{
            "job_name": "credential-keeper",
            "static_configs": [{"targets": [operations]}],
        }],
    });
    let alertmanager = json!({
        "route": {"receiver": "test", "group_wait": "1s", "group_by": ["alertname"]},
        "receivers": [{
            "name": "test",
            "webhook_configs": [{"url": format!("http://127.0.0.1:{receiver}/")}],
        }],
    });
    // YAML contains JSON.
    fs::write(folder.join("prometheus.yml"), prometheus.to_string()).unwrap();
    fs::write(folder.join("alertmanager.yml"), alertmanager.to_string()).unwrap();
}

/// A Prometheus that scrapes an instance, and an Alertmanager that notifies the test.
struct Monitoring {
    notifications: mpsc::Receiver<Value>,
    /// The port of Prometheus.
    port: u16,
    _programs: [Program; 2],
    _folder: TempDir,
}

impl Monitoring {
    /// Starts both with these rules.
    fn start(instance: &Instance, rules: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("rules.yml"), rules).unwrap();
        let (receiver, notifications) = start_receiver();
        let (alertmanager, port) = (free_port(), free_port());
        let operations = instance.operations.trim_start_matches("http://");
        write_settings(folder.path(), operations, alertmanager, receiver);
        let alertmanager = Program::start(
            "prometheus-alertmanager",
            folder.path(),
            alertmanager,
            &[
                "--config.file=alertmanager.yml",
                "--storage.path=alerts",
                "--cluster.listen-address=",
            ],
        );
        let prometheus = Program::start(
            "prometheus",
            folder.path(),
            port,
            &["--config.file=prometheus.yml", "--storage.tsdb.path=series"],
        );
        Self { notifications, port, _programs: [alertmanager, prometheus], _folder: folder }
    }

    /// The name and the severity of the next alert that reaches its receiver; `None` without one.
    fn next_alert(&self) -> Option<(String, String)> {
        let notification = self.notifications.recv_timeout(PATIENCE).ok()?;
        let alert = &notification["alerts"][0];
        let label = |name: &str| alert["labels"][name].as_str().unwrap().to_owned();
        let name = label("alertname");
        let section = format!("{GUIDE}#{}", name.to_lowercase());
        assert_eq!(alert["annotations"]["runbook_url"], section);
        assert_eq!(alert["status"], "firing");
        Some((name, label("severity")))
    }

    /// The result of a query.
    async fn query(&self, query: &str) -> Value {
        let url = format!("http://127.0.0.1:{}/api/v1/query", self.port);
        let url = reqwest::Url::parse_with_params(&url, [("query", query)]).unwrap();
        // Until it has started, its answers are texts.
        let answer: Value = reqwest::get(url).await.unwrap().json().await.unwrap_or_default();
        answer["data"]["result"].clone()
    }
}

#[sqlx::test]
async fn a_row_found_damaged_before_the_first_scrape_reaches_the_receiver_of_alerts(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let instance = Instance::start(&app, &[]);
    // Prometheus never sees the counters at 0.
    damage_row(&app).await;
    instance.get(PRINCIPAL, &app.plain()).await.assert_unauthenticated();
    let monitoring = Monitoring::start(&instance, &read(RULES));
    let mut found = Vec::new();
    while !["KeeperUnsealFailures", "KeeperAlarm"]
        .iter()
        .all(|name| found.contains(&(*name).to_owned()))
    {
        let alert = monitoring.next_alert();
        let (name, severity) = alert.unwrap_or_else(|| panic!("only {found:?} arrived"));
        assert_eq!(severity, "page");
        found.push(name);
    }
    // No other alert fires for a service in good order.
    assert!(found.iter().all(|name| name.starts_with("Keeper")), "{found:?}");
    assert_eq!(monitoring.query("up").await[0]["value"][1], "1");
}

#[sqlx::test]
async fn a_refused_reload_fires_its_ticket_and_nothing_that_pages(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let instance = Instance::start(&app, &[]);
    app.rewrite_settings("http.unknown = 1");
    instance.server.signal(Signal::HUP);
    instance.wait_for_more(SETTINGS_REFUSED, 0.0).await;
    // The ticket waits for five minutes, and a page for nothing: without this time, both arrive.
    let rules = read(RULES);
    let (others, ticket) = rules.split_once("- alert: KeeperReloadFailed\n").unwrap();
    let ticket = ticket.replacen("for: 5m", "for: 1s", 1);
    let rules = format!("{others}- alert: KeeperReloadFailed\n{ticket}");
    let monitoring = Monitoring::start(&instance, &rules);
    let (name, severity) = monitoring.next_alert().unwrap();
    assert_eq!((name.as_str(), severity.as_str()), ("KeeperReloadFailed", "ticket"));
    let firing = monitoring.query(r#"ALERTS{alertstate="firing"}"#).await;
    let alerts = firing.as_array().unwrap().iter();
    let names: Vec<_> = alerts.map(|alert| alert["metric"]["alertname"].clone()).collect();
    assert_eq!(names, ["KeeperReloadFailed"], "{firing}");
    assert_eq!(instance.metric("keeper_alarms_total").await, Some(1.0));
    let log = instance.stop();
    let is_alarm = |line: &str| line.contains(r#""keeper.alarm":true"#);
    assert!(log.lines().any(is_alarm), "{log}");
}
