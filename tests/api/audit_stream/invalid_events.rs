//! Events that were changed in the database, or that a later release wrote.

use serde_json::{Value, json};
use sqlx::PgPool;

use super::{Archive, Place, place, wait_for_all};
use crate::support::{Instance, PLAIN, RETIRED, TestApp};

/// Appends events of the retired user: with an actor and times that no release writes, and with a kind
/// and a scheme of a later one.
const APPEND: &str = "
    ALTER TABLE audit_events DROP CONSTRAINT audit_events_kind_check,
                             DROP CONSTRAINT audit_events_scheme_check;
    INSERT INTO audit_events (user_id, sequence, occurred_at, kind, actor_user_id, scheme, request_id,
                              session_epoch, key_id, mac)
    SELECT first.user_id, other.sequence, other.occurred_at, other.kind, other.actor, other.scheme,
           first.request_id, first.session_epoch, first.key_id, first.mac
    FROM audit_events AS first,
         (VALUES (4, now(), 'user_retired', 0, 'basic'),
                 (5, 'infinity', 'user_retired', NULL, 'basic'),
                 (6, '-infinity', 'user_retired', NULL, 'basic'),
                 (7, '20000-01-01 00:00:00+00', 'user_retired', NULL, 'basic'),
                 (8, now(), 'of_a_later_release', NULL, 'basic'),
                 (9, now(), 'user_retired', NULL, 'of_a_later_release'))
             AS other (sequence, occurred_at, kind, actor, scheme)
    WHERE first.user_id = 300 AND first.sequence = 1
    ORDER BY other.sequence";

#[sqlx::test]
async fn events_that_were_changed_are_delivered_as_they_are_stored_with_one_alarm(pool: PgPool) {
    let archive = Archive::new();
    let mut app = TestApp::spawn_with(pool, &[], &archive.settings()).await;
    let before = wait_for_all(&app, || archive.events()).await.len();
    app.stop().await;
    sqlx::raw_sql(APPEND).execute(&app.pool).await.unwrap();
    let instance = Instance::start(&app, &[]);
    instance.save(&app.administrator(), PLAIN.0, "later").await.assert_saved();
    let events = wait_for_all(&app, || archive.events()).await;
    let added = &events[before..];
    let mut expected: Vec<Place> = (4..10).map(|sequence| (RETIRED.0.into(), sequence)).collect();
    expected.push((PLAIN.0.into(), 3));
    assert_eq!(added.iter().map(place).collect::<Vec<_>>(), expected);
    let member = |name: &str| -> Vec<&Value> { added.iter().map(|event| &event[name]).collect() };
    assert_eq!(member("actor_user_id")[..2], [&json!(0), &Value::Null]);
    assert_eq!(member("occurred_at")[1..4], [&Value::Null; 3]);
    assert_eq!(member("kind")[4], "of_a_later_release");
    assert_eq!(member("scheme")[5], "of_a_later_release");
    let log = instance.stop();
    let alarms = log.matches("an audit event was changed in the database").count();
    assert_eq!(alarms, 1, "{log}");
}
