//! Reloads that are refused, and settings that need a restart.

use std::{fs, path::Path};

use rustix::process::Signal;
use sqlx::PgPool;

use super::{get_with, status};
use crate::support::{
    PRINCIPAL, Reloading, SETTINGS_REFUSED, SETTINGS_RELOADED, TestAuthority, replace,
};

const FAILED: &str = r#"keeper_reload_failed{setting="settings"}"#;
const RESTART: &str = "keeper_settings_restart_required";
const MARKER: &str = "MARKERw3Kd";
const READ_ONLY: &str = "keeper_read_only";

#[sqlx::test]
async fn an_unusable_setting_changes_nothing_and_is_named(pool: PgPool) {
    let hosts = "http.allowed_hosts = ['127.0.0.1']\n";
    let reloading = Reloading::start(pool, &[]).await;
    let (app, instance) = (&reloading.app, &reloading.instance);
    let mut refused = 0.0;
    for unusable in [
        format!("{hosts}attempts.maximum_failures = 0\n"),
        format!("{hosts}log.level = '{MARKER}'\n"),
        format!("{hosts}http.trusted_proxies = ['{MARKER}']\n"),
        format!("{hosts}http.unknown = '{MARKER}'\n"),
        format!("{hosts}{MARKER} {{"),
        format!(
            "{hosts}http.tls.certificate_file = '/{MARKER}'\nhttp.tls.key_file = '/{MARKER}'\n"
        ),
        format!(
            "{hosts}authentication = {{ basic = false, so_ticket = false, bearer = false, \
             session = false }}\n"
        ),
    ] {
        reloading.write(&unusable);
        instance.server.signal(Signal::HUP);
        instance.wait_for_more(SETTINGS_REFUSED, refused).await;
        refused = instance.metric(SETTINGS_REFUSED).await.unwrap();
        assert_eq!(instance.metric(FAILED).await, Some(1.0), "{unusable}");
        let other = ("Host", "other.example");
        get_with(app, PRINCIPAL, &app.plain(), other).await.assert_status(200);
    }
    reloading.set(&[("http.allowed_hosts", "['127.0.0.1']")]).await;
    assert_eq!(instance.metric(FAILED).await, Some(0.0));
    get_with(app, PRINCIPAL, &app.plain(), ("Host", "other.example")).await.assert_status(421);
    let log = reloading.instance.stop();
    for named in [
        "attempts.maximum_failures: must be between 1 and 100",
        "log.level: must be error, warn",
        "http.trusted_proxies: must be addresses",
        "http.unknown: unknown setting",
        "TOML parse error at line 2",
        "http.tls.certificate_file: ",
        "authentication: enable at least one scheme",
    ] {
        assert!(log.contains(named), "{named}: {log}");
    }
    assert!(log.contains("\"keeper.alarm\":true"), "{log}");
    let shown = log.replace(&format!("/{MARKER}"), "");
    assert!(!shown.contains(MARKER), "{log}");
}

#[sqlx::test]
async fn a_setting_that_needs_a_restart_is_named_and_stays_as_it_is(pool: PgPool) {
    let reloading = Reloading::start(pool, &[]).await;
    let (app, instance) = (&reloading.app, &reloading.instance);
    assert_eq!(instance.metric(RESTART).await, Some(0.0));
    let settings = [
        ("database.role", &format!("'{MARKER}'")[..]),
        ("http.base_path", "'/other'"),
        ("authentication.basic", "false"),
    ];
    reloading.set(&settings).await;
    assert_eq!(instance.metric(RESTART).await, Some(2.0));
    assert_eq!(status(app, &app.plain()).await, 401, "the rest is taken over");
    app.get("/other/api", &app.plain()).await.assert_status(404);
    // They stay listed after another reload, until they are taken back or the service restarts.
    reloading.set(&settings[..2]).await;
    assert_eq!(instance.metric(RESTART).await, Some(2.0));
    assert_eq!(status(app, &app.plain()).await, 200);
    reloading.set(&[]).await;
    assert_eq!(instance.metric(RESTART).await, Some(0.0));
    let log = reloading.instance.stop();
    assert!(log.contains("\"keeper.settings\":\"database.role, http.base_path\""), "{log}");
    assert!(log.contains("need a restart"), "{log}");
    assert!(log.contains("\"keeper.settings\":\"authentication.basic\""), "{log}");
    assert!(!log.contains(MARKER), "{log}");
}

#[sqlx::test]
async fn a_combination_that_only_a_restart_solves_is_refused(pool: PgPool) {
    let proxy = ("http.tls_terminated_by_proxy", "true");
    let reloading =
        Reloading::start(pool, &[proxy, ("http.trusted_proxies", "['127.0.0.1']")]).await;
    let instance = &reloading.instance;
    let refused = instance.metric(SETTINGS_REFUSED).await.unwrap();
    // Without both, the new file is valid; the running service would have no proxy for its TLS.
    reloading.write("");
    instance.server.signal(Signal::HUP);
    instance.wait_for_more(SETTINGS_REFUSED, refused).await;
    let log = reloading.instance.stop();
    assert!(log.contains("http.tls_terminated_by_proxy: requires"), "{log}");
    assert!(log.contains("restart the service"), "{log}");
}

#[sqlx::test]
async fn a_changed_file_is_reloaded_without_a_signal(pool: PgPool) {
    let reloading = Reloading::start(pool, &[]).await;
    let instance = &reloading.instance;
    let before = instance.metric(SETTINGS_RELOADED).await.unwrap();
    reloading.write("authentication.basic = false\n");
    instance.wait_for_more(SETTINGS_RELOADED, before).await;
    assert_eq!(status(&reloading.app, &reloading.app.plain()).await, 401);
    fs::remove_file(&reloading.file).unwrap();
    instance.wait_for_metric(FAILED, 1.0).await;
    assert_eq!(status(&reloading.app, &reloading.app.plain()).await, 401);
}

/// The value of a setting that names a file.
fn text(path: &Path) -> String {
    format!("'{}'", path.display())
}

#[sqlx::test]
async fn a_signal_with_unusable_settings_reads_no_other_file(pool: PgPool) {
    let (authority, folder) = (TestAuthority::new(), tempfile::tempdir().unwrap());
    let (certificate, key) = authority.issue(&["127.0.0.1"]).write(folder.path(), "operations");
    let (certificate_setting, key_setting) = (text(&certificate), text(&key));
    let tls = [
        ("http.tls.certificate_file", certificate_setting.as_str()),
        ("http.tls.key_file", key_setting.as_str()),
    ];
    let reloading = Reloading::start(pool, &tls).await;
    let instance = &reloading.instance;
    let reloads = r#"keeper_reloads_total{setting="http.tls",outcome="success"}"#;
    let refused = instance.metric(SETTINGS_REFUSED).await.unwrap();
    reloading.write("attempts.maximum_failures = 0\n");
    instance.server.signal(Signal::HUP);
    instance.wait_for_more(SETTINGS_REFUSED, refused).await;
    assert_eq!(instance.metric(reloads).await, Some(0.0), "the signal reads no other file");
    reloading.set(&tls).await;
    instance.wait_for_metric(reloads, 1.0).await;
    // A file that the settings name and that cannot be used refuses the whole signal, too.
    let refused = instance.metric(SETTINGS_REFUSED).await.unwrap();
    let good = fs::read_to_string(&certificate).unwrap();
    replace(&certificate, "no certificate", 0o644);
    instance.server.signal(Signal::HUP);
    instance.wait_for_more(SETTINGS_REFUSED, refused).await;
    // Correcting the file is enough.
    replace(&certificate, &good, 0o644);
    instance.wait_for_metric(FAILED, 0.0).await;
    let log = reloading.instance.stop();
    assert!(log.contains("http.tls.certificate_file: "), "{log}");
}

#[sqlx::test]
async fn a_signal_with_another_certificate_that_has_expired_changes_nothing(pool: PgPool) {
    let (authority, folder) = (TestAuthority::new(), tempfile::tempdir().unwrap());
    let write_expired = || authority.issue_expired(&["127.0.0.1"]).write(folder.path(), "api");
    let (certificate, key) = write_expired();
    let (certificate_setting, key_setting) = (text(&certificate), text(&key));
    let tls = [
        ("http.tls.certificate_file", certificate_setting.as_str()),
        ("http.tls.key_file", key_setting.as_str()),
    ];
    let reloading = Reloading::start(pool, &tls).await;
    let instance = &reloading.instance;
    // The certificate in use has expired, too. It stays, and so refuses nothing.
    reloading.set(&[tls[0], tls[1], ("maintenance.read_only", "true")]).await;
    assert_eq!(instance.metric(READ_ONLY).await, Some(1.0));
    let refused = instance.metric(SETTINGS_REFUSED).await.unwrap();
    write_expired();
    reloading.write(&tls.map(|(name, value)| format!("{name} = {value}\n")).concat());
    instance.server.signal(Signal::HUP);
    instance.wait_for_more(SETTINGS_REFUSED, refused).await;
    assert_eq!(instance.metric(READ_ONLY).await, Some(1.0), "the settings are not taken over");
    // Renewing it is enough.
    authority.issue(&["127.0.0.1"]).write(folder.path(), "api");
    instance.wait_for_metric(READ_ONLY, 0.0).await;
    let log = reloading.instance.stop();
    let named = format!("http.tls.certificate_file: the certificate in {}", certificate.display());
    assert!(log.contains(&format!("{named} has expired; renew it")), "{log}");
}

/// An outage of the database must not keep an operator from changing settings.
#[sqlx::test]
async fn a_keyring_that_only_the_database_can_refuse_does_not_refuse_the_settings(pool: PgPool) {
    let reloading = Reloading::start(pool, &[]).await;
    let (app, instance) = (&reloading.app, &reloading.instance);
    let folder = tempfile::tempdir().unwrap();
    let foreign = folder.path().join("foreign.json");
    app.command(&["keys", "generate", "--file", foreign.to_str().unwrap()], "").assert_success();
    replace(Path::new(app.keyring()), &fs::read_to_string(&foreign).unwrap(), 0o400);
    reloading.set(&[("authentication.basic", "false")]).await;
    instance.wait_for_metric(r#"keeper_reload_failed{setting="keyring.file"}"#, 1.0).await;
    assert_eq!(status(app, &app.plain()).await, 401);
    assert_eq!(instance.metric(FAILED).await, Some(0.0));
}
