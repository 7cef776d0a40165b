//! Identifier types: unique over all users, and proof of nothing (protocol.md 10.14).

use sqlx::PgPool;

use crate::support::{ADMINISTRATOR, Credentials, PLAIN, TestApp, WHO, hex};

const SID: &str = "S-1-5-21-1004336348-1177238915-682003330-512";

#[sqlx::test]
async fn a_saved_identifier_given_as_a_password_proves_nothing(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.save(&app.administrator(), PLAIN.0, "ActiveDirectory", SID).await.assert_saved();
    app.get(WHO, &Credentials::basic(PLAIN.1, SID)).await.assert_unauthenticated();
    app.get(WHO, &Credentials::basic(SID, SID)).await.assert_unauthenticated();
}

#[sqlx::test]
async fn another_users_identifier_is_taken_and_nothing_is_written(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let administrator = app.administrator();
    app.save(&administrator, PLAIN.0, "ActiveDirectory", SID).await.assert_saved();
    let count = || sqlx::query_scalar!("SELECT count(*) FROM audit_events");
    let before = count().fetch_one(&app.pool).await.unwrap();
    let answer = app.save(&administrator, ADMINISTRATOR.0, "activedirectory", SID).await;
    answer.assert_refused(409, "ArgumentException", "identifier_taken");
    assert_eq!(count().fetch_one(&app.pool).await.unwrap(), before);
    let rows = sqlx::query_scalar!(
        "SELECT user_id FROM credentials WHERE credential_type = 'ActiveDirectory'"
    );
    assert_eq!(rows.fetch_all(&app.pool).await.unwrap(), [PLAIN.0]);
}

#[sqlx::test]
async fn the_same_user_may_save_it_again_and_a_replaced_one_is_free(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let administrator = app.administrator();
    for value in [SID, SID, "S-1-5-other"] {
        app.save(&administrator, PLAIN.0, "ActiveDirectory", value).await.assert_saved();
    }
    app.save(&administrator, ADMINISTRATOR.0, "ActiveDirectory", SID).await.assert_saved();
    let rows = sqlx::query_scalar!("SELECT count(*) FROM credential_identifiers");
    assert_eq!(rows.fetch_one(&app.pool).await.unwrap(), Some(2));
}

#[sqlx::test]
async fn of_two_users_saving_one_identifier_at_once_one_gets_it(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for number in 0..10 {
        let sid = format!("{SID}-{number}");
        let administrator = app.administrator();
        let (one, other) = tokio::join!(
            app.save(&administrator, PLAIN.0, "ActiveDirectory", &sid),
            app.save(&administrator, ADMINISTRATOR.0, "ActiveDirectory", &sid),
        );
        let mut statuses = [one.status.as_u16(), other.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409], "{one:?} {other:?}");
    }
}

#[sqlx::test]
async fn the_table_holds_no_identifier_in_the_clear(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.save(&app.administrator(), PLAIN.0, "ActiveDirectory", SID).await.assert_saved();
    let texts = sqlx::query_scalar!(
        r#"SELECT (SELECT string_agg(c::text, '') FROM credentials c)
               || (SELECT string_agg(i::text, '') FROM credential_identifiers i)
               || (SELECT string_agg(a::text, '') FROM audit_events a) AS "all!""#
    );
    let text = texts.fetch_one(&app.pool).await.unwrap();
    assert!(!text.contains(SID) && !text.contains(&hex(SID)));
}
