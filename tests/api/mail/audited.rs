//! Nothing about a mail for a new password happens without its audit event.

use sqlx::PgPool;

use super::{MAILED, ask, forgotten, path_of, spawn, submit, wait_for_event};
use crate::{audit::assert_needs_event, support::MailServer};

#[sqlx::test]
async fn a_request_for_a_mail_and_the_use_of_its_link_need_their_events(pool: PgPool) {
    let server = MailServer::start();
    let app = spawn(pool, &server).await;
    let administrator = app.administrator();
    let by_administrator = async || ask(&app, &administrator, MAILED.0).await.status.as_u16();
    assert_needs_event(&app, "SendChangePasswordEMail", by_administrator).await;
    // The delivery has an event of its own.
    wait_for_event(&app, "sent", 1).await;
    let by_name = async || forgotten::ask(&app, MAILED.1).await.status.as_u16();
    assert_needs_event(&app, "/account/forgotten", by_name).await;
    wait_for_event(&app, "sent", 2).await;
    let path = path_of(&server.wait_for_mail(2).await);
    let (_, token) = path.rsplit_once('=').unwrap();
    let use_link = async || submit(&app, token, "a new password by mail").await.status.as_u16();
    assert_needs_event(&app, "/account/password", use_link).await;
}
