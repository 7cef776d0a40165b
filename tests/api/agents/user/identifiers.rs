//! Identifier types: unique across all users, and never accepted as a secret
//! (docs/reference/wire-contract.md#d14-identifier-types).

use sqlx::PgPool;

use crate::support::{ADMINISTRATOR, Credentials, PLAIN, PRINCIPAL, TestApp, hex};

const SID: &str = "S-1-5-21-1004336348-1177238915-682003330-512";

#[sqlx::test]
async fn an_identifier_is_not_accepted_as_a_password(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.save(&app.administrator(), PLAIN.0, "ActiveDirectory", SID).await.assert_saved();
    app.get(PRINCIPAL, &Credentials::basic(PLAIN.1, SID)).await.assert_unauthenticated();
    app.get(PRINCIPAL, &Credentials::basic(SID, SID)).await.assert_unauthenticated();
}

#[sqlx::test]
async fn saving_another_users_identifier_conflicts_and_writes_nothing(pool: PgPool) {
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
async fn saving_an_identifier_again_succeeds_and_replacing_it_frees_it(pool: PgPool) {
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
async fn concurrent_saves_of_one_identifier_have_one_winner(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for number in 0..10 {
        let sid = format!("{SID}-{number}");
        let administrator = app.administrator();
        let (first, second) = tokio::join!(
            app.save(&administrator, PLAIN.0, "ActiveDirectory", &sid),
            app.save(&administrator, ADMINISTRATOR.0, "ActiveDirectory", &sid),
        );
        let mut statuses = [first.status.as_u16(), second.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409], "{first:?} {second:?}");
    }
}

#[sqlx::test]
async fn no_table_stores_an_identifier_in_clear_text(pool: PgPool) {
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
