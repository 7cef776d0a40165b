//! Every scheme with every state of a credential, for every kind of user.

use sqlx::PgPool;

use crate::support::{
    ADMINISTRATOR, Credentials, PLAIN, PRINCIPAL, RETIRED, SAVE, TestApp, password_of, wait_for,
};

const USERS: [(i32, &str); 3] = [ADMINISTRATOR, PLAIN, RETIRED];

/// Asserts that the credentials are accepted, unless the user is retired.
async fn assert_accepted_unless_retired(
    app: &TestApp,
    credentials: &Credentials,
    user: (i32, &str),
) {
    let answer = app.get(PRINCIPAL, credentials).await;
    if user == RETIRED {
        answer.assert_unauthenticated();
    } else {
        answer.assert_status(200);
        assert_eq!(answer.json()["AssociateId"], user.0);
    }
}

fn basic(user: (i32, &str)) -> Credentials {
    Credentials::basic(user.1, &password_of(user.1))
}

/// Issues a ticket and a token to a user, who retires afterwards if they are [`RETIRED`].
async fn issue_ticket_and_token(app: &TestApp, user: (i32, &str)) -> (String, String) {
    set_retired(app, user, false).await;
    let issued = (app.ticket(&basic(user)).await, app.token(&basic(user)).await);
    set_retired(app, user, user == RETIRED).await;
    issued
}

async fn set_retired(app: &TestApp, user: (i32, &str), is_retired: bool) {
    sqlx::query!("UPDATE users SET is_retired = $2 WHERE user_id = $1", user.0, is_retired)
        .execute(&app.pool)
        .await
        .unwrap();
}

#[sqlx::test]
async fn basic_accepts_only_current_passwords_of_active_users(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for user in USERS {
        assert_accepted_unless_retired(&app, &basic(user), user).await;
        for wrong in [
            Credentials::basic(user.1, "wrong"),
            Credentials::basic(user.1, ""),
            Credentials::Raw("Basic ???".to_owned()),
        ] {
            app.get(PRINCIPAL, &wrong).await.assert_unauthenticated();
        }
        // Revoked: another password has replaced it.
        if user != ADMINISTRATOR {
            app.save(&app.administrator(), user.0, "", "replaced").await.assert_saved();
            app.get(PRINCIPAL, &basic(user)).await.assert_unauthenticated();
        }
    }
}

#[sqlx::test]
async fn so_ticket_accepts_only_valid_tickets_of_active_users(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for user in USERS {
        let (ticket, _) = issue_ticket_and_token(&app, user).await;
        let valid = Credentials::Ticket(ticket.clone());
        assert_accepted_unless_retired(&app, &valid, user).await;
        let (other, _) = issue_ticket_and_token(&app, user).await;
        let truncated = ticket[..ticket.len() - 4].to_owned();
        for malformed in [truncated, "7T:".to_owned(), "x".to_owned(), ticket.to_lowercase()] {
            app.get(PRINCIPAL, &Credentials::Ticket(malformed)).await.assert_unauthenticated();
        }
        // Revoked right after it was issued.
        let revoked_early =
            app.command(&["ticket", "issue", "--user", ADMINISTRATOR.1], "").assert_success();
        app.command(&["ticket", "revoke"], &revoked_early).assert_success();
        app.get(PRINCIPAL, &Credentials::Ticket(revoked_early)).await.assert_unauthenticated();
        // Expired.
        sqlx::query!(
            "UPDATE tickets SET created_at = now() - interval '2 days',
                                expires_at = now() - interval '1 second' WHERE user_id = $1",
            user.0
        )
        .execute(&app.pool)
        .await
        .unwrap();
        app.get(PRINCIPAL, &valid).await.assert_unauthenticated();
        app.get(PRINCIPAL, &Credentials::Ticket(other)).await.assert_unauthenticated();
        // Revoked.
        let (revoked, _) = issue_ticket_and_token(&app, user).await;
        app.command(&["ticket", "revoke"], &revoked).assert_success();
        app.get(PRINCIPAL, &Credentials::Ticket(revoked)).await.assert_unauthenticated();
    }
}

#[sqlx::test]
async fn bearer_accepts_only_valid_tokens_of_active_users(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for user in USERS {
        let (_, token) = issue_ticket_and_token(&app, user).await;
        let valid = Credentials::Bearer(token.clone());
        assert_accepted_unless_retired(&app, &valid, user).await;
        let (head, signature) = token.rsplit_once('.').unwrap();
        let forged = format!("{head}.{}", signature.chars().rev().collect::<String>());
        for wrong in [
            forged,
            head.to_owned(),
            "8A:".to_owned(),
            "x".to_owned(),
            token.replacen("8A:Keeper", "8A:Other", 1),
        ] {
            app.get(PRINCIPAL, &Credentials::Bearer(wrong)).await.assert_unauthenticated();
        }
        // Revoked: replacing the password ends every token that it issued.
        let new_password = password_of(user.1);
        app.command(&["credential", "save", "--user", user.1], &new_password).assert_success();
        app.get(PRINCIPAL, &valid).await.assert_unauthenticated();
    }
}

#[sqlx::test]
async fn an_expired_token_is_refused(pool: PgPool) {
    let app =
        TestApp::spawn_with(pool, &[("KEEPER__ACCESS_TOKENS__LIFETIME_SECONDS", "1")], "").await;
    for user in USERS {
        let token = Credentials::Bearer(issue_ticket_and_token(&app, user).await.1);
        // Expiry is in whole seconds, so the token expires one to two seconds after it was issued.
        let refused = wait_for("the token expires", async || {
            Some(app.get(PRINCIPAL, &token).await).filter(|answer| answer.status == 401)
        });
        refused.await.assert_unauthenticated();
    }
}

#[sqlx::test]
async fn a_disabled_scheme_authenticates_nobody(pool: PgPool) {
    for (setting, disabled) in [
        ("KEEPER__AUTHENTICATION__BASIC", 0),
        ("KEEPER__AUTHENTICATION__SO_TICKET", 1),
        ("KEEPER__AUTHENTICATION__BEARER", 2),
    ] {
        sqlx::raw_sql("TRUNCATE users, login_names, credential_identifiers, keys CASCADE")
            .execute(&pool)
            .await
            .unwrap();
        let app = TestApp::spawn_with(pool.clone(), &[(setting, "false")], "").await;
        for user in [ADMINISTRATOR, PLAIN] {
            let ticket = app.command(&["ticket", "issue", "--user", user.1], "").assert_success();
            let enabled =
                if disabled == 0 { Credentials::Ticket(ticket.clone()) } else { basic(user) };
            let token = app.token(&enabled).await;
            let all = [basic(user), Credentials::Ticket(ticket), Credentials::Bearer(token)];
            for (number, credentials) in all.iter().enumerate() {
                let answer = app.get(PRINCIPAL, credentials).await;
                if number == disabled {
                    answer.assert_unauthenticated();
                } else {
                    answer.assert_status(200);
                }
            }
        }
    }
}

#[sqlx::test]
async fn saving_without_credentials_is_401(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let body = serde_json::json!({"UserId": 278, "Credential": {"Value": "x"}});
    let answer = app.post(SAVE, &Credentials::Anonymous, &body).await;
    answer.assert_refused(401, "ArgumentException", "xsrf_missing");
}
