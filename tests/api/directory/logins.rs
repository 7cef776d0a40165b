//! Passwords that a real `OpenLDAP` server verifies (`directory.verify_passwords`).

use std::time::{Duration, Instant};

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::{searches::escape_dn, spawn};
use crate::{
    guessing::{failure_count, fingerprint},
    soap,
    support::{
        Answer, Credentials, PLAIN, PRINCIPAL, Slapd, TICKETS, TestApp, password_of, wait_until,
    },
};

/// The binary form of `S-1-5-21-1-2-3-N`, in base64.
fn sid(relative_id: u32) -> String {
    let numbers = [21, 1, 2, 3, relative_id].into_iter().flat_map(u32::to_le_bytes);
    STANDARD.encode([1, 5, 0, 0, 0, 0, 0, 5].into_iter().chain(numbers).collect::<Vec<_>>())
}

pub(super) fn sid_text(relative_id: u32) -> String {
    format!("S-1-5-21-1-2-3-{relative_id}")
}

/// An entry of a user.
pub(crate) fn person(name: &str, relative_id: u32, password: &str) -> String {
    let dn = STANDARD.encode(format!("uid={},ou=people,dc=test", escape_dn(name)));
    let [name, password] = [name, password].map(|text| STANDARD.encode(text));
    format!(
        "dn:: {dn}\nobjectClass: inetOrgPerson\nobjectClass: securityPrincipal\ncn: x\nsn: x\n\
         uid:: {name}\nobjectSid:: {}\nuserPassword:: {password}\n\n",
        sid(relative_id),
    )
}

/// The settings of these tests: a short deadline, and no limit for the address that all share.
pub(super) const SETTINGS: [(&str, &str); 2] =
    [("VERIFY_PASSWORDS", "true"), ("VERIFY_TIMEOUT_SECONDS", "1")];

/// Adds a user whose only credential is their SID.
pub(super) async fn add(app: &TestApp, user: (i32, &str), relative_id: u32) {
    add_of_type(app, user, relative_id, "internal").await;
}

pub(crate) async fn add_of_type(
    app: &TestApp,
    (id, name): (i32, &str),
    relative_id: u32,
    user_type: &str,
) {
    let line = json!({ "login_name": name, "id": id, "type": user_type }).to_string();
    app.command(&["import", "-"], &line).assert_success();
    save_sid(app, id, relative_id).await;
}

pub(crate) async fn save_sid(app: &TestApp, user_id: i32, relative_id: u32) {
    let administrator = app.administrator();
    app.save(&administrator, user_id, "ActiveDirectory", &sid_text(relative_id))
        .await
        .assert_saved();
}

/// Logs in with Basic.
pub(super) async fn login(app: &TestApp, name: &str, password: &str) -> Answer {
    let credentials = Credentials::basic(name, password);
    Answer::read(app.request(Method::GET, PRINCIPAL, &credentials).send().await.unwrap()).await
}

/// The number of logins with an outcome, according to the metrics.
pub(super) async fn outcomes(app: &TestApp, outcome: &str) -> f64 {
    app.metric(&format!("keeper_directory_logins_total{{outcome=\"{outcome}\"}}")).await
}

#[track_caller]
pub(super) fn assert_number(found: f64, expected: u32) {
    assert!((found - f64::from(expected)).abs() < f64::EPSILON, "{found} instead of {expected}");
}

#[sqlx::test]
async fn every_way_to_log_in_with_a_password_is_verified_by_a_bind(pool: PgPool) {
    let slapd = Slapd::start(&person("ola", 1101, "of ola"));
    let lifetime = ("VERIFIED_LIFETIME_SECONDS", "0");
    let app = spawn(pool, &slapd.variables(), &[&SETTINGS[..], &[lifetime]].concat()).await;
    add(&app, (501, "ola"), 1101).await;
    let principal = login(&app, "Ola", "of ola").await;
    principal.assert_status(200);
    assert_eq!(principal.json()["AssociateId"], 501);
    let body = json!({ "UserName": "ola", "Password": "of ola" });
    app.post("/login", &Credentials::Anonymous, &body).await.assert_status(200);
    let credentials = Credentials::basic("ola", "of ola");
    app.post(TICKETS, &credentials, &Value::Null).await.assert_status(201);
    let request = app.client.post(format!("{}{}", app.url, soap::SERVICE));
    let request = request.header("Content-Type", "text/xml").body(soap::login("ola", "of ola"));
    let answer = Answer::read(request.send().await.unwrap()).await;
    assert!(answer.body.contains("7T:"), "{answer:?}");
    assert_number(outcomes(&app, "accepted").await, 4);
    login(&app, "ola", "other").await.assert_unauthenticated();
    assert_number(outcomes(&app, "refused").await, 1);
    assert!(app.metric("keeper_directory_login_connections").await >= 2.0);
    assert_number(app.metric("keeper_directory_login_connections_maximum").await, 16);
    // With StartTLS, too.
    let app = app.spawn_instance(&[("KEEPER__DIRECTORY__URL", &slapd.url())]).await;
    login(&app, "ola", "of ola").await.assert_status(200);
    let off = app.spawn_instance(&[("KEEPER__DIRECTORY__VERIFY_PASSWORDS", "false")]).await;
    login(&off, "ola", "of ola").await.assert_unauthenticated();
}

#[sqlx::test]
async fn a_password_here_decides_first_and_is_not_sent(pool: PgPool) {
    let slapd = Slapd::start(&person("paul", 1101, "of the directory"));
    let app = spawn(pool, &slapd.variables(), &SETTINGS).await;
    save_sid(&app, PLAIN.0, 1101).await;
    login(&app, PLAIN.1, &password_of(PLAIN.1)).await.assert_status(200);
    assert_number(outcomes(&app, "accepted").await + outcomes(&app, "refused").await, 0);
    login(&app, PLAIN.1, "of the directory").await.assert_status(200);
    assert_number(outcomes(&app, "accepted").await, 1);
    login(&app, PLAIN.1, "neither").await.assert_unauthenticated();
}

#[sqlx::test]
async fn the_value_of_the_credential_is_no_password(pool: PgPool) {
    let slapd = Slapd::start(&person("ola", 1101, "of ola"));
    let app = spawn(pool, &slapd.variables(), &SETTINGS).await;
    add(&app, (501, "ola"), 1101).await;
    for value in [sid_text(1101), sid(1101)] {
        login(&app, "ola", &value).await.assert_unauthenticated();
    }
    assert_number(outcomes(&app, "refused").await, 2);
}

#[sqlx::test]
async fn special_characters_are_sent_as_they_are(pool: PgPool) {
    const VALUE: &str = "a*)(cn=\\x \u{e5}";
    let password = "p\u{e4}ss*)(\\ \u{1f511}";
    let described = person("described", 1102, "other");
    let described =
        described.replace("cn: x", &format!("cn: x\ndescription:: {}", STANDARD.encode(VALUE)));
    let entries = person("#a,b+c \"<>;= \\\u{e5} ", 1101, password) + &described;
    let slapd = Slapd::start(&entries);
    let app = spawn(pool, &slapd.variables(), &SETTINGS).await;
    add(&app, (501, "ola"), 1101).await;
    // The directory gets the composed form.
    login(&app, "ola", &password.replace('\u{e4}', "a\u{308}")).await.assert_status(200);
    // The other form is the same password, which is known now.
    login(&app, "ola", password).await.assert_status(200);
    assert_number(outcomes(&app, "accepted").await, 1);
    // Another attribute, whose values are texts with the characters of filters.
    let other = [("KEEPER__DIRECTORY__USER_VALUE_ATTRIBUTE", "description")];
    let other = app.spawn_instance(&other).await;
    login(&other, "ola", "guess").await.assert_unauthenticated();
    app.save(&app.administrator(), 501, "ActiveDirectory", VALUE).await.assert_saved();
    login(&other, "ola", "other").await.assert_status(200);
    app.save(&app.administrator(), 501, "ActiveDirectory", "*").await.assert_saved();
    login(&other, "ola", "other").await.assert_unauthenticated();
}

#[sqlx::test]
async fn users_who_may_not_log_in_are_refused_like_unknown_names_without_a_bind(pool: PgPool) {
    let password = format!("userPassword:: {}\n", STANDARD.encode("right"));
    let entries = [
        person("two", 2, "right"),
        person("second", 2, "right"),
        person("bare", 4, "right").replace(&password, ""),
    ];
    let slapd = Slapd::start(&entries.concat());
    let app = spawn(pool, &slapd.variables(), &SETTINGS).await;
    for (user, relative_id, user_type) in [
        ((501, "retired"), 1, "internal"),
        ((502, "robot"), 11, "system"),
        ((503, "guest"), 12, "anonymous"),
        ((504, "gone"), 13, "internal"),
        ((505, "two"), 2, "internal"),
        ((506, "bare"), 4, "internal"),
        ((507, "ended"), 14, "internal"),
        ((508, "locked"), 15, "external"),
    ] {
        add_of_type(&app, user, relative_id, user_type).await;
    }
    app.command(&["user", "retire", "retired"], "").assert_success();
    let ended =
        ["credential", "save", "--user", "ended", "--type", "ActiveDirectory", "--valid-to"];
    app.command(&[&ended[..], &["2020-01-01T00:00:00Z"]].concat(), &sid_text(14)).assert_success();
    app.add_user((509, "local"), &[]);
    sqlx::raw_sql(
        "INSERT INTO authentication_attempts
         VALUES (508, 'ActiveDirectory', 100, '{}', 0, '{}', now(), NULL)",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    let refused = fingerprint(&login(&app, "unknown", "right").await);
    assert_eq!(refused.0, 401);
    let unsent = ["retired", "robot", "guest", "ended", "locked", "local"];
    for name in unsent.into_iter().chain(["gone", "two", "bare"]) {
        let answer = login(&app, name, "right").await;
        assert_eq!(fingerprint(&answer), refused, "{name}");
    }
    assert_number(outcomes(&app, "not_sent").await, 7);
    // Of these, only one has an entry of their own.
    assert_number(outcomes(&app, "refused").await, 3);
    assert_eq!(failure_count(&app, 504).await, failure_count(&app, 509).await);
}

/// Limits that do not depend on the time between guesses.
pub(super) const FIVE_GUESSES: [(&str, &str); 2] =
    [("KEEPER__ATTEMPTS__BEFORE_DELAY", "1000"), ("KEEPER__ATTEMPTS__MAXIMUM_FAILURES", "5")];

/// The failures of a user in a row, of the directory and of passwords here.
async fn failures_in_a_row(app: &TestApp, user_id: i32) -> Vec<i32> {
    let statement = "SELECT failures FROM authentication_attempts
                     WHERE user_id = $1 ORDER BY credential_type";
    sqlx::query_scalar(statement).bind(user_id).fetch_all(&app.pool).await.unwrap()
}

#[sqlx::test]
async fn guesses_are_counted_and_stopped_and_the_same_one_is_sent_once(pool: PgPool) {
    let slapd = Slapd::start(&(person("ola", 1101, "of ola") + &person("ole", 1102, "of ole")));
    let app = spawn(pool, &slapd.variables(), &SETTINGS).await;
    add(&app, (501, "ola"), 1101).await;
    add(&app, (502, "ole"), 1102).await;
    let app = app.spawn_instance(&FIVE_GUESSES).await;
    let mut answers = Vec::new();
    for name in ["ola", "unknown"] {
        for guess in [0, 0, 1, 1, 2, 3, 4] {
            login(&app, name, &format!("guess {guess}")).await.assert_unauthenticated();
        }
        let stopped = login(&app, name, "of ola").await;
        stopped.assert_refused(429, "SoServiceUnavailableException", "too_many_attempts");
        answers.push(fingerprint(&stopped));
    }
    assert_eq!(answers[0], answers[1]);
    assert_number(outcomes(&app, "refused").await, 5);
    // Of the other name, and the guesses that were known to be wrong.
    assert_number(outcomes(&app, "not_sent").await, 7 + 2);
    assert_eq!(failures_in_a_row(&app, 501).await, [5, 5]);
    app.command(&["credential", "unlock", "--user", "ola"], "").assert_success();
    login(&app, "ola", "of ola").await.assert_status(200);
    // From an address that is known, three are possible that do not count for other addresses.
    login(&app, "ole", "of ole").await.assert_status(200);
    for guess in 0..3 {
        login(&app, "ole", &format!("guess {guess}")).await.assert_unauthenticated();
    }
    assert_eq!(failures_in_a_row(&app, 502).await, [3, 3]);
    let statement =
        "SELECT max(throttle_failures) FROM authentication_attempts WHERE user_id = 502";
    let throttled: i32 = sqlx::query_scalar(statement).fetch_one(&app.pool).await.unwrap();
    assert_eq!(throttled, 0);
    // A login resets the failures of its type only.
    login(&app, "ole", "of ole").await.assert_status(200);
    assert_eq!(failures_in_a_row(&app, 502).await, [0, 3]);
}

#[sqlx::test]
async fn a_changed_password_ends_with_the_lifetime_of_the_cache(pool: PgPool) {
    let mut slapd = Slapd::start(&person("ola", 1101, "first"));
    let lifetime = ("VERIFIED_LIFETIME_SECONDS", "4");
    let app = spawn(pool, &slapd.variables(), &[&SETTINGS[..], &[lifetime]].concat()).await;
    add(&app, (501, "ola"), 1101).await;
    login(&app, "ola", "first").await.assert_status(200);
    let cached = Instant::now();
    for _ in 0..4 {
        login(&app, "ola", "first").await.assert_status(200);
    }
    assert_number(outcomes(&app, "accepted").await, 1);
    slapd.modify(
        "dn: uid=ola,ou=people,dc=test\nchangetype: modify\nreplace: userPassword\n\
         userPassword: second\n",
    );
    login(&app, "ola", "second").await.assert_status(200);
    tokio::time::sleep(Duration::from_secs(5).saturating_sub(cached.elapsed())).await;
    login(&app, "ola", "first").await.assert_unauthenticated();
    // The entry is not found any longer, as that of a disabled account is not with the default filter.
    slapd.modify(
        "dn: uid=ola,ou=people,dc=test\nchangetype: modify\nreplace: objectSid\n\
         objectSid: x\n",
    );
    tokio::time::sleep(Duration::from_secs(5)).await;
    login(&app, "ola", "second").await.assert_unauthenticated();
    // It is found again, as that of an account that is enabled.
    slapd.modify(&format!(
        "dn: uid=ola,ou=people,dc=test\nchangetype: modify\nreplace: objectSid\n\
         objectSid:: {}\n",
        sid(1101)
    ));
    login(&app, "ola", "second").await.assert_status(200);
    login(&app, "ola", "first").await.assert_unauthenticated();
}

#[sqlx::test]
async fn a_credential_that_is_removed_ends_everything_at_once(pool: PgPool) {
    let slapd = Slapd::start(&person("ola", 1101, "of ola"));
    let app = spawn(pool, &slapd.variables(), &SETTINGS).await;
    add(&app, (501, "ola"), 1101).await;
    let ticket = app.ticket(&Credentials::basic("ola", "of ola")).await;
    let ticket = Credentials::Ticket(ticket);
    app.get(PRINCIPAL, &ticket).await.assert_status(200);
    let arguments = ["credential", "delete", "--user", "ola", "--type", "ActiveDirectory"];
    app.command(&arguments, "").assert_success();
    login(&app, "ola", "of ola").await.assert_unauthenticated();
    app.get(PRINCIPAL, &ticket).await.assert_unauthenticated();
    save_sid(&app, 501, 1101).await;
    login(&app, "ola", "of ola").await.assert_status(200);
    app.command(&["user", "retire", "ola"], "").assert_success();
    login(&app, "ola", "of ola").await.assert_unauthenticated();
}

#[sqlx::test]
async fn concurrent_logins_of_one_user_share_binds(pool: PgPool) {
    let slapd = Slapd::start(&person("ola", 1101, "of ola"));
    // The directory has time on a busy machine, too: no login is refused, so none waits for it.
    let more = [("VERIFY_TIMEOUT_SECONDS", "10"), ("VERIFY_MAXIMUM_CONNECTIONS", "1")];
    let app = spawn(pool, &slapd.variables(), &[&SETTINGS[..1], &more].concat()).await;
    add(&app, (501, "ola"), 1101).await;
    let logins = (0..40).map(|_| login(&app, "ola", "of ola"));
    for answer in futures_util::future::join_all(logins).await {
        answer.assert_status(200);
    }
    let accepted = outcomes(&app, "accepted").await;
    assert!(accepted < 5.0, "{accepted} binds");
    assert_eq!(failure_count(&app, 501).await, 0);
}

/// The guess counts once, so it is one attempt in the directory, too.
#[sqlx::test]
async fn the_same_guess_from_many_addresses_is_sent_once(pool: PgPool) {
    let slapd = Slapd::start(&person("ola", 1101, "of ola"));
    let more = ("VERIFY_TIMEOUT_SECONDS", "10");
    let app = spawn(pool, &slapd.variables(), &[SETTINGS[0], more]).await;
    add(&app, (501, "ola"), 1101).await;
    let app = app.spawn_instance(&[("KEEPER__HTTP__TRUSTED_PROXIES", "127.0.0.1")]).await;
    let credentials = Credentials::basic("ola", "a guess");
    let guesses = (1..=20).map(|number| {
        let request = app.request(Method::GET, PRINCIPAL, &credentials);
        request.header("X-Forwarded-For", format!("203.0.113.{number}")).send()
    });
    for answer in futures_util::future::join_all(guesses).await {
        assert_eq!(answer.unwrap().status(), 401);
    }
    assert_number(outcomes(&app, "refused").await, 1);
    assert_eq!(failures_in_a_row(&app, 501).await, [1, 1]);
}

/// The failures of a user for the throttling, of the directory and of passwords here.
async fn throttled_failures(app: &TestApp, user_id: i32) -> Vec<i32> {
    let statement = "SELECT throttle_failures FROM authentication_attempts
                     WHERE user_id = $1 ORDER BY credential_type";
    sqlx::query_scalar(statement).bind(user_id).fetch_all(&app.pool).await.unwrap()
}

/// A login with a wrong password waits for the directory while another one from the same address
/// succeeds with a password of this service.
#[sqlx::test]
async fn a_failure_beside_a_success_counts_once(pool: PgPool) {
    let slapd = Slapd::start(&person("ola", 1101, "of ola"));
    let more = ("VERIFY_TIMEOUT_SECONDS", "5");
    let app = spawn(pool, &slapd.variables(), &[&SETTINGS[..1], &[more]].concat()).await;
    app.add_user((501, "ola"), &[]);
    save_sid(&app, 501, 1101).await;
    slapd.freeze();
    let wrong = login(&app, "ola", "of nobody");
    let right = async {
        wait_until("the failure is counted", async || {
            !throttled_failures(&app, 501).await.is_empty()
        })
        .await;
        let answer = login(&app, "ola", &password_of("ola")).await;
        slapd.resume();
        answer
    };
    let (wrong, right) = futures_util::future::join(wrong, right).await;
    right.assert_status(200);
    wrong.assert_unauthenticated();
    assert_eq!(throttled_failures(&app, 501).await, [1, 1]);
}
