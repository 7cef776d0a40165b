//! Settings of failed attempts.

use sqlx::PgPool;

use crate::{
    guessing::{end_delays, login},
    support::{Reloading, TestApp},
};

/// The settings whose effect the tests of this module prove.
pub(super) const SETTINGS: &[&str] = &[
    "attempts.before_delay",
    "attempts.maximum_delay_seconds",
    "attempts.maximum_failures",
    "attempts.maximum_per_address",
];

const PROXY: (&str, &str) = ("http.trusted_proxies", "['127.0.0.1']");

/// Fails a number of times to log in; the `Retry-After` of the next attempt, or `None` if it is not
/// refused before its password is verified.
async fn retry_after(app: &TestApp, address: &str, name: &str, failures: u32) -> Option<String> {
    for number in 0..failures {
        end_delays(app).await;
        login(app, address, name, &format!("wrong {number}")).await.assert_status(401);
    }
    let answer = login(app, address, name, "another wrong one").await;
    let retry_after = answer.headers.get("retry-after");
    let retry_after = retry_after.map(|value| value.to_str().unwrap().to_owned());
    match answer.status.as_u16() {
        401 => None,
        429 => Some(retry_after.unwrap_or_else(|| "never".to_owned())),
        other => panic!("unexpected status {other}: {answer:?}"),
    }
}

#[sqlx::test]
async fn limits_on_attempts_change_while_the_service_runs(pool: PgPool) {
    let reloading = Reloading::start(pool, &[PROXY]).await;
    let app = &reloading.app;
    assert_eq!(retry_after(app, "192.0.2.1", "first", 1).await, None);
    reloading.set(&[PROXY, ("attempts.before_delay", "1")]).await;
    assert_eq!(retry_after(app, "192.0.2.2", "second", 1).await.as_deref(), Some("1"));
    let delay = retry_after(app, "192.0.2.3", "third", 4).await.unwrap();
    assert!(delay.parse::<u32>().unwrap() > 2, "{delay}");
    let short = ("attempts.maximum_delay_seconds", "2");
    reloading.set(&[PROXY, ("attempts.before_delay", "1"), short]).await;
    let delay = retry_after(app, "192.0.2.4", "fourth", 4).await.unwrap();
    assert!(delay.parse::<u32>().unwrap() <= 2, "{delay}");
    reloading.set(&[PROXY, ("attempts.maximum_failures", "2")]).await;
    assert_eq!(retry_after(app, "192.0.2.5", "fifth", 2).await.as_deref(), Some("never"));
    reloading.set(&[PROXY, ("attempts.maximum_per_address", "2")]).await;
    assert_eq!(retry_after(app, "192.0.2.6", "sixth", 2).await.as_deref(), Some("3600"));
    assert_eq!(retry_after(app, "192.0.2.6", "seventh", 0).await.as_deref(), Some("3600"));
    reloading.set(&[PROXY]).await;
    assert_eq!(retry_after(app, "192.0.2.6", "eighth", 0).await, None);
}
