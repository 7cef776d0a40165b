//! Logins while the directory is away, slow or hostile (`directory.verify_passwords`).

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use reqwest::Method;
use rustix::process::Signal;
use sqlx::PgPool;
use tokio::task::JoinHandle;

use super::{
    instance,
    logins::{
        FIVE_GUESSES, SETTINGS, add, assert_number, login, outcomes, person, save_sid, sid_text,
    },
    spawn,
};
use crate::{
    guessing::fingerprint,
    support::{
        Answer, BIND, Credentials, PLAIN, PRINCIPAL, RawDirectory, Server, Slapd, TestApp,
        assert_becomes, done, element, entry, keeper, message, password_of, result, wait_until,
    },
};

/// Asserts the error of a directory that has not decided.
#[track_caller]
pub(super) fn assert_undecided(answer: &Answer) {
    answer.assert_refused(503, "SoServiceUnavailableException", "directory_unavailable");
    assert_eq!(answer.header("retry-after"), "1");
    assert!(!answer.body.contains("localhost"), "{answer:?}");
}

/// The failures in a row of a user, or of the only unknown name, by type.
pub(super) async fn failures(app: &TestApp, condition: &str) -> Vec<(String, i32)> {
    let statement = format!(
        "SELECT credential_type, failures FROM authentication_attempts WHERE user_id {condition}
         ORDER BY credential_type"
    );
    sqlx::query_as(sqlx::AssertSqlSafe(statement)).fetch_all(&app.pool).await.unwrap()
}

#[sqlx::test]
async fn while_the_directory_is_away_every_refused_login_is_503_and_passwords_here_work(
    pool: PgPool,
) {
    let mut slapd = Slapd::start(&person("ola", 1101, "of ola"));
    let app = spawn(pool, &slapd.variables(), &SETTINGS).await;
    add(&app, (501, "ola"), 1101).await;
    login(&app, "ola", "of ola").await.assert_status(200);
    slapd.stop();
    let mut answers = Vec::new();
    // One after the other, so that the breaker opens in between.
    for guess in 0..2 {
        for name in ["ola", PLAIN.1, "rita", "unknown"] {
            let answer = login(&app, name, &format!("guess {guess}")).await;
            assert_undecided(&answer);
            answers.push(fingerprint(&answer));
        }
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_number(app.metric("keeper_directory_login_breaker_open").await, 1);
    assert!(outcomes(&app, "suspended").await >= 2.0);
    login(&app, PLAIN.1, &password_of(PLAIN.1)).await.assert_status(200);
    // It is known until the cache forgets it.
    login(&app, "ola", "of ola").await.assert_status(200);
    // Guesses at passwords here are counted, and the attempts that the directory should decide are not.
    let counted = [("ActiveDirectory".to_owned(), 0), ("CRM5/PASSWORD".to_owned(), 2)];
    assert_eq!(failures(&app, "= 300").await, counted);
    assert_eq!(failures(&app, "< 0").await, counted);
    slapd.restart();
    tokio::time::sleep(Duration::from_secs(10)).await;
    login(&app, "unknown", "guess").await.assert_unauthenticated();
    login(&app, "ola", "guess 0").await.assert_unauthenticated();
    assert_number(app.metric("keeper_directory_login_breaker_open").await, 0);
}

#[sqlx::test]
async fn passwords_here_cannot_be_guessed_without_a_limit_in_an_outage(pool: PgPool) {
    let mut slapd = Slapd::start("");
    let app = spawn(pool, &slapd.variables(), &SETTINGS).await;
    slapd.stop();
    let app = app.spawn_instance(&FIVE_GUESSES).await;
    for name in ["rita", "unknown"] {
        for guess in 0..5 {
            // Repeated, the guess is not counted again, and its hash is known.
            assert_undecided(&login(&app, name, &format!("guess {guess}")).await);
            assert_undecided(&login(&app, name, &format!("guess {guess}")).await);
        }
        // Passwords here are stopped, so the next guess is not compared with the password here.
        let hashes = app.metric("keeper_hashing_hash_seconds_count").await;
        assert_undecided(&login(&app, name, "guess 5").await);
        let same = app.metric("keeper_hashing_hash_seconds_count").await;
        assert!((same - hashes).abs() < f64::EPSILON, "{name}: {hashes} {same}");
    }
}

#[sqlx::test]
async fn a_slow_directory_delays_no_password_here(pool: PgPool) {
    let server = RawDirectory::start(|_, _| Some(Vec::new()));
    let limit = ("VERIFY_MAXIMUM_CONNECTIONS", "1");
    let app = spawn(pool, &server.variables(), &[&SETTINGS[..], &[limit]].concat()).await;
    add(&app, (501, "ola"), 1101).await;
    let started = Instant::now();
    let names: Vec<_> = (0..20).map(|number| format!("unknown{number}")).collect();
    let refused = join_all(names.iter().map(|name| login(&app, name, "guess")));
    let others = async {
        for _ in 0..10 {
            app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
        }
        started.elapsed()
    };
    let (answers, others) = tokio::join!(refused, others);
    assert!(others < Duration::from_secs(4), "{others:?}");
    for answer in answers {
        assert_eq!(answer.status, 503, "{answer:?}");
    }
    assert!(outcomes(&app, "busy").await >= 1.0);
    assert!(outcomes(&app, "timed_out").await >= 1.0);
}

/// A directory whose only user has the SID `S-1-5-21-1-2-3-1`, and that answers binds of users with
/// `bind`. It asks for the binds of the service with the DN of the settings.
pub(super) fn directory_with(
    dn: &'static str,
    bind: impl Fn(u8) -> Vec<u8> + Send + Sync + 'static,
) -> RawDirectory {
    const SID: &[u8] = b"\x01\x05\0\0\0\0\0\x05\x15\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x01\0\0\0";
    RawDirectory::with_requests(move |request| {
        let [2, 1, id, tag, ..] = *request else { return None };
        let contains = |bytes: &[u8]| request.windows(bytes.len()).any(|window| window == bytes);
        match tag {
            BIND if contains(b"cn=keeper") => Some(result(id, 0x61, 0)),
            BIND => Some(bind(id)),
            _ if contains(SID) => {
                Some([entry(id, dn, &[("objectSid", SID)]), done(id, 0)].concat())
            }
            _ => Some(done(id, 0)),
        }
    })
}

/// The answer to a bind, with a diagnostic message.
pub(super) fn bound(id: u8, code: u8, text: &str) -> Vec<u8> {
    let text = element(4, text.as_bytes());
    message(id, &element(0x61, &[&[0x0a, 1, code, 4, 0], &text[..]].concat()))
}

#[sqlx::test]
async fn only_success_logs_in_and_only_the_whole_directory_is_unavailable(pool: PgPool) {
    let code = Arc::new(AtomicU8::new(0));
    let current = Arc::clone(&code);
    let server = directory_with("uid=ola", move |id| {
        bound(id, current.load(Ordering::SeqCst), "CANARY, data 775, v1")
    });
    let lifetime = ("VERIFIED_LIFETIME_SECONDS", "0");
    let attempts =
        [("KEEPER__ATTEMPTS__BEFORE_DELAY", "1000"), ("KEEPER__ATTEMPTS__MAXIMUM_FAILURES", "100")];
    let app = spawn(pool, &server.variables(), &[&SETTINGS[..], &[lifetime]].concat()).await;
    add(&app, (501, "ola"), 1).await;
    let app = app.spawn_instance(&attempts).await;
    let refused = fingerprint(&login(&app, "unknown", "password").await);
    for (number, expected) in [
        (0, 200),
        (49, 401),
        (32, 401),
        (53, 401),
        (19, 401),
        (10, 401),
        (1, 503),
        (51, 503),
        (52, 503),
        (0, 200),
        (80, 503),
        (14, 503),
        (118, 503),
        (0, 200),
    ] {
        code.store(number, Ordering::SeqCst);
        let answer = login(&app, "ola", &format!("password {number}")).await;
        assert_eq!(answer.status, expected, "{number}: {answer:?}");
        match expected {
            401 => assert_eq!(fingerprint(&answer), refused, "{number}"),
            503 => assert_undecided(&answer),
            _ => {}
        }
        assert!(!answer.body.contains("CANARY"));
    }
}

/// A directory whose only user is bound with `code`, while `is_open`.
#[derive(Clone)]
struct Gate {
    code: Arc<AtomicU8>,
    is_open: Arc<AtomicBool>,
}

impl Gate {
    fn start() -> (Self, RawDirectory) {
        let gate =
            Self { code: Arc::new(AtomicU8::new(49)), is_open: Arc::new(AtomicBool::new(true)) };
        let asked = gate.clone();
        let server = directory_with("uid=ola", move |id| {
            while !asked.is_open.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(10));
            }
            bound(id, asked.code.load(Ordering::SeqCst), "")
        });
        (gate, server)
    }

    fn set_open(&self, is_open: bool) {
        self.is_open.store(is_open, Ordering::SeqCst);
    }
}

/// The settings of tests in which the directory answers late.
const PATIENT: (&str, &str) = ("VERIFY_TIMEOUT_SECONDS", "3");

/// Begins a login, and waits until the directory was asked about it.
async fn begin_login(app: &TestApp, server: &RawDirectory, password: &str) -> JoinHandle<Answer> {
    let request = app.request(Method::GET, PRINCIPAL, &Credentials::basic("ola", password));
    let login = tokio::spawn(async move { Answer::read(request.send().await.unwrap()).await });
    wait_until("the password is sent", async || {
        server.sent().windows(password.len()).any(|window| window == password.as_bytes())
    })
    .await;
    login
}

/// Otherwise, the client could learn the verdict with its next login, and take back the count later.
#[sqlx::test]
async fn the_guess_of_a_client_that_leaves_counts(pool: PgPool) {
    let (gate, server) = Gate::start();
    let app = spawn(pool, &server.variables(), &[SETTINGS[0], PATIENT]).await;
    add(&app, (501, "ola"), 1).await;
    let other = app.spawn_instance(&[]).await;
    gate.set_open(false);
    begin_login(&app, &server, "a guess").await.abort();
    app.wait_for_metric("keeper_http_requests_in_flight", 0.0).await;
    gate.set_open(true);
    assert_becomes(1.0, async || outcomes(&app, "refused").await).await;
    login(&app, "ola", "a guess").await.assert_unauthenticated();
    assert_number(outcomes(&app, "refused").await, 1);
    // An instance that does not know the verdict asks a directory that does not decide.
    gate.code.store(51, Ordering::SeqCst);
    assert_undecided(&login(&other, "ola", "a guess").await);
    let counted = ["ActiveDirectory", "CRM5/PASSWORD"].map(|name| (name.to_owned(), 1));
    assert_eq!(failures(&app, "= 501").await, counted);
}

#[sqlx::test]
async fn an_attempt_that_is_taken_back_leaves_no_lock_that_it_caused(pool: PgPool) {
    let (gate, server) = Gate::start();
    let app = spawn(pool, &server.variables(), &[SETTINGS[0], PATIENT]).await;
    add(&app, (501, "ola"), 1).await;
    let limits =
        [("KEEPER__ATTEMPTS__BEFORE_DELAY", "1000"), ("KEEPER__ATTEMPTS__MAXIMUM_FAILURES", "100")];
    let app = app.spawn_instance(&limits).await;
    login(&app, "ola", "first").await.assert_unauthenticated();
    let nearly = "UPDATE authentication_attempts SET failures = 99 WHERE user_id = 501";
    sqlx::raw_sql(nearly).execute(&app.pool).await.unwrap();
    gate.code.store(51, Ordering::SeqCst);
    gate.set_open(false);
    let undecided = begin_login(&app, &server, "second").await;
    // The hundredth failure, so this one is not verified.
    login(&app, "ola", "third").await.assert_unauthenticated();
    gate.set_open(true);
    assert_undecided(&undecided.await.unwrap());
    let directory = ("ActiveDirectory".to_owned(), 99);
    assert_eq!(failures(&app, "= 501").await[0], directory);
}

#[sqlx::test]
async fn a_password_is_sent_only_for_the_entry_of_the_credential(pool: PgPool) {
    // An entry without a name: a bind would log in everybody.
    let nameless = directory_with("", |id| bound(id, 0, ""));
    let app = spawn(pool, &nameless.variables(), &SETTINGS).await;
    add(&app, (501, "ola"), 1).await;
    add(&app, (502, "other"), 2).await;
    let administrator = app.administrator();
    app.save(&administrator, PLAIN.0, "ActiveDirectory", "no SID").await.assert_saved();
    for name in ["ola", "other", PLAIN.1, "unknown", "rita"] {
        login(&app, name, "MARKER-password").await.assert_unauthenticated();
    }
    let contains = |server: &RawDirectory, text: &str| {
        server.sent().windows(text.len()).any(|window| window == text.as_bytes())
    };
    assert!(contains(&nameless, "objectSid"));
    for text in ["MARKER", "ola", "other", PLAIN.1, "unknown", "rita", "no SID"] {
        assert!(!contains(&nameless, text), "{text}");
    }
    let server = directory_with("uid=ola", |id| bound(id, 0, ""));
    let other = instance(&app, &server.variables()).await;
    login(&other, "ola", "MARKER-password").await.assert_status(200);
    assert!(contains(&server, "MARKER-password"));
}

#[sqlx::test]
async fn an_entry_with_another_identifier_is_not_the_user(pool: PgPool) {
    const OTHER: &[u8] =
        b"\x01\x05\0\0\0\0\0\x05\x15\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x09\0\0\0";
    let server = RawDirectory::start(|tag, id| match tag {
        BIND => Some(result(id, 0x61, 0)),
        _ => Some([entry(id, "uid=chief", &[("objectSid", OTHER)]), done(id, 0)].concat()),
    });
    let app = spawn(pool, &server.variables(), &SETTINGS).await;
    add(&app, (501, "ola"), 1).await;
    login(&app, "ola", "any").await.assert_unauthenticated();
    assert_number(outcomes(&app, "refused").await, 1);
    assert_eq!(server.binds(), 1, "the bind of the service");
    save_sid(&app, 501, 9).await;
    login(&app, "ola", "any").await.assert_status(200);
    assert_eq!(sid_text(9), "S-1-5-21-1-2-3-9");
}

#[sqlx::test]
async fn every_refusal_takes_longer_than_the_deadline_and_no_success_does(pool: PgPool) {
    const NAMES: [&str; 4] = ["ola", "olav", "oda", "odin"];
    const PASSWORD: &str = "of the directory";
    let people = NAMES.into_iter().zip(1101..).map(|(name, id)| person(name, id, PASSWORD));
    let slapd = Slapd::start(&people.collect::<String>());
    let app = spawn(pool, &slapd.variables(), &SETTINGS).await;
    for ((name, id), relative_id) in NAMES.into_iter().zip(501..).zip(1101..) {
        add(&app, (id, name), relative_id).await;
    }
    app.add_user((600, "hanna"), &[]);
    let time = async |name: &str, password: &str| {
        let started = Instant::now();
        let status = login(&app, name, password).await.status.as_u16();
        (status, started.elapsed())
    };
    for name in ["ola", PLAIN.1, "rita", "unknown"] {
        for kind in ["new", "cached"] {
            let (status, time) = time(name, "guess").await;
            assert_eq!(status, 401);
            assert!(time >= Duration::from_millis(1250), "{kind} {name}: {time:?}");
        }
    }
    // A busy machine may delay a login, but only a wait delays each of several.
    let here = [PLAIN.1, "anna", "hanna"].map(|name| (name, password_of(name)));
    let there = NAMES.map(|name| (name, PASSWORD.to_owned()));
    for logins in [&here[..], &there[..]] {
        let mut fastest = Duration::MAX;
        for (name, password) in logins {
            let (status, time) = time(name, password).await;
            assert_eq!(status, 200, "{name}");
            fastest = fastest.min(time);
        }
        assert!(fastest < Duration::from_millis(1250), "{logins:?}: {fastest:?}");
    }
}

#[sqlx::test]
async fn no_password_that_a_directory_verifies_is_in_the_log_or_the_database(pool: PgPool) {
    const MARKER: &str = "CANARYbind7";
    let server = directory_with("uid=ola", |id| bound(id, 49, "CANARYbind7, data 52e, v1"));
    let app = spawn(pool, &server.variables(), &SETTINGS).await;
    add(&app, (501, "ola"), 1).await;
    app.command(&["migrate"], "").assert_success();
    let mut command = keeper(&["serve"]);
    command.envs(app.variables()).env("KEEPER__LOG__LEVEL", "trace,actix_server=trace,sqlx=trace");
    let process = Server::start(command).unwrap();
    for name in ["ola", "unknown"] {
        let credentials = Credentials::basic(name, &format!("{MARKER}-{name}"));
        let request = app.client.get(format!("{}{PRINCIPAL}", process.ready));
        let answer = credentials.apply_to(request).send().await.unwrap();
        assert_eq!(answer.status(), 401, "{name}");
        assert!(!answer.text().await.unwrap().contains(MARKER));
    }
    process.signal(Signal::TERM);
    let (ended_well, log) = process.wait();
    assert!(ended_well, "{log}");
    assert!(
        log.contains("the directory refused the password")
            && log.contains("\"log.level\":\"trace\""),
        "{log}"
    );
    assert!(!log.contains(MARKER), "the password is in the log");
    let rows = "SELECT string_agg(t::text, '') FROM (
                    SELECT credentials::text AS t FROM credentials
                    UNION ALL SELECT authentication_attempts::text FROM authentication_attempts
                ) AS rows";
    let rows: String = sqlx::query_scalar(rows).fetch_one(&app.pool).await.unwrap();
    assert!(!rows.contains(MARKER) && !rows.contains(&crate::support::hex(MARKER)));
}
