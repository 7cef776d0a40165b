//! A master key in the transit engine of a real OpenBao server.

use std::{
    fs,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use sqlx::PgPool;

use super::{
    Variables, assert_rotates, assert_serves, command, listed, replace, secrets, serve, with,
    wrapped,
};
use crate::support::{Instance, OpenBao, PRINCIPAL, SoftHsm, TestApp};

const NO_WAIT: (&str, &str) = ("KEEPER__KEYRING__STARTUP_WAIT_SECONDS", "0");

/// An application whose keyring OpenBao wraps, and the settings for it.
async fn wrapped_by(server: &OpenBao, pool: PgPool) -> (TestApp, Variables) {
    let app = TestApp::spawn(pool).await;
    app.command(&["migrate"], "").assert_success();
    let settings = server.settings();
    command(&app, &settings, &["keys", "wrap"]).assert_success();
    (app, settings)
}

#[sqlx::test]
async fn a_wrapped_keyring_serves_rotates_and_moves_to_another_master_key(pool: PgPool) {
    let server = OpenBao::start().await;
    let app = TestApp::spawn(pool).await;
    app.command(&["migrate"], "").assert_success();
    let plain = fs::read_to_string(app.keyring()).unwrap();
    assert_eq!(listed(&app, &Vec::new())[0]["wrapped_by"], Value::Null);
    let settings = server.settings();

    command(&app, &settings, &["keys", "wrap"]).assert_success();
    let text = fs::read_to_string(app.keyring()).unwrap();
    assert!(secrets(&plain).iter().all(|secret| !text.contains(secret)), "{text}");
    assert_eq!(listed(&app, &settings)[0]["wrapped_by"], "transit:transit/keeper");
    command(&app, &settings, &["keys", "wrap"]).assert_error("already wrapped");
    assert_serves(&app, &serve(&app, &settings).unwrap()).await;
    let unwrapped = command(&app, &settings, &["keys", "unwrap", "--stdout"]).assert_success();
    assert_eq!(unwrapped, plain.trim_end());
    assert_rotates(&app, &settings).await;

    // A new version of the master key, and the end of the former one.
    let data_key = |app: &TestApp| wrapped(app)["wrap"]["ciphertext"].as_str().unwrap().to_owned();
    assert!(data_key(&app).starts_with("vault:v1:"));
    server.post("transit/keys/keeper/rotate", &json!({})).await;
    command(&app, &settings, &["keys", "rewrap"]).assert_success();
    assert!(data_key(&app).starts_with("vault:v2:"));
    let newest = json!({"min_decryption_version": 2});
    server.post("transit/keys/keeper/config", &newest).await;
    assert_rotates(&app, &settings).await;

    // Another kind of master key, which wraps the same keys.
    let before = command(&app, &settings, &["keys", "unwrap", "--stdout"]).assert_success();
    let tokens = SoftHsm::new();
    let both = [settings.clone(), tokens.settings()].concat();
    command(&app, &both, &["keys", "rewrap"]).assert_error("choose one with --master-key");
    command(&app, &both, &["keys", "rewrap", "--master-key", "pkcs11"]).assert_success();
    assert_eq!(listed(&app, &both)[0]["wrapped_by"], "pkcs11:keyring");
    let after = command(&app, &tokens.settings(), &["keys", "unwrap", "--stdout"]);
    assert_eq!(after.assert_success(), before);
    command(&app, &settings, &["keys", "unwrap"]).assert_error("keyring.pkcs11 is not set");

    command(&app, &tokens.settings(), &["keys", "unwrap"]).assert_success();
    assert_eq!(fs::read_to_string(app.keyring()).unwrap().trim_end(), before);
    assert_serves(&app, &serve(&app, &Vec::new()).unwrap()).await;
}

#[sqlx::test]
async fn each_refusal_of_openbao_says_what_to_do(pool: PgPool) {
    let server = OpenBao::start().await;
    let (app, settings) = wrapped_by(&server, pool).await;
    let ciphertext = wrapped(&app)["wrap"]["ciphertext"].as_str().unwrap().to_owned();
    let started = Instant::now();
    let refused = |more: &Variables, message: &str| {
        // The default wait: a refusal does not wait.
        let error = serve(&app, more).err().unwrap();
        assert!(error.contains(message), "{message}: {error}");
        assert!(!error.contains(&server.token()) && !error.contains(&ciphertext), "{error}");
        assert!(!error.contains("waiting up to") && !error.contains("panicked"), "{error}");
        command(&app, more, &["user", "list"]).assert_error(message);
    };
    let token = server.token();
    server.write_token("s.revoked");
    refused(&settings, "permission denied for transit/decrypt/keeper at 127.0.0.1:");
    server.renew_token("default").await;
    refused(&settings, "its policy does not allow update on transit/decrypt/keeper");
    server.write_token("two words");
    refused(&settings, "must contain the token only");
    server.post("auth/token/revoke", &json!({"token": token})).await;
    server.write_token(&token);
    refused(&settings, "invalid, expired or revoked");
    server.renew_token("keeper").await;

    let sound = wrapped(&app);
    let mut damaged = sound.clone();
    damaged["wrap"]["ciphertext"] = format!("{ciphertext}AAAA").into();
    replace(&app, &damaged);
    refused(&settings, "cannot decrypt the data key of the keyring");
    let mut edited = sound.clone();
    edited["keys"][0]["state"] = "readable".into();
    replace(&app, &edited);
    refused(
        &settings,
        "of the wrapped keyring cannot be decrypted; the file was edited or damaged",
    );
    let mut elsewhere = sound.clone();
    elsewhere["wrap"]["key"] = "transit/../sys".into();
    replace(&app, &elsewhere);
    refused(&settings, "is not MOUNT/KEY");
    replace(&app, &sound);

    let own_authority = with(&settings, "KEEPER__KEYRING__TRANSIT__CA_FILE", "");
    let error = serve(&app, &with(&own_authority, NO_WAIT.0, NO_WAIT.1)).err().unwrap();
    assert!(error.contains("check that the server runs"), "{error}");
    assert!(error.contains("ertificate"), "the cause is named: {error}");
    let namespace = with(&settings, "KEEPER__KEYRING__TRANSIT__NAMESPACE", "nowhere");
    refused(&namespace, "transit engine not found for transit/decrypt/keeper");

    server.post("transit/keys/keeper/rotate", &json!({})).await;
    server.post("transit/keys/keeper/config", &json!({"min_decryption_version": 2})).await;
    refused(&settings, "the version of the transit key that wrapped the keyring is disabled");
    server.post("transit/keys/keeper/config", &json!({"deletion_allowed": true})).await;
    server.delete("transit/keys/keeper").await;
    refused(&settings, "transit key not found for transit/decrypt/keeper");
    server.delete("sys/mounts/transit").await;
    refused(&settings, "transit");
    assert!(started.elapsed() < Duration::from_secs(300));
}

#[sqlx::test]
async fn serve_waits_for_a_sealed_server_and_only_as_long_as_configured(pool: PgPool) {
    let mut server = OpenBao::start().await;
    let (app, settings) = wrapped_by(&server, pool).await;
    let once = with(&settings, NO_WAIT.0, NO_WAIT.1);
    server.seal().await;
    let error = serve(&app, &once).err().unwrap();
    assert!(error.contains("is sealed; unseal it"), "{error}");
    // Commands do not wait.
    command(&app, &settings, &["user", "list"]).assert_error("is sealed; unseal it");

    let (waiting_app, waiting) = (app.variables().clone(), settings.clone());
    let waiting = std::thread::spawn(move || {
        let mut command = crate::support::keeper(&["serve"]);
        command.envs(waiting_app).envs(waiting);
        crate::support::Server::start(command)
    });
    tokio::time::sleep(Duration::from_secs(2)).await;
    server.unseal().await;
    let process = waiting.join().unwrap().unwrap();
    assert_serves(&app, &process).await;

    server.kill();
    // The keys are in memory.
    assert_serves(&app, &process).await;
    let started = Instant::now();
    let error = serve(&app, &with(&settings, NO_WAIT.0, "2")).err().unwrap();
    assert!(error.contains("timed out after 2 s waiting for the master key"), "{error}");
    assert!(error.contains("cannot reach the transit engine at 127.0.0.1:"), "{error}");
    assert!(error.contains("waiting up to 2 s for the master key"), "{error}");
    assert!(started.elapsed() >= Duration::from_secs(2));
    server.restart().await;
    assert_serves(&app, &serve(&app, &once).unwrap()).await;
}

#[sqlx::test]
async fn a_running_service_takes_a_rewrapped_keyring_and_survives_an_outage(pool: PgPool) {
    const FAILED: &str = r#"keeper_reload_failed{setting="keyring.file"}"#;
    const SUCCESSES: &str = r#"keeper_reloads_total{setting="keyring.file",outcome="success"}"#;
    let mut server = OpenBao::start().await;
    let (app, settings) = wrapped_by(&server, pool).await;
    let variables: Vec<_> =
        settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let instance = Instance::start(&app, &variables);
    server.post("transit/keys/keeper/rotate", &json!({})).await;
    command(&app, &settings, &["keys", "rewrap"]).assert_success();
    instance.wait_for_metric(SUCCESSES, 1.0).await;
    let new = command(&app, &settings, &["rotate-key", "add"]).added_key();
    instance.wait_for_key(&new, "readable").await;

    command(&app, &settings, &["rotate-key", "use", &new]).assert_success();
    instance.wait_for_key(&new, "writing").await;
    server.kill();
    replace(&app, &wrapped(&app));
    instance.wait_for_metric(FAILED, 1.0).await;
    instance.get(PRINCIPAL, &app.plain()).await.assert_status(200);
    // Nobody touches the file or sends a signal: the service asks again.
    server.restart().await;
    instance.wait_for_metric(FAILED, 0.0).await;

    // A refusal is not repeated, and an alarm that names the next step.
    server.write_token("s.revoked");
    replace(&app, &wrapped(&app));
    instance.wait_for_metric(FAILED, 1.0).await;
    instance.get(PRINCIPAL, &app.plain()).await.assert_status(200);
    // Only the token is corrected: nobody touches the keyring or sends a signal.
    server.renew_token("keeper").await;
    instance.wait_for_metric(FAILED, 0.0).await;
    server.write_authority("no certificate");
    instance.wait_for_metric(FAILED, 1.0).await;
    server.restore_authority();
    instance.wait_for_metric(FAILED, 0.0).await;
    let log = instance.stop();
    assert!(log.contains("cannot reach the transit engine at 127.0.0.1:"), "{log}");
    assert!(log.contains("permission denied for transit/decrypt/keeper"), "{log}");
    assert!(!log.contains("s.revoked"), "{log}");
}
