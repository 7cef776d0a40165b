//! Several instances with the same sink.

use sqlx::PgPool;

use super::{Archive, wait_for_all};
use crate::support::{PLAIN, TestApp};

/// The instance that holds the lease of the sink.
async fn holder(app: &TestApp) -> Option<String> {
    sqlx::query_scalar("SELECT holder FROM audit_sinks WHERE leased_until > now()")
        .fetch_optional(&app.pool)
        .await
        .unwrap()
}

#[sqlx::test]
async fn one_instance_delivers_and_another_takes_over(pool: PgPool) {
    let archive = Archive::new();
    let mut app = TestApp::spawn_with(pool, &[], &archive.settings()).await;
    wait_for_all(&app, || archive.events()).await;
    let first = holder(&app).await.unwrap();
    let other = app.spawn_instance(&[]).await;
    for value in 0..8 {
        let instance = if value % 2 == 0 { &app } else { &other };
        let value = value.to_string();
        instance.save(&app.administrator(), PLAIN.0, "", &value).await.assert_saved();
    }
    let events = wait_for_all(&app, || archive.events()).await;
    assert_eq!(events.len(), super::stored(&app).await.len(), "both instances delivered");
    assert_eq!(holder(&app).await.unwrap(), first);
    // A graceful stop ends the lease.
    app.stop().await;
    other.save(&app.administrator(), PLAIN.0, "", "after").await.assert_saved();
    let events = wait_for_all(&other, || archive.events()).await;
    assert_eq!(events.len(), super::stored(&other).await.len());
    assert_ne!(holder(&other).await.unwrap(), first);
}

#[sqlx::test]
async fn a_lease_that_ends_later_than_a_new_one_would_is_taken_over(pool: PgPool) {
    let archive = Archive::new();
    let mut app = TestApp::spawn_with(pool, &[], &archive.settings()).await;
    wait_for_all(&app, || archive.events()).await;
    app.stop().await;
    // The holder was killed, and the clock of the database went back by an hour.
    let hold = "UPDATE audit_sinks SET holder = 'gone', leased_until = now() + interval '1 hour'";
    sqlx::query(hold).execute(&app.pool).await.unwrap();
    app.start().await;
    app.save(&app.administrator(), PLAIN.0, "", "later").await.assert_saved();
    wait_for_all(&app, || archive.events()).await;
    assert_ne!(holder(&app).await.unwrap(), "gone");
}
