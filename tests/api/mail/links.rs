//! The page of a link.

use serde_json::{Value, json};
use sqlx::PgPool;

use super::{
    MAILED, PAGE, ask_for, assert_last_events, open, path_of, spawn, submit, token_of,
    wait_for_event, with_form,
};
use crate::support::{
    Answer, Credentials, MailServer, PRINCIPAL, TestApp, assert_becomes, password_of,
};

const NEW: &str = "a new password by mail";

async fn log_in(app: &TestApp, password: &str) -> u16 {
    app.get(PRINCIPAL, &Credentials::basic(MAILED.1, password)).await.status.as_u16()
}

/// Asserts a page with an error and without a form.
#[track_caller]
fn assert_invalid(page: &Answer) {
    page.assert_status(404);
    assert!(page.body.contains("The link is invalid or expired"), "{page:?}");
    assert!(!page.body.contains("<form"), "{page:?}");
}

#[sqlx::test]
async fn the_link_of_a_mail_sets_the_password_once(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn(pool, &server).await;
    let former = Credentials::basic(MAILED.1, &password_of(MAILED.1));
    let ticket = app.ticket(&former).await;
    ask_for(&app, MAILED.0).await;
    let path = path_of(&server.wait_for_mail(1).await);
    wait_for_event(&app, "sent", 1).await;
    // A mail scanner opens the link, too.
    open(&app, &path).await.assert_status(200);
    let page = open(&app, &path).await;
    page.assert_status(200);
    let answer = submit(&app, &token_of(&page), NEW).await;
    answer.assert_status(200);
    assert!(answer.body.contains("Your new password is set."), "{answer:?}");
    assert_eq!(log_in(&app, NEW).await, 200);
    assert_eq!(log_in(&app, &password_of(MAILED.1)).await, 401);
    app.get(PRINCIPAL, &Credentials::Ticket(ticket)).await.assert_status(401);
    assert_invalid(&submit(&app, &token_of(&page), "another password").await);
    assert_invalid(&open(&app, &path).await);
    assert_eq!(log_in(&app, NEW).await, 200);
    let events = [
        ("password_mail_requested", "basic"),
        ("password_mail_sent", "service"),
        ("credential_saved", "password_link"),
    ];
    assert_last_events(&app, MAILED.0, &events).await;
}

/// The owner proves the address instead of asking an administrator.
#[sqlx::test]
async fn a_new_password_by_mail_ends_a_lock(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn(pool, &server).await;
    assert_eq!(log_in(&app, &password_of(MAILED.1)).await, 200);
    assert_eq!(log_in(&app, "wrong").await, 401);
    let lock = "UPDATE authentication_attempts SET failures = 100 WHERE user_id = $1";
    let locked = sqlx::query(lock).bind(MAILED.0).execute(&app.pool).await.unwrap();
    assert_eq!(locked.rows_affected(), 1);
    assert_eq!(log_in(&app, &password_of(MAILED.1)).await, 429);
    ask_for(&app, MAILED.0).await;
    let page = open(&app, &path_of(&server.wait_for_mail(1).await)).await;
    submit(&app, &token_of(&page), NEW).await.assert_status(200);
    assert_eq!(log_in(&app, NEW).await, 200);
}

#[sqlx::test]
async fn a_program_sets_the_password_without_a_page(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn(pool, &server).await;
    ask_for(&app, MAILED.0).await;
    let path = path_of(&server.wait_for_mail(1).await);
    let token = path.rsplit_once('=').unwrap().1;
    let post = async |body| app.post(PAGE, &Credentials::Anonymous, &body).await;
    post(json!({ "NewPassword": NEW })).await.assert_field_refused("Token");
    post(json!({ "Token": token })).await.assert_field_refused("NewPassword");
    post(json!({ "Token": token, "NewPassword": "" })).await.assert_field_refused("NewPassword");
    let too_long = "x".repeat(1025);
    post(json!({ "Token": token, "NewPassword": too_long }))
        .await
        .assert_field_refused("NewPassword");
    for invalid in ["", "AAAA", &token[1..], &format!("{token}="), &token.to_uppercase()] {
        let answer = post(json!({ "Token": invalid, "NewPassword": NEW })).await;
        answer.assert_refused(404, "SoNotFoundException", "invalid_link");
    }
    post(json!({ "Token": token, "NewPassword": NEW })).await.assert_status(204);
    assert_eq!(log_in(&app, NEW).await, 200);
}

#[sqlx::test]
async fn a_link_ends_with_every_change_of_the_password(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn(pool, &server).await;
    let owner = Credentials::basic(MAILED.1, &password_of(MAILED.1));
    ask_for(&app, MAILED.0).await;
    ask_for(&app, MAILED.0).await;
    server.wait_for_mail(2).await;
    let mails = server.mails();
    let [first, second] = [path_of(&mails[0]), path_of(&mails[1])];
    // Both links work until one is used.
    open(&app, &first).await.assert_status(200);
    let token = token_of(&open(&app, &second).await);
    submit(&app, &token, &password_of(MAILED.1)).await.assert_status(200);
    assert_invalid(&open(&app, &first).await);
    assert_invalid(&submit(&app, first.rsplit_once('=').unwrap().1, NEW).await);
    ask_for(&app, MAILED.0).await;
    let third = path_of(&server.wait_for_mail(3).await);
    open(&app, &third).await.assert_status(200);
    let body = json!({ "OldPassword": password_of(MAILED.1), "NewPassword": NEW });
    app.post("/api/v1/Agents/User/ChangeOwnPassword", &owner, &body).await.assert_saved();
    assert_invalid(&open(&app, &third).await);
    assert_invalid(&submit(&app, third.rsplit_once('=').unwrap().1, "third password").await);
    assert_eq!(log_in(&app, NEW).await, 200);
}

#[sqlx::test]
async fn a_link_expires_and_a_retired_user_has_none(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn(pool, &server).await;
    ask_for(&app, MAILED.0).await;
    ask_for(&app, MAILED.0).await;
    server.wait_for_mail(2).await;
    let mails = server.mails();
    let lifetime: f64 = sqlx::query_scalar(
        "SELECT max(extract(epoch FROM expires_at - created_at))::float8 FROM password_links",
    )
    .fetch_one(&app.pool)
    .await
    .unwrap();
    assert!((lifetime - 1800.0).abs() < 0.1, "{lifetime}");
    sqlx::raw_sql(
        "UPDATE password_links SET created_at = created_at - interval '1801 s',
                                   expires_at = expires_at - interval '1801 s'
         WHERE created_at = (SELECT min(created_at) FROM password_links)",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    assert_invalid(&open(&app, &path_of(&mails[0])).await);
    open(&app, &path_of(&mails[1])).await.assert_status(200);
    let body = json!({ "AssociateId": MAILED.0, "Retired": true });
    let path = "/api/v1/Agents/User/MakeRetired";
    app.post(path, &app.administrator(), &body).await.assert_status(204);
    assert_invalid(&open(&app, &path_of(&mails[1])).await);
}

#[sqlx::test]
async fn a_refused_password_keeps_the_link_and_names_the_reasons(pool: PgPool) {
    let server = MailServer::start();
    let mut app = spawn(pool, &server).await;
    app.reconfigure(&[("KEEPER__PASSWORDS__POLICY", "nist")]).await;
    ask_for(&app, MAILED.0).await;
    let path = path_of(&server.wait_for_mail(1).await);
    let token = token_of(&open(&app, &path).await);
    for (password, reason) in [
        ("short", "at least 15 characters"),
        ("credentialkeeper!", "consists mostly of your user name"),
        ("", "must not be empty"),
    ] {
        let page = submit(&app, &token, password).await;
        page.assert_status(400);
        assert!(page.body.contains(reason), "{page:?}");
        assert!(!page.body.contains("value=\"short"), "{page:?}");
        assert_eq!(token_of(&page), token);
    }
    submit(&app, &token, "correct horse battery staple 7").await.assert_status(200);
    assert_eq!(log_in(&app, "correct horse battery staple 7").await, 200);
}

#[sqlx::test]
async fn the_page_keeps_its_url_to_itself(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn(pool, &server).await;
    ask_for(&app, MAILED.0).await;
    let path = path_of(&server.wait_for_mail(1).await);
    let page = open(&app, &path).await;
    let invalid = open(&app, "/account/password?token=AAAA").await;
    let set = submit(&app, &token_of(&page), NEW).await;
    for page in [&page, &invalid, &set] {
        assert_eq!(page.header("referrer-policy"), "no-referrer");
        assert_eq!(page.header("cache-control"), "no-store");
        let policy = page.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'self'"), "{policy}");
        assert!(!policy.contains("script"), "{policy}");
        assert!(!page.body.contains("<script"), "{page:?}");
    }
    // The pages without a secret URL still name themselves to this service.
    let login = app.get("/login", &Credentials::Anonymous).await;
    assert_eq!(login.header("referrer-policy"), "same-origin");
}

#[sqlx::test]
async fn a_page_of_another_site_cannot_send_the_form(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn(pool, &server).await;
    ask_for(&app, MAILED.0).await;
    let path = path_of(&server.wait_for_mail(1).await);
    let token = path.rsplit_once('=').unwrap().1;
    for site in ["cross-site", "same-site"] {
        let request = app.client.post(format!("{}{PAGE}", app.url)).header("Sec-Fetch-Site", site);
        let request = with_form(request, token, NEW);
        Answer::read(request.send().await.unwrap()).await.assert_status(403);
    }
    assert_eq!(log_in(&app, NEW).await, 401);
    // Neither a repeated token nor one in the URL of the form is used.
    let twice = format!("{path}&token={token}");
    assert_invalid(&open(&app, &twice).await);
    let malformed = app.client.post(format!("{}{PAGE}", app.url));
    let malformed = malformed.header("Content-Type", "application/x-www-form-urlencoded");
    let answer = Answer::read(malformed.body("Token=%ZZ").send().await.unwrap()).await;
    answer.assert_status(400);
    assert!(answer.body.contains("<h1>New password</h1>"), "{answer:?}");
}

#[sqlx::test]
async fn two_uses_of_a_link_at_once_set_one_password(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn(pool, &server).await;
    ask_for(&app, MAILED.0).await;
    let token = token_of_mail(&server.wait_for_mail(1).await);
    let use_link = async |password: &str| {
        let body = json!({ "Token": token, "NewPassword": password });
        app.post(PAGE, &Credentials::Anonymous, &body).await.status.as_u16()
    };
    let (one, other) = tokio::join!(use_link("password one"), use_link("password two"));
    let mut statuses = [one, other];
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 404]);
    let works = [log_in(&app, "password one").await, log_in(&app, "password two").await];
    assert_eq!(works.iter().filter(|status| **status == 200).count(), 1);
}

fn token_of_mail(mail: &Value) -> String {
    path_of(mail).rsplit_once('=').unwrap().1.to_owned()
}

const USED_ONCE: [(&str, &str); 2] =
    [("password_mail_sent", "service"), ("credential_saved", "password_link")];

#[sqlx::test]
async fn a_form_that_is_sent_twice_gets_the_same_answer_for_a_minute(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn(pool, &server).await;
    ask_for(&app, MAILED.0).await;
    let unused = token_of_mail(&server.wait_for_mail(1).await);
    ask_for(&app, MAILED.0).await;
    let used = token_of_mail(&server.wait_for_mail(2).await);
    wait_for_event(&app, "sent", 2).await;
    submit(&app, &used, NEW).await.assert_status(200);
    let answer = submit(&app, &used, NEW).await;
    answer.assert_status(200);
    assert!(answer.body.contains("Your new password is set."), "{answer:?}");
    // It saves nothing.
    assert_last_events(&app, MAILED.0, &USED_ONCE).await;
    assert_invalid(&submit(&app, &unused, NEW).await);
    let earlier = "UPDATE password_links SET created_at = created_at - interval '61 seconds',
                       expires_at = expires_at - interval '61 seconds' WHERE user_id = $1";
    sqlx::query(earlier).bind(MAILED.0).execute(&app.pool).await.unwrap();
    assert_invalid(&submit(&app, &used, NEW).await);
}

#[sqlx::test]
async fn a_used_link_is_no_way_to_guess_the_password(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn(pool, &server).await;
    ask_for(&app, MAILED.0).await;
    let token = token_of_mail(&server.wait_for_mail(1).await);
    submit(&app, &token, NEW).await.assert_status(200);
    let guesses = ["a guess at the password", "another guess", NEW];
    let answers = futures_util::future::join_all(guesses.map(|guess| submit(&app, &token, guess)));
    let known = answers.await.iter().filter(|answer| answer.status == 200).count();
    assert!(known <= 1, "{known}");
    assert_invalid(&submit(&app, &token, "a last guess").await);
    assert_invalid(&submit(&app, &token, NEW).await);
}

/// A password that the policy refuses does not use the link, so guesses could be compared without a
/// limit.
#[sqlx::test]
async fn a_link_is_no_way_to_guess_a_password_that_must_be_changed(pool: PgPool) {
    let server = MailServer::start();
    let mut app = spawn(pool, &server).await;
    app.save(&app.administrator(), MAILED.0, "", "short").await.assert_saved();
    let require = ["credential", "require-change", "--user", MAILED.1];
    app.command(&require, "").assert_success();
    app.reconfigure(&[("KEEPER__PASSWORDS__POLICY", "nist")]).await;
    ask_for(&app, MAILED.0).await;
    let token = token_of_mail(&server.wait_for_mail(1).await);
    let page = submit(&app, &token, "short").await;
    page.assert_status(400);
    assert!(page.body.contains("at least 15 characters"), "{page:?}");
    assert!(!page.body.contains("must differ from the current one"), "{page:?}");
    submit(&app, &token, "correct horse battery staple 7").await.assert_status(200);
    assert_eq!(log_in(&app, "correct horse battery staple 7").await, 200);
}

#[sqlx::test]
async fn a_form_that_waits_too_long_for_another_change_says_when_to_try_again(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn(pool, &server).await;
    ask_for(&app, MAILED.0).await;
    let token = token_of_mail(&server.wait_for_mail(1).await);
    wait_for_event(&app, "sent", 1).await;
    let mut held = app.pool.begin().await.unwrap();
    let lock = sqlx::query("SELECT 1 FROM users WHERE user_id = $1 FOR UPDATE").bind(MAILED.0);
    lock.execute(&mut *held).await.unwrap();
    let refused = submit(&app, &token, NEW).await;
    held.rollback().await.unwrap();
    refused.assert_status(503);
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(token_of(&refused), token);
    submit(&app, &token, NEW).await.assert_status(200);
}

/// Housekeeping, which runs at the start of an instance, deletes expired links.
#[sqlx::test]
async fn a_used_link_is_remembered_for_a_minute_also_by_housekeeping(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn(pool, &server).await;
    ask_for(&app, MAILED.0).await;
    let token = token_of_mail(&server.wait_for_mail(1).await);
    wait_for_event(&app, "sent", 1).await;
    submit(&app, &token, NEW).await.assert_status(200);
    let old = "INSERT INTO password_links VALUES
        (278, sha256('x'), sha256('a'), 0, now() - interval '1 day', now() - interval '1 hour')";
    sqlx::raw_sql(old).execute(&app.pool).await.unwrap();
    let _other = app.spawn_instance(&[]).await;
    let left = async || {
        sqlx::query_scalar::<_, i32>("SELECT user_id FROM password_links")
            .fetch_all(&app.pool)
            .await
            .unwrap()
    };
    assert_becomes(vec![MAILED.0], left).await;
    submit(&app, &token, NEW).await.assert_status(200);
}

#[sqlx::test]
async fn a_link_does_not_confirm_a_password_that_was_set_in_another_way(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn(pool, &server).await;
    ask_for(&app, MAILED.0).await;
    let token = token_of_mail(&server.wait_for_mail(1).await);
    submit(&app, &token, NEW).await.assert_status(200);
    let own = Credentials::basic(MAILED.1, NEW);
    let body = json!({"OldPassword": NEW, "NewPassword": "an own password"});
    let changed = app.post("/api/v1/Agents/User/ChangeOwnPassword", &own, &body).await;
    changed.assert_saved();
    assert_invalid(&submit(&app, &token, "an own password").await);
}

/// Both requests of a double click on two connections.
#[sqlx::test]
async fn a_form_that_is_sent_twice_at_once_gets_the_same_answer(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn(pool, &server).await;
    ask_for(&app, MAILED.0).await;
    let token = token_of_mail(&server.wait_for_mail(1).await);
    wait_for_event(&app, "sent", 1).await;
    let (one, other) = tokio::join!(submit(&app, &token, NEW), submit(&app, &token, NEW));
    one.assert_status(200);
    other.assert_status(200);
    assert_last_events(&app, MAILED.0, &USED_ONCE).await;
}

/// The second request of a double click cannot be answered now, or is dropped for a third one.
#[sqlx::test]
async fn a_form_that_is_sent_again_after_an_error_gets_the_same_answer(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn(pool, &server).await;
    ask_for(&app, MAILED.0).await;
    let token = token_of_mail(&server.wait_for_mail(1).await);
    submit(&app, &token, NEW).await.assert_status(200);
    let seal_under = async |key: &str| {
        let sealed = "UPDATE credentials SET key_id = $2
            WHERE user_id = $1 AND credential_type = 'CRM5/PASSWORD'";
        sqlx::query(sealed).bind(MAILED.0).bind(key).execute(&app.pool).await.unwrap();
    };
    let key =
        "SELECT key_id FROM credentials WHERE user_id = $1 AND credential_type = 'CRM5/PASSWORD'";
    let key = sqlx::query_scalar::<_, String>(key).bind(MAILED.0).fetch_one(&app.pool).await;
    let key = key.unwrap();
    seal_under("unknown").await;
    submit(&app, &token, NEW).await.assert_status(503);
    seal_under(&key).await;
    submit(&app, &token, NEW).await.assert_status(200);

    let links = async || {
        let count = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM password_links");
        count.fetch_one(&app.pool).await.unwrap()
    };
    let mut held = app.pool.begin().await.unwrap();
    sqlx::raw_sql("LOCK TABLE credentials").execute(&mut *held).await.unwrap();
    let dropped = submit(&app, &token, NEW);
    tokio::select! {
        answer = dropped => panic!("answered before the lock ended: {answer:?}"),
        () = assert_becomes(0, &links) => {}
    }
    held.rollback().await.unwrap();
    assert_becomes(1, links).await;
    submit(&app, &token, NEW).await.assert_status(200);
}
