//! The rights that `SaveCredential` requires (docs/reference/wire-contract.md#d10-rights).

use sqlx::PgPool;

use crate::support::{ADMINISTRATOR, Credentials, PLAIN, PRINCIPAL, TestApp, password_of};

#[sqlx::test]
async fn a_plain_user_saves_their_own_password_with_the_current_one(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.save(&app.plain(), PLAIN.0, "", "my own choice").await.assert_saved();
    app.get(PRINCIPAL, &Credentials::basic(PLAIN.1, "my own choice")).await.assert_status(200);
}

#[sqlx::test]
async fn a_save_without_the_current_password_points_to_change_own_password(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let ticket = Credentials::Ticket(app.ticket(&app.plain()).await);
    let token = Credentials::Bearer(app.token(&app.plain()).await);
    for credentials in [ticket, token] {
        let answer = app.save(&credentials, PLAIN.0, "", "x").await;
        answer.assert_forbidden();
        assert!(answer.body.contains("ChangeOwnPassword"), "{answer:?}");
    }
    app.save(&app.plain(), PLAIN.0, "ActiveDirectory", "S-1-5").await.assert_forbidden();
}

#[sqlx::test]
async fn a_plain_user_cannot_learn_whether_a_user_exists(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let existing = app.save(&app.plain(), ADMINISTRATOR.0, "", "x").await;
    let missing = app.save(&app.plain(), 4711, "", "x").await;
    existing.assert_forbidden();
    missing.assert_forbidden();
    assert_eq!(existing.json()["Message"], missing.json()["Message"]);
}

#[sqlx::test]
async fn administrators_and_system_users_save_for_others_in_every_scheme(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.add_user((400, "sys"), &["--type", "system"]);
    let system = Credentials::basic("sys", &password_of("sys"));
    for credentials in [app.administrator(), system] {
        let ticket = Credentials::Ticket(app.ticket(&credentials).await);
        let token = Credentials::Bearer(app.token(&credentials).await);
        for credentials in [credentials, ticket, token] {
            app.save(&credentials, PLAIN.0, "", "x").await.assert_saved();
        }
    }
}

#[sqlx::test]
async fn external_and_anonymous_users_cannot_save_credentials(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (id, name, user_type) in [(400, "ext", "external"), (401, "ano", "anonymous")] {
        app.add_user((id, name), &["--type", user_type, "--administrator"]);
        let credentials = Credentials::basic(name, &password_of(name));
        app.get(PRINCIPAL, &credentials).await.assert_status(200);
        app.save(&credentials, id, "", "x").await.assert_forbidden();
        app.save(&credentials, PLAIN.0, "", "x").await.assert_forbidden();
    }
}
