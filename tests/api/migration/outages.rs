//! An old system that is away, slow, faulty, or is not the one that it should be.

use std::{
    fs,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use reqwest::Method;
use sqlx::PgPool;

use super::{assert_unavailable, counted_failures, login, logins, spawn, user_id};
use crate::support::{
    Answer, Credentials, Instance, OldSystem, PRINCIPAL, Reply, TestApp, TestAuthority,
    assert_becomes, end_pipe, free_address, http_reply, late, make_pipe, old_password, replace,
    wait_until,
};

const JSON: &str = "application/json";

/// Lets the breaker forget the failures before, with a login of another user.
async fn succeed(app: &TestApp, old: &OldSystem, name: &str) {
    old.set_reply(Reply::Verify(crate::support::verify_by_name));
    login(app, name, &old_password(name)).await.assert_status(200);
}

#[sqlx::test]
async fn a_login_that_cannot_be_decided_is_503_and_not_counted(pool: PgPool) {
    let old = OldSystem::start();
    let other = OldSystem::start();
    let app = spawn(pool, &old, &[]).await;
    let accepted = r#"{"result":"accepted"}"#;
    let elsewhere = other.variables()[0].1.clone();
    let redirect = |status: &str| {
        let head =
            format!("HTTP/1.1 {status}\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\n\r\n");
        Reply::Raw(head.into_bytes())
    };
    let long = format!(r#"{{"result":"accepted","display_name":"{}"}}"#, "x".repeat(20_000));
    let endless = [
        &b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"[..],
        &vec![b' '; 5_000_000],
    ];
    for (number, reply) in [
        http_reply("500 Internal Server Error", JSON, accepted),
        http_reply("503 Service Unavailable", JSON, ""),
        http_reply("404 Not Found", JSON, accepted),
        http_reply("401 Unauthorized", JSON, r#"{"result":"rejected"}"#),
        http_reply("403 Forbidden", JSON, r#"{"result":"rejected"}"#),
        http_reply("201 Created", JSON, accepted),
        Reply::Raw(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()),
        redirect("301 Moved Permanently"),
        redirect("302 Found"),
        redirect("307 Temporary Redirect"),
        redirect("308 Permanent Redirect"),
        http_reply("200 OK", "text/html", accepted),
        http_reply("200 OK", "text/plain", accepted),
        http_reply("200 OK", "application/jsonx", accepted),
        http_reply("200 OK", JSON, ""),
        http_reply("200 OK", JSON, "accepted"),
        http_reply("200 OK", JSON, "{\"result\":\"accepted\""),
        http_reply("200 OK", JSON, r#"{"result":"yes"}"#),
        http_reply("200 OK", JSON, r#"{"result":"pong"}"#),
        http_reply("200 OK", JSON, r#"{"result":"rejected","result":"accepted"}"#),
        http_reply("200 OK", JSON, r#"{"result":"accepted","administrator":true}"#),
        http_reply("200 OK", JSON, r#"{"result":"accepted","type":"system"}"#),
        http_reply("200 OK", JSON, &long),
        Reply::Raw(endless.concat()),
        Reply::Raw(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{}"
                .to_vec(),
        ),
        Reply::Raw(b"no HTTP".to_vec()),
        Reply::Raw(Vec::new()),
        Reply::Close,
    ]
    .into_iter()
    .enumerate()
    {
        old.set_reply(reply);
        // Two in a row, as a person would try.
        for _ in 0..2 {
            let answer = login(&app, "karl", &old_password("karl")).await;
            assert_eq!(answer.status, 503, "{number}: {answer:?}");
            assert_unavailable(&answer);
        }
        assert_eq!(counted_failures(&app).await, 0, "{number}");
        assert_eq!(user_id(&app, "karl").await, None, "{number}");
        succeed(&app, &old, &format!("other{number}")).await;
    }
    assert!(other.requests().is_empty(), "a redirect was followed");
    login(&app, "karl", &old_password("karl")).await.assert_status(200);
}

#[sqlx::test]
async fn only_the_configured_server_gets_passwords(pool: PgPool) {
    let old = OldSystem::start();
    let app = spawn(pool, &old, &[]).await;
    let foreign = TestAuthority::new();
    for certificate in [
        foreign.issue(&["localhost"]),
        old.authority.issue(&["other.example.com"]),
        old.authority.issue_expired(&["localhost"]),
    ] {
        old.set_certificate(&certificate);
        assert_unavailable(&login(&app, "karl", &old_password("karl")).await);
    }
    assert!(old.requests().is_empty());
    assert!((logins(&app, "unreachable").await - 3.0).abs() < f64::EPSILON);
    // An old system with another key refuses the signature.
    old.set_certificate(&old.authority.issue(&["localhost"]));
    old.set_key(&[9; 32]);
    assert_unavailable(&login(&app, "karl", &old_password("karl")).await);
    assert_eq!(old.requests().len(), 1);
    assert!((logins(&app, "invalid_answer").await - 1.0).abs() < f64::EPSILON);
    old.set_key(&[7; 32]);
    login(&app, "karl", &old_password("karl")).await.assert_status(200);
}

#[sqlx::test]
async fn an_old_system_that_is_away_is_not_asked_until_it_is_back(pool: PgPool) {
    let old = OldSystem::start();
    let app = spawn(pool, &old, &[]).await;
    old.set_reply(http_reply("500 Internal Server Error", JSON, ""));
    for attempt in 0..8 {
        assert_unavailable(&login(&app, "karl", &format!("guess {attempt}")).await);
    }
    assert_eq!(old.requests().len(), 5);
    assert!((logins(&app, "suspended").await - 3.0).abs() < f64::EPSILON);
    assert!((app.metric("keeper_migration_breaker_open").await - 1.0).abs() < f64::EPSILON);
    assert_eq!(counted_failures(&app).await, 0);
    // Everybody else logs in.
    app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
    old.set_reply(Reply::Verify(crate::support::verify_by_name));
    assert_unavailable(&login(&app, "karl", &old_password("karl")).await);
    tokio::time::sleep(Duration::from_secs(10)).await;
    login(&app, "karl", &old_password("karl")).await.assert_status(200);
    assert!(app.metric("keeper_migration_breaker_open").await.abs() < f64::EPSILON);
    assert_eq!(old.requests().len(), 6);
}

#[sqlx::test]
async fn a_user_with_an_invalid_description_does_not_open_the_breaker(pool: PgPool) {
    let old = OldSystem::start();
    let app = spawn(pool, &old, &[]).await;
    let named = |name: &str| format!(r#"{{"result":"accepted","display_name":"{name}"}}"#);
    for answer in [
        named(&"x".repeat(255)),
        named(r"a\u0000"),
        named(&"x".repeat(20_000)),
        r#"{"result":"accepted","type":"system"}"#.to_owned(),
        named(r"Ada \ud83d"),
        r#"{"result":"accepted","display_name":7}"#.to_owned(),
    ] {
        old.set_reply(http_reply("200 OK", JSON, &answer));
        for _ in 0..6 {
            assert_unavailable(&login(&app, "karl", &old_password("karl")).await);
        }
        assert!(app.metric("keeper_migration_breaker_open").await.abs() < f64::EPSILON);
    }
    assert!((logins(&app, "invalid_answer").await - 36.0).abs() < f64::EPSILON);
    old.set_reply(Reply::Verify(crate::support::verify_by_name));
    login(&app, "karl", &old_password("karl")).await.assert_status(200);
}

#[sqlx::test]
async fn nothing_listens(pool: PgPool) {
    let old = OldSystem::start();
    let url = format!("https://{}/", free_address());
    let app = spawn(pool, &old, &[("KEEPER__MIGRATION__HOOK_URL", &url)]).await;
    assert_unavailable(&login(&app, "karl", "any").await);
    assert!((logins(&app, "unreachable").await - 1.0).abs() < f64::EPSILON);
}

/// Logs in from an address behind a proxy, with a name of its own.
async fn login_from(app: &TestApp, address: usize, number: usize) -> Answer {
    let credentials = Credentials::basic(&format!("karl{number}"), "any");
    let request = app.request(Method::GET, PRINCIPAL, &credentials);
    let request = request.header("X-Forwarded-For", format!("203.0.113.{address}"));
    Answer::read(request.send().await.unwrap()).await
}

#[sqlx::test]
async fn an_address_whose_logins_wait_leaves_half_of_the_questions_to_others(pool: PgPool) {
    let old = OldSystem::start();
    let limits = [
        ("KEEPER__MIGRATION__HOOK_MAXIMUM_REQUESTS", "2"),
        ("KEEPER__HTTP__TRUSTED_PROXIES", "127.0.0.1"),
    ];
    let mut app = spawn(pool, &old, &limits).await;
    let instance = Instance::start(&app, &[]);
    app.url.clone_from(&instance.server.ready);
    old.set_reply(Reply::Nothing);
    let waiting = join_all((0..20).map(|number| login_from(&app, 1, number)));
    let other = async {
        assert_becomes(1, async || old.requests().len()).await;
        let answer = login_from(&app, 2, 20);
        let (answer, ()) =
            futures_util::future::join(answer, assert_becomes(2, async || old.requests().len()))
                .await;
        answer
    };
    let (answers, other) = futures_util::future::join(waiting, other).await;
    assert_eq!(other.json()["Code"], "old_system_unavailable");
    let codes: Vec<_> = answers.iter().map(|answer| answer.json()["Code"].clone()).collect();
    assert!(codes.iter().any(|code| code == "overloaded"), "{codes:?}");
    let log = instance.stop();
    assert!(log.contains("too many logins of one address wait for the old system"), "{log}");
    assert!(!log.contains("too many logins wait for the old system"), "{log}");
}

#[sqlx::test]
async fn a_slow_old_system_blocks_no_other_login(pool: PgPool) {
    let old = OldSystem::start();
    let limits = [
        // Long, so that a busy machine does not take as long as the old system.
        ("KEEPER__MIGRATION__HOOK_TIMEOUT_SECONDS", "8"),
        ("KEEPER__MIGRATION__HOOK_MAXIMUM_REQUESTS", "2"),
        ("KEEPER__DATABASE__MAXIMUM_CONNECTIONS", "2"),
        ("KEEPER__HASHING__THREADS", "1"),
        ("KEEPER__HTTP__TRUSTED_PROXIES", "127.0.0.1"),
    ];
    let app = spawn(pool, &old, &limits).await;
    old.set_reply(Reply::Nothing);
    let started = Instant::now();
    let waiting = join_all((0..20).map(|number| login_from(&app, number % 2, number)));
    let others = async {
        for _ in 0..10 {
            app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
        }
        started.elapsed()
    };
    let (answers, others) = futures_util::future::join(waiting, others).await;
    assert!(others < Duration::from_secs(6), "{others:?}");
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    let codes: Vec<_> =
        answers.iter().map(|answer| answer.json()["Code"].as_str().unwrap().to_owned()).collect();
    let count = |code: &str| codes.iter().filter(|found| *found == code).count();
    // Of each address, one is asked about, four wait for it, and five are refused at once.
    let asked = count("old_system_unavailable");
    assert_eq!(asked + count("overloaded"), 20, "{codes:?}");
    // More only if logins began so late that they found a place in time.
    assert!((2..=4).contains(&asked), "{codes:?}");
    assert_eq!(old.requests().len(), asked);
    assert_eq!(counted_failures(&app).await, 0);
}

#[sqlx::test]
async fn logins_that_wait_take_no_place_in_the_hashing_queue(pool: PgPool) {
    let old = OldSystem::start();
    let limits = [
        ("KEEPER__MIGRATION__HOOK_MAXIMUM_REQUESTS", "40"),
        ("KEEPER__MIGRATION__HOOK_TIMEOUT_SECONDS", "4"),
        // The shortest queue: 128 jobs.
        ("KEEPER__HASHING__THREADS", "1"),
        ("KEEPER__HASHING__DEADLINE_SECONDS", "1"),
        ("KEEPER__HASHING__ITERATIONS", "8"),
        ("KEEPER__HTTP__TRUSTED_PROXIES", "127.0.0.1"),
    ];
    let app = spawn(pool, &old, &limits).await;
    assert!((app.metric("keeper_hashing_queue_length").await - 128.0).abs() < f64::EPSILON);
    old.set_reply(Reply::Nothing);
    let waiting = join_all((0..180).map(|number| login_from(&app, number % 2, number)));
    let other = async {
        wait_until("40 requests are sent", async || old.requests().len() >= 40).await;
        login(&app, "paul", "paul-password").await
    };
    let (answers, other) = futures_util::future::join(waiting, other).await;
    other.assert_status(200);
    assert!(answers.iter().all(|answer| answer.status == 503));
}

#[sqlx::test]
async fn a_login_that_waited_for_a_place_has_the_whole_time_for_its_answer(pool: PgPool) {
    let old = OldSystem::start();
    // One address has half of them.
    let limits = [("KEEPER__MIGRATION__HOOK_MAXIMUM_REQUESTS", "12")];
    let app = spawn(pool, &old, &limits).await;
    // 60 % of the time limit.
    let rejected = http_reply("200 OK", JSON, r#"{"result":"rejected"}"#);
    old.set_reply(late(Duration::from_millis(1200), rejected));
    let names: Vec<_> = (0..12).map(|number| format!("karl{number}")).collect();
    let (first, second) = names.split_at(6);
    let first = join_all(first.iter().map(|name| login(&app, name, "any")));
    let second = async {
        wait_until("six requests are sent", async || old.requests().len() >= 6).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        join_all(second.iter().map(|name| login(&app, name, "any"))).await
    };
    let (first, second) = futures_util::future::join(first, second).await;
    for answer in first.iter().chain(&second) {
        answer.assert_unauthenticated();
    }
    assert!(logins(&app, "timed_out").await.abs() < f64::EPSILON);
    assert!(app.metric("keeper_migration_breaker_open").await.abs() < f64::EPSILON);
}

#[sqlx::test]
async fn a_renewed_authority_is_used_without_a_restart(pool: PgPool) {
    let old = OldSystem::start();
    let app = spawn(pool, &old, &[]).await;
    let authority = TestAuthority::new();
    old.set_certificate(&authority.issue(&["localhost"]));
    assert_unavailable(&login(&app, "karl", &old_password("karl")).await);
    replace(&old.path("ca.crt"), &authority.certificate(), 0o444);
    login(&app, "karl", &old_password("karl")).await.assert_status(200);
    // An unusable file changes nothing.
    replace(&old.path("ca.crt"), "no certificate", 0o444);
    login(&app, "paula", &old_password("paula")).await.assert_status(200);
}

/// A pipe that nobody writes stands for a volume that does not answer.
#[sqlx::test]
async fn a_key_that_cannot_be_read_blocks_no_other_login(pool: PgPool) {
    let old = OldSystem::start();
    let app = spawn(pool, &old, &[]).await;
    let key = old.path("key");
    fs::remove_file(&key).unwrap();
    make_pipe(&key);
    // More than the runtime has threads.
    let names: Vec<_> = (0..20).map(|number| format!("karl{number}")).collect();
    let waiting = join_all(names.iter().map(|name| login(&app, name, "any")));
    let others = async {
        for _ in 0..10 {
            app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
        }
    };
    let (answers, ()) = futures_util::future::join(waiting, others).await;
    assert!(answers.iter().all(|answer| answer.status == 503), "{answers:?}");
    assert!(logins(&app, "key_unavailable").await > 0.0);
    assert!(old.requests().is_empty());
    end_pipe(&key, || old.write_keys(&[&[7; 32]]));
    let log_in = async || login(&app, "karl", &old_password("karl")).await.status == 200;
    wait_until("the key is read", log_in).await;
}

#[sqlx::test]
async fn an_unusable_key_is_no_failure_of_the_old_system(pool: PgPool) {
    let old = OldSystem::start();
    let app = spawn(pool, &old, &[]).await;
    replace(&old.path("key"), "whsec_AAAA", 0o400);
    for attempt in 0..8 {
        assert_unavailable(&login(&app, "karl", &format!("guess {attempt}")).await);
    }
    assert!(old.requests().is_empty());
    assert!((logins(&app, "key_unavailable").await - 8.0).abs() < f64::EPSILON);
    assert!(app.metric("keeper_migration_breaker_open").await.abs() < f64::EPSILON);
    assert_eq!(counted_failures(&app).await, 0);
    old.write_keys(&[&[7; 32]]);
    login(&app, "karl", &old_password("karl")).await.assert_status(200);
}
