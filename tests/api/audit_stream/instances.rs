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
