//! An alert on its whole way: from a damaged row to the receiver of the real Alertmanager.

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

use serde_json::{Value, json};
use sqlx::PgPool;

use super::{GUIDE, RULES, repository};
use crate::metrics::damage_row;
use crate::support::{Instance, PRINCIPAL, TestApp, free_port, wait_until_listening};

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
    let rules = repository().join(RULES);
    let prometheus = json!({
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [rules],
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

async fn query(port: u16, query: &str) -> Value {
    let url = format!("http://127.0.0.1:{port}/api/v1/query");
    let url = reqwest::Url::parse_with_params(&url, [("query", query)]).unwrap();
    // Until it has started, its answers are texts.
    reqwest::get(url).await.unwrap().json().await.unwrap_or_default()
}

#[sqlx::test]
async fn a_row_found_damaged_before_the_first_scrape_reaches_the_receiver_of_alerts(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let instance = Instance::start(&app, &[]);
    let folder = tempfile::tempdir().unwrap();
    // Prometheus never sees the counters at 0.
    damage_row(&app).await;
    instance.get(PRINCIPAL, &app.plain()).await.assert_unauthenticated();
    let (receiver, notifications) = start_receiver();
    let (alertmanager, prometheus) = (free_port(), free_port());
    let operations = instance.operations.trim_start_matches("http://");
    write_settings(folder.path(), operations, alertmanager, receiver);
    let _alertmanager = Program::start(
        "prometheus-alertmanager",
        folder.path(),
        alertmanager,
        &["--config.file=alertmanager.yml", "--storage.path=alerts", "--cluster.listen-address="],
    );
    let _prometheus = Program::start(
        "prometheus",
        folder.path(),
        prometheus,
        &["--config.file=prometheus.yml", "--storage.tsdb.path=series"],
    );
    let mut found = Vec::new();
    while !["KeeperUnsealFailures", "KeeperAlarm"]
        .iter()
        .all(|name| found.contains(&(*name).to_owned()))
    {
        let notification = notifications.recv_timeout(PATIENCE);
        let notification = notification.unwrap_or_else(|_| panic!("only {found:?} arrived"));
        let alert = &notification["alerts"][0];
        let name = alert["labels"]["alertname"].as_str().unwrap().to_owned();
        let section = format!("{GUIDE}#{}", name.to_lowercase());
        assert_eq!(alert["annotations"]["runbook_url"], section);
        assert_eq!(alert["labels"]["severity"], "page");
        assert_eq!(alert["status"], "firing");
        found.push(name);
    }
    // No other alert fires for a service in good order.
    assert!(found.iter().all(|name| name.starts_with("Keeper")), "{found:?}");
    assert_eq!(query(prometheus, "up").await["data"]["result"][0]["value"][1], "1");
}
