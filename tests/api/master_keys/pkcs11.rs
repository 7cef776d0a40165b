//! A master key on a real PKCS#11 token: SoftHSM.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
};

use serde_json::Value;
use sqlx::PgPool;

use super::{
    Variables, assert_rotates, assert_serves, command, listed, replace, secrets, serve, with,
    wrapped,
};
use crate::support::{Instance, PIN, PRINCIPAL, SoftHsm, TestApp};

/// The requirement of `doctor`.
const MASTER_KEY_REQUIREMENT: &str = "a master key outside the service wraps the keyring";

/// The exit code of a refusal that a supervisor must not repeat (sysexits.h: `EX_CONFIG`).
const DO_NOT_REPEAT: i32 = 78;

/// An application whose keyring a token wraps, and the settings for it.
async fn wrapped_by(tokens: &SoftHsm, pool: PgPool) -> (TestApp, Variables) {
    let app = TestApp::spawn(pool).await;
    app.command(&["migrate"], "").assert_success();
    let settings = tokens.settings();
    command(&app, &settings, &["keys", "wrap"]).assert_success();
    (app, settings)
}

#[sqlx::test]
async fn a_keyring_wrapped_by_a_token_serves_rotates_and_moves_to_another_key(pool: PgPool) {
    let tokens = SoftHsm::new();
    let app = TestApp::spawn(pool).await;
    app.command(&["migrate"], "").assert_success();
    let plain = fs::read_to_string(app.keyring()).unwrap();
    let settings = tokens.settings();
    // The group of the service reads the keyring; no group has this id.
    if rustix::process::geteuid().is_root() {
        chown(app.keyring(), Some(0), Some(47_111)).unwrap();
    }
    fs::set_permissions(app.keyring(), PermissionsExt::from_mode(0o440)).unwrap();
    let access = || {
        let metadata = fs::metadata(app.keyring()).unwrap();
        (metadata.uid(), metadata.gid(), metadata.mode())
    };
    let before = access();
    command(&app, &settings, &["keys", "wrap"]).assert_success();
    assert_eq!(access(), before);
    let text = fs::read_to_string(app.keyring()).unwrap();
    assert!(secrets(&plain).iter().all(|secret| !text.contains(secret)), "{text}");
    assert_eq!(listed(&app, &settings)[0]["wrapped_by"], "pkcs11:keyring");
    assert_serves(&app, &serve(&app, &settings).unwrap()).await;
    assert_rotates(&app, &settings).await;
    for (settings, verdict) in [(&settings, "pass"), (&Vec::new(), "note")] {
        let findings = command(&app, settings, &["--json", "doctor"]).stdout;
        let findings: Value = serde_json::from_str(&findings).unwrap();
        let is_ours = |finding: &&Value| finding["what"] == MASTER_KEY_REQUIREMENT;
        let finding = findings.as_array().unwrap().iter().find(is_ours).unwrap();
        assert_eq!(finding["verdict"], verdict, "{finding}");
    }

    tokens.add_key("next");
    let next = with(&settings, "KEEPER__KEYRING__PKCS11__KEY", "next");
    // The keyring names its key, so an instance with other settings still starts.
    assert_serves(&app, &serve(&app, &next).unwrap()).await;
    command(&app, &next, &["keys", "rewrap"]).assert_success();
    assert_eq!(listed(&app, &settings)[0]["wrapped_by"], "pkcs11:next");
    assert_serves(&app, &serve(&app, &settings).unwrap()).await;
}

#[sqlx::test]
async fn each_refusal_of_a_token_says_what_to_do(pool: PgPool) {
    let tokens = SoftHsm::new();
    let (app, settings) = wrapped_by(&tokens, pool).await;
    let refused = |more: &Variables, message: &str| {
        // The default wait: a refusal does not wait.
        let error = serve(&app, more).err().unwrap();
        assert!(error.contains(message), "{message}: {error}");
        assert!(!error.contains("waiting up to") && !error.contains("panicked"), "{error}");
    };
    tokens.write_pin("999999");
    refused(&settings, "incorrect PIN for PKCS#11 token keeper; correct the file of");
    let error = serve(&app, &settings).err().unwrap();
    assert!(!error.contains("999999"), "{error}");
    tokens.write_pin("1");
    refused(&settings, "incorrect PIN");
    tokens.write_pin(PIN);

    let setting = |name: &str, value: &str| {
        with(&settings, &format!("KEEPER__KEYRING__PKCS11__{name}"), value)
    };
    let no_library = setting("MODULE", "/etc/passwd");
    refused(&no_library, "keyring.pkcs11.module: cannot load /etc/passwd");
    refused(&no_library, "a file system that permits execution (in a systemd unit: ExecPaths=)");
    let libc = "/lib/x86_64-linux-gnu/libz.so.1";
    if fs::exists(libc).unwrap() {
        refused(&setting("MODULE", libc), "keyring.pkcs11.module: cannot load");
    }
    let without_wait =
        with(&setting("TOKEN", "absent"), "KEEPER__KEYRING__STARTUP_WAIT_SECONDS", "0");
    refused(&without_wait, "PKCS#11 token absent not found");
    let waiting = with(&setting("TOKEN", "absent"), "KEEPER__KEYRING__STARTUP_WAIT_SECONDS", "1");
    let error = serve(&app, &waiting).err().unwrap();
    assert!(error.contains("waiting up to 1 s for the master key"), "{error}");
    assert!(error.contains("timed out after 1 s"), "{error}");

    let sound = wrapped(&app);
    let mut damaged = sound.clone();
    let ciphertext = sound["wrap"]["ciphertext"].as_str().unwrap();
    damaged["wrap"]["ciphertext"] = ciphertext.replacen(&ciphertext[20..24], "AAAA", 1).into();
    replace(&app, &damaged);
    refused(&settings, "cannot decrypt the data key of the keyring");
    let mut other = sound.clone();
    other["wrap"]["key"] = "absent".into();
    replace(&app, &other);
    refused(&settings, "AES key absent not found on PKCS#11 token keeper");
    replace(&app, &sound);
    tokens.add_key("keyring");
    refused(&settings, "several AES keys on PKCS#11 token keeper have the label keyring");
    tokens.add_token("keeper");
    refused(&settings, "several PKCS#11 tokens have the label keeper");
}

#[sqlx::test]
async fn a_removed_token_does_not_stop_a_running_service(pool: PgPool) {
    let tokens = SoftHsm::new();
    let (app, settings) = wrapped_by(&tokens, pool).await;
    let server = serve(&app, &settings).unwrap();
    tokens.delete_token("keeper");
    assert_serves(&app, &server).await;
    let error = command(&app, &settings, &["keys", "unwrap", "--stdout"]);
    error.assert_error("PKCS#11 token keeper not found");
}

#[sqlx::test]
async fn an_incorrect_pin_has_an_exit_code_that_no_unit_repeats(pool: PgPool) {
    let tokens = SoftHsm::new();
    let (app, settings) = wrapped_by(&tokens, pool).await;
    tokens.write_pin("999999");
    for arguments in [&["serve"][..], &["user", "list"], &["keys", "unwrap"]] {
        let refused = command(&app, &settings, arguments);
        assert_eq!(refused.code, DO_NOT_REPEAT, "{arguments:?}: {refused:?}");
        assert!(refused.stderr.contains("incorrect PIN"), "{refused:?}");
    }
    // Every other failure may be repeated.
    tokens.write_pin(PIN);
    let absent = with(&settings, "KEEPER__KEYRING__PKCS11__TOKEN", "absent");
    let absent = with(&absent, "KEEPER__KEYRING__STARTUP_WAIT_SECONDS", "0");
    command(&app, &absent, &["serve"]).assert_error("PKCS#11 token absent not found");
    let other = with(&settings, "KEEPER__KEYRING__PKCS11__MODULE", "/etc/passwd");
    command(&app, &other, &["serve"]).assert_error("cannot load /etc/passwd");

    let unit = fs::read_to_string("packaging/debian/credential-keeper.service").unwrap();
    assert!(unit.contains("\nRestart=on-failure\n"), "{unit}");
    assert!(unit.contains(&format!("\nRestartPreventExitStatus={DO_NOT_REPEAT}\n")), "{unit}");
    let guide = fs::read_to_string("docs/how-to/keep-the-master-key-outside.md").unwrap();
    assert!(guide.contains(&format!("RestartPreventExitStatus={DO_NOT_REPEAT}")), "{guide}");
}

#[sqlx::test]
async fn a_running_service_takes_a_corrected_pin(pool: PgPool) {
    const FAILED: &str = r#"keeper_reload_failed{setting="keyring.file"}"#;
    let tokens = SoftHsm::new();
    let (app, settings) = wrapped_by(&tokens, pool).await;
    let variables: Vec<_> =
        settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let instance = Instance::start(&app, &variables);
    tokens.write_pin("999999");
    instance.wait_for_metric(FAILED, 1.0).await;
    instance.get(PRINCIPAL, &app.plain()).await.assert_status(200);
    // Nobody touches the keyring or sends a signal.
    tokens.write_pin(PIN);
    instance.wait_for_metric(FAILED, 0.0).await;
    let log = instance.stop();
    assert_eq!(log.matches("incorrect PIN for").count(), 1, "tried once: {log}");
}
