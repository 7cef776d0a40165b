//! The sample program of docs/how-to/move-users-at-login.md: the receiver of the requests.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use sqlx::PgPool;

use super::{assert_unavailable, login, spawn, user_id};
use crate::support::{OldSystem, free_port};

/// The program, which ends with the test.
struct Sample(Child);

impl Drop for Sample {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The code block of the guide that starts with this comment.
fn sample_code() -> String {
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/how-to/move-users-at-login.md");
    let guide = fs::read_to_string(guide).unwrap();
    let (_, rest) = guide.split_once("```js\n").unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

#[sqlx::test]
async fn the_sample_program_verifies_requests_and_moves_users(pool: PgPool) {
    let old = OldSystem::start();
    let program = old.path("old-system.mjs");
    fs::write(&program, sample_code()).unwrap();
    let port = free_port().to_string();
    let mut child = Command::new("node")
        .arg(&program)
        .env("PORT", &port)
        .env("KEY_FILE", old.path("key"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let _sample = Sample(child);
    assert!(line.starts_with("listening"), "{line}");
    let url = format!("http://127.0.0.1:{port}/verify-login");
    let variables =
        [("KEEPER__MIGRATION__HOOK_URL", url.as_str()), ("KEEPER__MIGRATION__HOOK_CA_FILE", "")];
    let app = spawn(pool, &old, &variables).await;
    login(&app, "ada", "wrong").await.assert_unauthenticated();
    login(&app, "nobody", "wrong").await.assert_unauthenticated();
    login(&app, "ada", "correct horse").await.assert_status(200);
    assert!(user_id(&app, "ada").await.is_some());
    let doctor = app.command(&["doctor"], "").stdout;
    let row = doctor.lines().find(|line| line.contains("the old system accepts the signature"));
    assert!(row.unwrap().starts_with("pass"), "{doctor}");
    // A request with another key is not answered.
    old.write_keys(&[&[9; 32]]);
    assert_unavailable(&login(&app, "bea", "battery staple").await);
    assert_eq!(user_id(&app, "bea").await, None);
}
