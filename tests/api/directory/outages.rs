//! A directory that is away, slow, or refuses the service.

use std::{
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use rustix::process::Signal;
use serde_json::json;
use sqlx::PgPool;

use super::{FIND_USERS, display_values, find, spawn};
use crate::support::{
    Answer, BIND, BIND_PASSWORD, EXTENDED, Instance, PRINCIPAL, RawDirectory, Slapd, TestApp,
    TestAuthority, assert_becomes, done, end_pipe, entry, make_pipe, replace, result, wait_until,
};

/// Asserts the error of an unusable directory, which names nothing of it.
#[track_caller]
fn assert_unavailable(answer: &Answer) {
    answer.assert_refused(503, "SoServiceUnavailableException", "directory_unavailable");
    assert_eq!(answer.header("retry-after"), "1");
    for secret in ["localhost", "127.0.0.1", "keeper", "dc=test", "password"] {
        assert!(!answer.json()["Message"].as_str().unwrap().contains(secret), "{answer:?}");
    }
}

async fn searches(app: &TestApp, outcome: &str) -> f64 {
    app.metric(&format!("keeper_directory_searches_total{{outcome=\"{outcome}\"}}")).await
}

#[sqlx::test]
async fn a_directory_that_is_away_is_unavailable_until_it_is_back(pool: PgPool) {
    let mut slapd = Slapd::start("");
    let app = spawn(pool, &slapd.variables(), &[]).await;
    assert!(display_values(&find(&app, FIND_USERS, "").await).is_empty());
    slapd.stop();
    assert_unavailable(&find(&app, FIND_USERS, "").await);
    assert!((searches(&app, "unreachable").await - 1.0).abs() < f64::EPSILON);
    app.get(PRINCIPAL, &app.administrator()).await.assert_status(200);
    slapd.restart();
    assert!(display_values(&find(&app, FIND_USERS, "").await).is_empty());
}

#[sqlx::test]
async fn a_slow_directory_blocks_no_other_request(pool: PgPool) {
    // It accepts connections, and reads without an answer.
    let server = RawDirectory::start(|_, _| Some(Vec::new()));
    let limits = [
        ("MAXIMUM_CONNECTIONS", "1"),
        ("CONNECT_TIMEOUT_SECONDS", "4"),
        ("SEARCH_TIMEOUT_SECONDS", "4"),
    ];
    let app = spawn(pool, &server.variables(), &limits).await;
    let started = Instant::now();
    let answers = join_all((0..20).map(|_| find(&app, FIND_USERS, "")));
    let others = async {
        for _ in 0..10 {
            app.get(PRINCIPAL, &app.administrator()).await.assert_status(200);
        }
        started.elapsed()
    };
    let (answers, others) = tokio::join!(answers, others);
    // A search takes as long as both limits together.
    assert!(others < Duration::from_secs(6), "{others:?}");
    // One request searches, four wait, and the others are refused at once.
    let codes: Vec<_> =
        answers.iter().map(|answer| answer.json()["Code"].as_str().unwrap().to_owned()).collect();
    let count = |code: &str| codes.iter().filter(|found| *found == code).count();
    assert!(count("directory_unavailable") >= 5, "{codes:?}");
    assert!(count("overloaded") >= 1, "{codes:?}");
    assert_eq!(count("directory_unavailable") + count("overloaded"), 20, "{codes:?}");
    assert!(started.elapsed() < Duration::from_secs(40));
    assert!(searches(&app, "timed_out").await >= 5.0);
    assert!(searches(&app, "busy").await >= 1.0);
}

#[sqlx::test]
async fn a_search_without_an_end_times_out(pool: PgPool) {
    let server = RawDirectory::answering(|id| Some(entry(id, "cn=x", &[])));
    let app = spawn(pool, &server.variables(), &[]).await;
    let started = Instant::now();
    assert_unavailable(&find(&app, FIND_USERS, "").await);
    assert!(started.elapsed() < Duration::from_secs(5));
    assert!((searches(&app, "timed_out").await - 1.0).abs() < f64::EPSILON);
    // The connection does not wait for the next search.
    assert_becomes(1, async || server.closed()).await;
    app.wait_for_metric("keeper_directory_connections", 0.0).await;
}

#[sqlx::test]
async fn an_unverified_or_expired_certificate_is_refused(pool: PgPool) {
    let mut slapd = Slapd::start("");
    let app = spawn(pool, &slapd.variables(), &[]).await;
    let other = slapd.path("other.pem");
    replace(&other, &TestAuthority::new().certificate(), 0o444);
    // Another authority, and an address that is not in the certificate.
    let by_address = [
        slapd.tls_url().replace("localhost", "127.0.0.1"),
        slapd.url().replace("localhost", "127.0.0.1"),
    ];
    let other = ("KEEPER__DIRECTORY__CA_FILE", other.to_str().unwrap());
    for variables in [
        vec![other],
        vec![other, ("KEEPER__DIRECTORY__URL", &slapd.url())],
        vec![("KEEPER__DIRECTORY__URL", &by_address[0])],
        vec![("KEEPER__DIRECTORY__URL", &by_address[1])],
    ] {
        let app = app.spawn_instance(&variables).await;
        assert_unavailable(&find(&app, FIND_USERS, "").await);
        assert!((searches(&app, "tls_failed").await - 1.0).abs() < f64::EPSILON, "{variables:?}");
    }
    slapd.stop();
    slapd.issue_expired();
    slapd.restart();
    assert_unavailable(&find(&app, FIND_USERS, "").await);
    assert!((searches(&app, "tls_failed").await - 1.0).abs() < f64::EPSILON, "expired");
}

#[sqlx::test]
async fn a_renewed_authority_is_used_without_a_restart(pool: PgPool) {
    let mut slapd = Slapd::start("");
    let app = spawn(pool, &slapd.variables(), &[]).await;
    assert!(display_values(&find(&app, FIND_USERS, "").await).is_empty());
    let authority = TestAuthority::new();
    slapd.stop();
    slapd.issue_from(&authority);
    slapd.restart();
    assert_unavailable(&find(&app, FIND_USERS, "").await);
    replace(&slapd.path("ca.pem"), &authority.certificate(), 0o444);
    assert!(display_values(&find(&app, FIND_USERS, "").await).is_empty());
    // An unusable file changes nothing.
    replace(&slapd.path("ca.pem"), "no certificate", 0o444);
    slapd.stop();
    slapd.restart();
    assert!(display_values(&find(&app, FIND_USERS, "").await).is_empty());
}

/// A pipe that nobody writes stands for a volume that does not answer.
#[sqlx::test]
async fn a_password_that_cannot_be_read_blocks_no_other_request(pool: PgPool) {
    let slapd = Slapd::start("");
    let app = spawn(pool, &slapd.variables(), &[]).await;
    let password = slapd.path("password");
    std::fs::remove_file(&password).unwrap();
    make_pipe(&password);
    // More than the runtime has threads.
    let answers = join_all((0..20).map(|_| find(&app, FIND_USERS, "")));
    let others = async {
        for _ in 0..10 {
            app.get(PRINCIPAL, &app.administrator()).await.assert_status(200);
        }
    };
    let (answers, ()) = tokio::join!(answers, others);
    assert!(answers.iter().all(|answer| answer.status == 503), "{answers:?}");
    assert!(searches(&app, "bind_failed").await > 0.0);
    end_pipe(&password, || replace(&password, BIND_PASSWORD, 0o400));
    wait_until("the password is read", async || find(&app, FIND_USERS, "").await.status == 200)
        .await;
}

#[sqlx::test]
async fn a_wrong_password_alarms_and_is_not_repeated(pool: PgPool) {
    let slapd = Slapd::start("");
    replace(&slapd.path("password"), "marker wrong", 0o400);
    let app = spawn(pool, &slapd.variables(), &[]).await;
    for _ in 0..2 {
        let answer = find(&app, FIND_USERS, "").await;
        assert_unavailable(&answer);
        assert!(!answer.body.contains("marker"));
    }
    assert!((searches(&app, "bind_failed").await - 2.0).abs() < f64::EPSILON);
    assert!((app.metric("keeper_directory_bind_refused").await - 1.0).abs() < f64::EPSILON);
    // A replaced file is read at once.
    replace(&slapd.path("password"), BIND_PASSWORD, 0o400);
    assert!(display_values(&find(&app, FIND_USERS, "").await).is_empty());
    assert!(app.metric("keeper_directory_bind_refused").await.abs() < f64::EPSILON);
}

#[sqlx::test]
async fn a_refused_password_is_sent_once_and_raises_an_alarm_without_it(pool: PgPool) {
    let server = RawDirectory::start(|_, id| Some(result(id, 0x61, 49)));
    let app = spawn(pool, &server.variables(), &[]).await;
    let service = Instance::start(&app, &[("KEEPER__LOG__LEVEL", "trace")]);
    let body = json!({ "Type": "ActiveDirectory", "SearchString": "marker" });
    let search = async || {
        let answer = service.post(FIND_USERS, &app.administrator(), &body).await;
        assert_unavailable(&answer);
    };
    join_all((0..4).map(|_| search())).await;
    search().await;
    assert_eq!(server.binds(), 1);
    // The alert on the first metric is a ticket, and that on the last one pages.
    assert_eq!(service.metric("keeper_directory_bind_refused").await, Some(1.0));
    assert_eq!(service.metric("keeper_alarms_total").await, Some(1.0));
    assert_eq!(service.metric("keeper_last_alarm_timestamp_seconds").await, Some(0.0));
    service.server.signal(Signal::INT);
    let (_, log) = service.server.wait();
    let is_alarm = |line: &&str| line.contains(r#""keeper.alarm":true"#);
    let alarms: Vec<_> = log.lines().filter(is_alarm).collect();
    assert!(alarms.len() == 1 && alarms[0].contains("directory.password_file"), "{alarms:?}");
    for secret in [BIND_PASSWORD, "marker"] {
        assert!(!log.contains(secret), "{secret}");
    }
}

#[sqlx::test]
async fn a_password_that_is_changed_in_the_directory_is_refused_once(pool: PgPool) {
    let binds = AtomicUsize::new(0);
    // The first bind is accepted, and the other ones are refused late. The first search is answered,
    // and the other ones end the connection.
    let server = RawDirectory::start(move |tag, id| match (tag, id) {
        (BIND, _) if binds.fetch_add(1, Ordering::SeqCst) == 0 => Some(result(id, 0x61, 0)),
        (BIND, _) => {
            std::thread::sleep(Duration::from_millis(300));
            Some(result(id, 0x61, 49))
        }
        (_, 2) => Some(done(id, 0)),
        _ => None,
    });
    let app = spawn(pool, &server.variables(), &[]).await;
    assert!(display_values(&find(&app, FIND_USERS, "").await).is_empty());
    for answer in join_all((0..4).map(|_| find(&app, FIND_USERS, ""))).await {
        assert_unavailable(&answer);
    }
    assert_unavailable(&find(&app, FIND_USERS, "").await);
    assert_eq!(server.binds(), 2, "one accepted, one refused");
}

#[sqlx::test]
async fn an_empty_password_is_never_sent(pool: PgPool) {
    let server = RawDirectory::answering(|id| Some(done(id, 0)));
    let app = spawn(pool, &server.variables(), &[]).await;
    for text in ["", "\n", " \r\n"] {
        replace(&server.password_file(), text, 0o400);
        assert_unavailable(&find(&app, FIND_USERS, "").await);
    }
    assert_eq!(server.binds(), 0);
    replace(&server.password_file(), "p", 0o444);
    assert_unavailable(&find(&app, FIND_USERS, "").await);
    assert_eq!(server.binds(), 0, "a file that others can read");
}

#[sqlx::test]
async fn a_server_that_refuses_start_tls_never_gets_the_password(pool: PgPool) {
    let code = Arc::new(AtomicU8::new(52));
    let current = Arc::clone(&code);
    let server = RawDirectory::start(move |tag, id| match tag {
        EXTENDED => Some(result(id, 0x78, current.load(Ordering::SeqCst))),
        _ => Some(result(id, 0x61, 0)),
    });
    let mut variables = server.variables();
    variables.retain(|(name, _)| !name.ends_with("START_TLS"));
    let authority = ca_file();
    let trusted = ("CA_FILE", authority.path().to_str().unwrap());
    let app = spawn(pool, &variables, &[trusted]).await;
    // Then it agrees, and speaks no TLS.
    for value in [52, 0] {
        code.store(value, Ordering::SeqCst);
        assert_unavailable(&find(&app, FIND_USERS, "").await);
        assert_eq!(server.binds(), 0);
    }
    assert!((searches(&app, "tls_failed").await - 2.0).abs() < f64::EPSILON);
}

#[sqlx::test]
async fn a_referral_is_not_followed(pool: PgPool) {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let url = format!("ldap://{}/", elsewhere.local_addr().unwrap());
    let text = |tag| crate::support::element(tag, url.as_bytes());
    let referral =
        [&[0x0a, 1, 10, 4, 0, 4, 0][..], &crate::support::element(0xa3, &text(4))].concat();
    let reference = crate::support::element(0x73, &text(4));
    // The first search is answered with a reference beside an entry, the second with a referral.
    let server = RawDirectory::answering(move |id| {
        let done = crate::support::element(0x65, &referral);
        Some(match id {
            2 => {
                [crate::support::message(id, &reference), super::lying::user(id), self::done(id, 0)]
                    .concat()
            }
            _ => crate::support::message(id, &done),
        })
    });
    let app = spawn(pool, &server.variables(), &[]).await;
    assert_eq!(display_values(&find(&app, FIND_USERS, "").await), ["ola"]);
    assert_unavailable(&find(&app, FIND_USERS, "").await);
    assert!(elsewhere.accept().is_err(), "no connection");
}

#[sqlx::test]
async fn a_bind_that_is_answered_with_another_code_fails(pool: PgPool) {
    let code = Arc::new(AtomicU8::new(0));
    let current = Arc::clone(&code);
    let server = RawDirectory::start(move |tag, id| match tag {
        BIND => Some(result(id, 0x61, current.load(Ordering::SeqCst))),
        _ => None,
    });
    let app = spawn(pool, &server.variables(), &[]).await;
    for (value, outcome, count) in
        [(8, "bind_failed", 1.0), (10, "search_refused", 1.0), (53, "bind_failed", 2.0)]
    {
        code.store(value, Ordering::SeqCst);
        assert_unavailable(&find(&app, FIND_USERS, "").await);
        assert!((searches(&app, outcome).await - count).abs() < f64::EPSILON, "{value}");
    }
}

/// A file with an authority.
fn ca_file() -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), TestAuthority::new().certificate()).unwrap();
    file
}
