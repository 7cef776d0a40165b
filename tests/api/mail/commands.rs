//! `config check` and `doctor` with a mail server.

use serde_json::Value;
use sqlx::PgPool;

use super::spawn;
use crate::support::{
    CommandOutput, MailServer, TestApp, converse, keeper, raw_mail_server, replace, run_with_input,
};

/// Runs a command with the settings of a test, some of them replaced.
fn run(app: &TestApp, arguments: &[&str], variables: &[(&str, &str)]) -> CommandOutput {
    let mut command = keeper(arguments);
    command.envs(app.variables()).envs(variables.iter().copied());
    run_with_input(command, "")
}

#[sqlx::test]
async fn config_check_names_unusable_files(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn(pool, &server).await;
    app.command(&["config", "check"], "").assert_success();
    let file = |name: &str, text: &str, mode| {
        let path = server.path(name);
        replace(&path, text, mode);
        path.to_str().unwrap().to_owned()
    };
    let empty = file("empty", "\n", 0o400);
    let open = file("open", "smtps://marker@mail.example", 0o444);
    let invalid = file("invalid", "marker", 0o400);
    let exposed = file("exposed", "smtp://marker:marker@mail.example", 0o400);
    let plain = ("KEEPER__MAIL__START_TLS", "false");
    for (name, value, more, text) in [
        ("ca_file", "/no/such/file", None, "cannot read"),
        ("ca_file", empty.as_str(), None, "no valid certificate"),
        ("smtp_url_file", "/no/such/file", None, "failed to read"),
        ("smtp_url_file", &empty, None, "is empty"),
        ("smtp_url_file", &open, None, "too open"),
        ("smtp_url_file", &invalid, None, "valid URL"),
        ("smtp_url_file", &exposed, Some(plain), "plain text"),
    ] {
        let variable = format!("KEEPER__MAIL__{}", name.to_uppercase());
        let mut variables = vec![(variable.as_str(), value)];
        if name == "smtp_url_file" {
            variables.push(("KEEPER__MAIL__SMTP_URL", ""));
        }
        variables.extend(more);
        let output = run(&app, &["config", "check"], &variables);
        assert_eq!(output.code, 1, "{output:?}");
        assert!(output.stdout.contains(&format!("mail.{name}")), "{output:?}");
        assert!(output.stdout.contains(text), "{text}: {output:?}");
        assert!(!output.stdout.contains("marker"), "{output:?}");
    }
}

#[sqlx::test]
async fn the_effective_settings_have_no_login_of_the_server(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn(pool, &server).await;
    let output = app.command(&["config", "check", "--show"], "");
    assert!(output.stdout.contains("keeper@example.com"), "{output:?}");
    assert!(output.stdout.contains("smtps://redacted:redacted@localhost"), "{output:?}");
    assert!(!output.stdout.contains("Ass%20word"), "{output:?}");
}

const ENCRYPTED: &str = "the connection to the mail server is local, or encrypted";
const ACCEPTED: &str = "the mail server accepts the account of this service";

/// The verdict and the next step of `doctor` for a requirement.
fn verdict(app: &TestApp, variables: &[(&str, &str)], requirement: &str) -> String {
    let output = run(app, &["doctor", "--json"], variables);
    let rows: Value = serde_json::from_str(&output.stdout).unwrap();
    let mut rows = rows.as_array().unwrap().iter();
    let row = rows.find(|row| row["what"].as_str().unwrap().starts_with(requirement));
    let row = row.unwrap_or_else(|| panic!("{requirement}: {output:?}"));
    format!("{} {}", row["verdict"].as_str().unwrap(), row["next_step"])
}

#[sqlx::test]
async fn doctor_checks_the_encryption_and_the_login_and_sends_nothing(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn(pool, &server).await;
    assert_eq!(verdict(&app, &[], ENCRYPTED), "pass null");
    assert_eq!(verdict(&app, &[], ACCEPTED), "pass null");
    let wrong = server.tls_url().replace("p%3A", "marker%3A");
    let refused = verdict(&app, &[("KEEPER__MAIL__SMTP_URL", &wrong)], ACCEPTED);
    assert!(refused.starts_with("FAIL") && refused.contains("user name and password"), "{refused}");
    assert!(!refused.contains("marker"), "{refused}");
    let by_address = server.tls_url().replace("localhost", "127.0.0.1");
    let unverified = verdict(&app, &[("KEEPER__MAIL__SMTP_URL", &by_address)], ACCEPTED);
    assert!(unverified.contains("cannot negotiate TLS"), "{unverified}");
    // The final dot keeps the name on this machine, but the service takes it for another one.
    let exposed = [
        ("KEEPER__MAIL__SMTP_URL", "smtp://localhost.:9"),
        ("KEEPER__MAIL__START_TLS", "false"),
        ("KEEPER__MAIL__ALLOW_UNENCRYPTED", "true"),
        ("KEEPER__MAIL__CA_FILE", ""),
    ];
    assert!(verdict(&app, &exposed, ENCRYPTED).starts_with("FAIL"));
    assert!(server.mails().is_empty());
}

/// The reply of a server with logins.
const OFFER: &str = "250-localhost\r\n250 AUTH PLAIN\r\n";

#[sqlx::test]
async fn doctor_tells_why_a_login_failed(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn(pool, &server).await;
    let cases: [(&'static [&'static str], &str, &str); 5] = [
        (&[OFFER, "535 marker\r\n"], "false", "password of mail.smtp_url with code 535"),
        (&[OFFER, "454 marker\r\n"], "false", "turned the service away with code 454"),
        (&[OFFER, "marker\r\n"], "false", "sent an invalid reply"),
        (&["250-localhost\r\n250 AUTH XOAUTH2\r\n"], "false", "neither PLAIN nor LOGIN"),
        (&[OFFER, "235 marker\r\n"], "true", "does not offer STARTTLS"),
    ];
    for (replies, start_tls, reason) in cases {
        let address = raw_mail_server(move |stream| converse(stream, replies));
        let url = format!("smtp://keeper:secret@{address}");
        let variables = [
            ("KEEPER__MAIL__SMTP_URL", url.as_str()),
            ("KEEPER__MAIL__START_TLS", start_tls),
            ("KEEPER__MAIL__CA_FILE", ""),
        ];
        let refused = verdict(&app, &variables, ACCEPTED);
        assert!(refused.starts_with("FAIL") && refused.contains(reason), "{refused}");
        assert!(!refused.contains("marker"), "{refused}");
    }
}
