//! The stream of a database of an earlier release.

use std::fs;

use sqlx::{AssertSqlSafe, PgPool};

use super::{Archive, wait_for_all};
use crate::{
    support::{PLAIN, TestApp},
    upgrades::{file, releases},
};

#[sqlx::test(migrations = false)]
async fn a_sink_gets_the_events_that_are_older_than_the_stream_first(pool: PgPool) {
    for version in releases() {
        let dump = fs::read_to_string(file(&version, "sql")).unwrap();
        sqlx::raw_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
            .execute(&pool)
            .await
            .unwrap();
        sqlx::raw_sql(AssertSqlSafe(dump)).execute(&pool).await.unwrap();
        let keyring = fs::read_to_string(file(&version, "keyring.json")).unwrap();
        let mut app = TestApp::upgrade(pool.clone(), &keyring).await;
        let archive = Archive::new();
        app.rewrite_settings(&archive.settings());
        app.restart().await;
        app.save(&app.administrator(), PLAIN.0, "", "new").await.assert_saved();
        let events = wait_for_all(&app, || archive.events()).await;
        let positions: Vec<_> =
            events.iter().map(|event| event["position"].as_i64().unwrap()).collect();
        let older = i64::try_from(positions.len()).unwrap() - 1;
        assert_eq!(positions, (1 - older..=1).collect::<Vec<_>>(), "{version}");
        app.stop().await;
    }
}
