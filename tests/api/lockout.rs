//! A hundred wrong secrets in a row lock a credential, wherever they come from and however long they
//! take; and what delays callers from unknown addresses changes by time only, whatever its owner does.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use sqlx::PgPool;

use crate::{
    guessing::{ELSEWHERE, HOME, PROXY, login, owner, shape, wait},
    support::{Answer, PLAIN, TestApp},
};

const WORK: &str = "192.0.2.77";
const NOBODY: &str = "nosuchuser";

/// Lets time pass that nobody has to sit through.
async fn pass_hours(app: &TestApp, hours: i32) {
    for statement in [
        "UPDATE authentication_attempts
         SET next_allowed_at = next_allowed_at - make_interval(hours => $1),
             throttled_at = throttled_at - make_interval(hours => $1)",
        "UPDATE callers
         SET last_failed_at = last_failed_at - make_interval(hours => $1),
             last_succeeded_at = last_succeeded_at - make_interval(hours => $1)",
    ] {
        sqlx::query(statement).bind(hours).execute(&app.pool).await.unwrap();
    }
}

/// The count in a row of the plain user's password.
async fn in_a_row(app: &TestApp) -> i32 {
    let failures = "SELECT coalesce(max(failures), 0) FROM authentication_attempts
                    WHERE user_id = 278";
    sqlx::query_scalar(failures).fetch_one(&app.pool).await.unwrap()
}

/// Counts that many for everybody of whom anything is counted but the administrator.
async fn set_in_a_row(app: &TestApp, failures: i32) {
    let statement =
        "UPDATE authentication_attempts SET failures = $1, tried = '{}' WHERE user_id <> 1";
    sqlx::query(statement).bind(failures).execute(&app.pool).await.unwrap();
}

/// 429 that waiting does not help against.
#[track_caller]
fn is_stopped(answer: &Answer) {
    answer.assert_refused(429, "SoServiceUnavailableException", "too_many_attempts");
    assert_eq!(answer.headers.get("retry-after"), None, "{answer:?}");
}

#[sqlx::test]
async fn in_two_weeks_of_guessing_from_known_and_unknown_addresses_a_hundred_secrets_are_verified(
    pool: PgPool,
) {
    let app = TestApp::spawn_with(pool, &[PROXY], "").await;
    for address in [HOME, WORK] {
        owner(&app, address, PLAIN.1).await.assert_status(200);
    }
    let (mut refused_at_home, mut verified) = (0, 0);
    for hour in 0..24 * 14 {
        let elsewhere = (hour % 7 == 0).then_some((ELSEWHERE, 4));
        let guesses = elsewhere.into_iter().chain((0..4).map(|number| (HOME, number)));
        for (address, number) in guesses {
            let before = in_a_row(&app).await;
            let answer = login(&app, address, PLAIN.1, &format!("guess {hour} {number}")).await;
            if answer.status == 401 {
                refused_at_home += i32::from(address == HOME);
                verified += i32::from(before < 100);
            } else {
                answer.assert_status(429);
                assert!(address == HOME, "delays end within an hour: {answer:?}");
            }
        }
        pass_hours(&app, 1).await;
    }
    assert_eq!(verified, 100);
    assert!((90..100).contains(&refused_at_home), "{refused_at_home}");
    // From where others would get a delay, the right password is as wrong as any.
    for address in [ELSEWHERE, "203.0.113.1"] {
        wait(&app).await;
        owner(&app, address, PLAIN.1).await.assert_unauthenticated();
    }
    for address in [HOME, WORK] {
        is_stopped(&owner(&app, address, PLAIN.1).await);
    }
    app.command(&["credential", "unlock", "--user", "paul"], "").succeeded();
    owner(&app, HOME, PLAIN.1).await.assert_status(200);
    owner(&app, "203.0.113.1", PLAIN.1).await.assert_status(200);
}

#[sqlx::test]
async fn a_lock_ends_with_an_unlock_and_a_save_and_shows_only_at_known_addresses(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[PROXY], "").await;
    owner(&app, HOME, PLAIN.1).await.assert_status(200);
    for name in [PLAIN.1, NOBODY] {
        for guess in ["guess", "another"] {
            login(&app, ELSEWHERE, name, guess).await.assert_unauthenticated();
        }
    }
    let wrong = shape(&login(&app, ELSEWHERE, NOBODY, "another").await);
    set_in_a_row(&app, 99).await;
    // What was remembered before must not let in either.
    login(&app, HOME, PLAIN.1, "the hundredth").await.assert_unauthenticated();
    is_stopped(&owner(&app, HOME, PLAIN.1).await);
    is_stopped(&login(&app, HOME, PLAIN.1, "guess").await);
    set_in_a_row(&app, 100).await;
    for name in [PLAIN.1, NOBODY] {
        for password in ["paul-password", "a third", "paul-password", "guess"] {
            let answer = login(&app, "203.0.113.1", name, password).await;
            assert_eq!(shape(&answer), wrong, "{name}: {password}");
        }
        login(&app, "203.0.113.1", name, "a fourth").await.assert_unauthenticated();
        let delayed = login(&app, "203.0.113.1", name, "a fifth").await;
        assert_eq!((delayed.status.as_u16(), delayed.header("retry-after")), (429, "1"), "{name}");
    }
    let administrator = app.administrator();
    let listed = app.get("/keeper/users/278/attempts", &administrator).await.json();
    assert_eq!((&listed[0]["Failures"], &listed[0]["IsStopped"]), (&json!(100), &json!(true)));
    let request = app.request(Method::DELETE, "/keeper/users/278/attempts", &administrator);
    assert_eq!(request.send().await.unwrap().status(), 204);
    owner(&app, HOME, PLAIN.1).await.assert_status(200);

    login(&app, ELSEWHERE, PLAIN.1, "a new guess").await.assert_unauthenticated();
    set_in_a_row(&app, 100).await;
    is_stopped(&owner(&app, HOME, PLAIN.1).await);
    app.save(&administrator, PLAIN.0, "", "another password").await.assert_saved();
    login(&app, HOME, PLAIN.1, "another password").await.assert_status(200);
    assert_eq!(in_a_row(&app).await, 0);
}

#[sqlx::test]
async fn below_the_lock_a_success_begins_anew_wherever_it_comes_from(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[PROXY], "").await;
    for address in [HOME, HOME, WORK] {
        for number in 0..3 {
            login(&app, ELSEWHERE, PLAIN.1, &format!("{address} {number}")).await;
            wait(&app).await;
        }
        set_in_a_row(&app, 99).await;
        owner(&app, address, PLAIN.1).await.assert_status(200);
        assert_eq!(in_a_row(&app).await, 0);
    }
}

#[sqlx::test]
async fn of_a_crowd_before_the_lock_no_more_are_verified_than_are_left(pool: PgPool) {
    let many = [PROXY, ("KEEPER__ATTEMPTS__BEFORE_DELAY", "1000")];
    let app = TestApp::spawn_with(pool, &many, "").await;
    let second = app.another(&[]).await;
    login(&app, ELSEWHERE, PLAIN.1, "guess").await.assert_unauthenticated();
    set_in_a_row(&app, 97).await;
    let guesses = (0..40).map(|number| {
        let app = if number % 2 == 0 { &app } else { &second };
        let from = format!("198.51.100.{}", number + 10);
        async move { login(app, &from, PLAIN.1, &format!("guess {number}")).await }
    });
    for answer in join_all(guesses).await {
        answer.assert_unauthenticated();
    }
    assert_eq!(in_a_row(&app).await, 101, "one beyond says that nothing is verified");
    owner(&app, HOME, PLAIN.1).await.assert_unauthenticated();
}

/// What somebody at one address sees who guesses at a name: five tries at once, then one at a time,
/// each as soon as it may be, until the stop. Between them the owner logs in, if `owner_acts`, from
/// where they are known and from elsewhere.
async fn seen(
    [app, other]: [&TestApp; 2],
    name: &str,
    owner_acts: bool,
) -> Vec<(u16, Vec<String>, usize)> {
    let mut seen = Vec::new();
    for round in 0..52 {
        let guess = format!("guess {round}");
        seen.push(shape(&login(app, ELSEWHERE, name, &guess).await));
        if owner_acts {
            owner(app, HOME, PLAIN.1).await.assert_status(200);
        }
        seen.push(shape(&login(app, ELSEWHERE, name, &format!("early {round}")).await));
        if round < 3 {
            continue;
        }
        wait(app).await;
        if owner_acts && round % 10 == 9 && round < 40 {
            owner(app, &format!("203.0.113.{round}"), PLAIN.1).await.assert_status(200);
        }
        // The other instance remembers nothing: it finds what was counted in the database.
        seen.push(shape(&login(other, ELSEWHERE, name, &guess).await));
        wait(app).await;
    }
    seen
}

#[sqlx::test]
async fn what_an_owner_does_shows_nobody_else_that_the_name_is_theirs(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[PROXY], "").await;
    owner(&app, HOME, PLAIN.1).await.assert_status(200);
    let other = app.another(&[]).await;
    let known = seen([&app, &other], PLAIN.1, true).await;
    let unknown = seen([&app, &other], NOBODY, false).await;
    for (step, (known, unknown)) in known.iter().zip(&unknown).enumerate() {
        assert_eq!(known, unknown, "step {step}");
    }
    assert_eq!(known.first().unwrap().0, 401);
    assert_eq!(known.last().unwrap().0, 429, "it comes to the stop");
    is_stopped(&login(&app, ELSEWHERE, PLAIN.1, "one more").await);
    // Time passes for both.
    pass_hours(&app, 24 * 30).await;
    for name in [PLAIN.1, NOBODY] {
        is_stopped(&login(&app, ELSEWHERE, name, "after a month").await);
    }
}

#[sqlx::test]
async fn below_the_stop_one_failure_in_six_hours_delays_no_longer(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[PROXY], "").await;
    owner(&app, HOME, PLAIN.1).await.assert_status(200);
    for name in [PLAIN.1, NOBODY] {
        for number in 0..8 {
            wait(&app).await;
            login(&app, ELSEWHERE, name, &format!("guess {number}")).await.assert_unauthenticated();
        }
    }
    owner(&app, HOME, PLAIN.1).await.assert_status(200);
    // Eight were counted; four stop counting within a day, and two hours are left over.
    pass_hours(&app, 26).await;
    for name in [PLAIN.1, NOBODY] {
        login(&app, ELSEWHERE, name, "guess 8").await.assert_unauthenticated();
        let delayed = login(&app, ELSEWHERE, name, "guess 9").await;
        assert_eq!((delayed.status.as_u16(), delayed.header("retry-after")), (429, "1"), "{name}");
    }
    pass_hours(&app, 4).await;
    for name in [PLAIN.1, NOBODY] {
        login(&app, ELSEWHERE, name, "guess 10").await.assert_unauthenticated();
        let delayed = login(&app, ELSEWHERE, name, "guess 11").await;
        assert_eq!((delayed.status.as_u16(), delayed.header("retry-after")), (429, "1"), "{name}");
    }
    pass_hours(&app, 24 * 30).await;
    for name in [PLAIN.1, NOBODY] {
        for number in 12..17 {
            login(&app, ELSEWHERE, name, &format!("guess {number}")).await.assert_unauthenticated();
        }
        login(&app, ELSEWHERE, name, "guess 17").await.assert_status(429);
    }
}
