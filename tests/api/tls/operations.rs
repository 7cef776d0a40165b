//! TLS of the operations listener, client certificates, and the `health` command.

use reqwest::Identity;
use sqlx::PgPool;

use crate::support::{
    Instance, TestApp, TestAuthority, TestCertificate, free_address, replace, tls_client,
    wait_until,
};

fn identity(certificate: &TestCertificate) -> Identity {
    Identity::from_pem(format!("{}\n{}", certificate.key, certificate.certificate).as_bytes())
        .unwrap()
}

#[sqlx::test]
async fn health_and_metrics_work_over_tls_without_client_certificates(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let authority = TestAuthority::new();
    let (certificate, key) = authority.issue(&["127.0.0.1"]).write(folder.path(), "operations");
    let address = free_address();
    let settings = [
        ("KEEPER__OPERATIONS__LISTEN", address.as_str()),
        ("KEEPER__OPERATIONS__TLS__CERTIFICATE_FILE", certificate.to_str().unwrap()),
        ("KEEPER__OPERATIONS__TLS__KEY_FILE", key.to_str().unwrap()),
    ];
    let app = TestApp::spawn_with(pool, &settings, "").await;
    let metrics = authority.client().get(format!("https://{address}/metrics")).send().await;
    let metrics = metrics.unwrap().text().await.unwrap();
    assert!(metrics.contains(r#"certificate_expiry_timestamp_seconds{listener="operations"}"#));
    assert_eq!(app.command(&["health"], "").assert_success(), "ready");
    let url = format!("https://{address}");
    assert_eq!(app.command(&["health", "--url", &url], "").assert_success(), "ready");
    // Only the operations listener has TLS here.
    assert!(app.url.starts_with("http://"));
}

#[sqlx::test]
async fn the_operations_listener_requires_a_certificate_of_the_configured_authority(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let (authority, clients, strangers) =
        (TestAuthority::new(), TestAuthority::new(), TestAuthority::new());
    let (certificate, key) = authority.issue(&["127.0.0.1"]).write(folder.path(), "operations");
    let client_ca = folder.path().join("clients.crt");
    replace(&client_ca, &clients.certificate(), 0o444);
    let address = free_address();
    let settings = [
        ("KEEPER__OPERATIONS__LISTEN", address.as_str()),
        ("KEEPER__OPERATIONS__TLS__CERTIFICATE_FILE", certificate.to_str().unwrap()),
        ("KEEPER__OPERATIONS__TLS__KEY_FILE", key.to_str().unwrap()),
        ("KEEPER__OPERATIONS__TLS__CLIENT_CA_FILE", client_ca.to_str().unwrap()),
    ];
    let app = TestApp::spawn_with(pool, &settings, "").await;
    let get = async |identity: Option<Identity>, path: &str| {
        let mut client = tls_client(&authority);
        if let Some(identity) = identity {
            client = client.identity(identity);
        }
        let answer = client.build().unwrap().get(format!("https://{address}{path}")).send().await;
        answer.map(|answer| answer.status().as_u16()).ok()
    };
    let monitoring = clients.issue(&["monitoring"]);
    for path in ["/metrics", "/health/live"] {
        assert_eq!(get(Some(identity(&monitoring)), path).await, Some(200));
        assert_eq!(get(None, path).await, None, "without a certificate");
        let stranger = strangers.issue(&["monitoring"]);
        assert_eq!(get(Some(identity(&stranger)), path).await, None, "of another authority");
        let expired = clients.issue_expired(&["monitoring"]);
        assert_eq!(get(Some(identity(&expired)), path).await, None, "expired");
        // The authority of the listener is not an authority of clients.
        let server = authority.issue(&["monitoring"]);
        assert_eq!(get(Some(identity(&server)), path).await, None, "of the listener's authority");
    }
    assert_eq!(app.command(&["health"], "").assert_success(), "ready");
}

#[sqlx::test]
async fn a_failed_handshake_is_counted_and_logged_with_the_name_of_the_listener(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let folder = tempfile::tempdir().unwrap();
    let (authority, clients, strangers) =
        (TestAuthority::new(), TestAuthority::new(), TestAuthority::new());
    let (certificate, key) = authority.issue(&["127.0.0.1"]).write(folder.path(), "operations");
    let client_ca = folder.path().join("clients.crt");
    replace(&client_ca, &clients.certificate(), 0o444);
    let settings = [
        ("KEEPER__LOG__FORMAT", "json"),
        ("KEEPER__OPERATIONS__TLS__CERTIFICATE_FILE", certificate.to_str().unwrap()),
        ("KEEPER__OPERATIONS__TLS__KEY_FILE", key.to_str().unwrap()),
        ("KEEPER__OPERATIONS__TLS__CLIENT_CA_FILE", client_ca.to_str().unwrap()),
    ];
    let instance = Instance::start(&app, &settings);
    let url = instance.operations.replacen("http:", "https:", 1) + "/metrics";
    let client = |authority_of_client: &TestAuthority| {
        let certificate = authority_of_client.issue(&["monitoring"]);
        tls_client(&authority).identity(identity(&certificate)).build().unwrap()
    };
    let monitoring = client(&clients);
    let failures = async || {
        let text = monitoring.get(&url).send().await.unwrap().text().await.unwrap();
        let name = "keeper_http_tls_handshake_failures_total ";
        let number = text.lines().find_map(|line| line.strip_prefix(name));
        number.unwrap().parse::<f64>().unwrap()
    };
    assert_eq!(failures().await.to_string(), "0");
    assert!(client(&strangers).get(&url).send().await.is_err());
    wait_until("the failed handshake is counted", async || failures().await > 0.5).await;
    let log = instance.stop();
    let line = log.lines().find(|line| line.contains("a TLS handshake failed")).unwrap();
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(line["keeper.listener"], "operations", "{line}");
    assert_eq!(line["client.address"], "127.0.0.1", "{line}");
}
