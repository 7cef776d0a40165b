//! Limits and locks are in the database, so they hold over all instances.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use sqlx::{Connection as _, PgConnection};

use crate::{
    changes::login,
    cluster::{Cluster, INSTANCES, Instance, direct_client},
    service::{FIRST_TARGET, Installation, PASSWORD},
    traffic::{Call, Operation},
    transfers,
};

/// Wrong passwords at once, for one user.
const GUESSES: usize = 30;

/// The default of `attempts.before_delay`.
const BEFORE_DELAY: usize = 5;

/// Saves at once, for one user.
const SAVES: usize = 30;

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_guesses_on_all_instances_stay_within_the_limit_of_one() {
    let cluster = Cluster::start(Installation::prepare(1, 4).await, &[]);
    let client = direct_client();
    for user in FIRST_TARGET..FIRST_TARGET + 4 {
        let name = format!("target{user}");
        let guesses = (0..GUESSES).map(|number| {
            let url = cluster.instances[number % INSTANCES].url();
            let (client, name) = (client.clone(), name.clone());
            async move { login(&client, &url, &name, &format!("guess {number}")).await }
        });
        let statuses = join_all(guesses).await;
        let count = |status| statuses.iter().filter(|found| **found == status).count();
        // On a busy machine, a hash may wait for too long.
        assert_eq!(count(401) + count(429) + count(503), GUESSES, "{statuses:?}");
        // After the last one that is free, each needs a delay of at least a second, which a slow machine
        // may take; it doubles with each.
        assert!((1..=BEFORE_DELAY + 4).contains(&count(401)), "{statuses:?}");
        assert!(count(429) > 0, "{statuses:?}");
    }
    cluster.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_saves_on_all_instances_leave_one_password_and_an_unbroken_chain() {
    let installation = Installation::prepare(1, 0).await;
    // A user with a real audit chain: those of the load generator have none.
    installation.run(&["user", "add", "one", "--id", "7"], "first password", &[]);
    // Logins with replaced passwords are wrong ones.
    let limits =
        [("KEEPER__ATTEMPTS__BEFORE_DELAY", "100"), ("KEEPER__ATTEMPTS__MAXIMUM_FAILURES", "100")];
    let cluster = Cluster::start(installation, &limits);
    let client = direct_client();
    let password = |number: usize| format!("password {number}");
    let saves = (0..SAVES).map(|number| {
        let url = cluster.instances[number % INSTANCES].url();
        let body = json!({"UserId": 7, "Credential": {"Value": password(number)}});
        let request = client
            .post(format!("{url}/api/v1/Agents/User/SaveCredential"))
            .basic_auth("caller0", Some(PASSWORD))
            .json(&body);
        async move { request.send().await.unwrap().status().as_u16() }
    });
    let statuses = join_all(saves).await;
    let successes = statuses.iter().filter(|status| **status == 200).count();
    // A save that waited too long for the lock is 503, and changes nothing.
    assert!(statuses.iter().all(|status| [200, 503].contains(status)), "{statuses:?}");
    assert!(successes > 0, "{statuses:?}");
    let row: (i64, i64, i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM credentials WHERE user_id = 7),
                (SELECT version FROM credentials WHERE user_id = 7),
                (SELECT count(*) FROM audit_events WHERE user_id = 7),
                (SELECT max(sequence) FROM audit_events WHERE user_id = 7)",
    )
    .fetch_one(&mut cluster.installation.database().await)
    .await
    .unwrap();
    let (credentials, version, events, last) = row;
    assert_eq!((credentials, version, events), (1, last, last), "{row:?}");
    // The user and the first password, and each save: an answer of 503 may come too late for its save.
    assert!(events >= i64::try_from(successes).unwrap(), "{events} events of {successes} saves");
    let url = cluster.instances[0].url();
    let mut accepted = 0;
    for number in 0..SAVES {
        let status = login(&client, &url, "one", &password(number)).await;
        assert!([200, 401].contains(&status), "{status}");
        accepted += usize::from(status == 200);
    }
    assert_eq!(accepted, 1, "passwords that log in");
    cluster.installation.run(&["audit", "verify"], "", &[]);
    cluster.stop();
}

/// Users in a file of an import: their passwords take many seconds to hash.
const IMPORTED: usize = 2_000;

#[tokio::test(flavor = "multi_thread")]
async fn of_imports_that_all_instances_receive_at_once_one_begins() {
    let patience = [
        ("KEEPER__DATABASE__LOCK_TIMEOUT_SECONDS", "8"),
        ("KEEPER__HTTP__ANSWER_TIMEOUT_SECONDS", "30"),
    ];
    let cluster = Cluster::start(Installation::prepare(1, 0).await, &patience);
    let client = direct_client();
    let line = |number| {
        let user = json!({"login_name": format!("new{number}"), "credentials": [{"value": "x"}]});
        format!("{user}\n")
    };
    let file: String = (0..IMPORTED).map(line).collect();
    let urls: Vec<_> = cluster.instances.iter().map(Instance::url).collect();
    let calls: Vec<_> = urls.iter().map(|url| Call { client: &client, url }).collect();
    let log_ins = calls.iter().map(|call| call.log_in(Operation::SaveSession, "caller0", PASSWORD));
    let sessions = join_all(log_ins).await;
    // While this connection has the lock, no instance may look for another import.
    let mut database = cluster.installation.database().await;
    let lock = "SELECT pg_advisory_lock(hashtextextended('import_runs', 0))";
    sqlx::query(lock).execute(&mut database).await.unwrap();
    let imports = calls.iter().zip(sessions).map(|(call, headers)| {
        let file = file.as_str();
        async move { transfers::begin_import(call, &headers.unwrap(), file).await.unwrap().status }
    });
    let (mut statuses, ()) = tokio::join!(join_all(imports), async move {
        wait_for_two_that_wait(&mut database).await;
        database.close().await.unwrap();
    });
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 409, 409]);
    cluster.stop();
}

/// Waits until two instances wait for the lock of an import at the same time.
async fn wait_for_two_that_wait(database: &mut PgConnection) {
    let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let waiting: i64 = sqlx::query_scalar(waiting).fetch_one(&mut *database).await.unwrap();
        if waiting >= 2 {
            return;
        }
        assert!(Instant::now() < until, "no two instances wait for the lock of an import");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
