//! The sample program of docs/how-to/move-users-at-login.md: the receiver of the requests.

use std::{
    fs,
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::Duration,
};

use sqlx::PgPool;

use super::{assert_unavailable, login, spawn, user_id};
use crate::support::{OldSystem, TestApp, free_port, replace};

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

impl Sample {
    /// Starts the program with the keys of an old system.
    fn start(old: &OldSystem, port: u16) -> Self {
        let mut child = command(old, port).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let sample = Self(child);
        assert!(line.starts_with("listening"), "{line}");
        sample
    }
}

/// The command that runs the program.
fn command(old: &OldSystem, port: u16) -> Command {
    let program = old.path("old-system.mjs");
    fs::write(&program, sample_code()).unwrap();
    let mut command = Command::new("node");
    command.arg(&program).env("PORT", port.to_string()).env("KEY_FILE", old.path("key"));
    command
}

/// An application whose users move from the program.
async fn spawn_with_sample(pool: PgPool, old: &OldSystem, port: u16) -> TestApp {
    let url = format!("http://127.0.0.1:{port}/verify-login");
    let variables =
        [("KEEPER__MIGRATION__HOOK_URL", url.as_str()), ("KEEPER__MIGRATION__HOOK_CA_FILE", "")];
    spawn(pool, old, &variables).await
}

#[sqlx::test]
async fn the_sample_program_verifies_requests_and_moves_users(pool: PgPool) {
    let old = OldSystem::start();
    let port = free_port();
    let _sample = Sample::start(&old, port);
    let app = spawn_with_sample(pool, &old, port).await;
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

#[sqlx::test]
async fn the_sample_program_survives_requests_that_nobody_signed(pool: PgPool) {
    let old = OldSystem::start();
    let port = free_port();
    let mut sample = Sample::start(&old, port);
    let app = spawn_with_sample(pool, &old, port).await;
    let send = |length: usize, body: &[u8]| {
        let mut connection = TcpStream::connect(("127.0.0.1", port)).unwrap();
        connection.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let head = format!("POST / HTTP/1.1\r\nHost: old\r\nContent-Length: {length}\r\n\r\n");
        connection.write_all(head.as_bytes()).unwrap();
        // The program may have closed the connection.
        let _ = connection.write_all(body);
        connection
    };
    // The client goes away in the middle of the body.
    drop(send(100, b"abc"));
    // The program waits for no more of a long body.
    let mut connection = send(1 << 30, &vec![b'a'; 100_000]);
    let mut answer = Vec::new();
    let closed = connection.read_to_end(&mut answer);
    assert!(
        closed.is_ok() || closed.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset)
    );
    assert!(!answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    login(&app, "ada", "correct horse").await.assert_status(200);
    assert!(sample.0.try_wait().unwrap().is_none());
}

#[test]
fn the_sample_program_refuses_short_keys() {
    let old = OldSystem::start();
    for text in ["\n".to_owned(), "whsec_\n".to_owned(), format!("whsec_{}\n", "A".repeat(28))] {
        replace(&old.path("key"), &text, 0o400);
        let mut command = command(&old, free_port());
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut line = String::new();
        let mut child = Sample(command.spawn().unwrap());
        BufReader::new(child.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "", "{text}");
        assert!(!child.0.wait().unwrap().success());
    }
}
