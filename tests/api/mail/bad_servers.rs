//! Mail servers that are slow or lie.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use sqlx::PgPool;

use super::{MAILED, ask_for, wait_for_event};
use crate::support::{TestApp, raw_mail_server, wait_for, wait_until};

/// Settings that require STARTTLS.
const REQUIRE_TLS: (&str, &str) = ("KEEPER__MAIL__START_TLS", "true");

/// Time for a server that answers at once, also on a slow machine.
const PATIENT: (&str, &str) = ("KEEPER__MAIL__TIMEOUT_SECONDS", "30");

/// An application that sends mails to the server of this URL, with more settings.
async fn spawn(pool: PgPool, url: &str, more: &[(&str, &str)]) -> TestApp {
    let variables = [
        ("KEEPER__MAIL__SMTP_URL", url),
        // Loopback needs no TLS, but STARTTLS is required all the same without this.
        ("KEEPER__MAIL__START_TLS", "false"),
        ("KEEPER__MAIL__FROM", "keeper@example.com"),
        ("KEEPER__MAIL__TIMEOUT_SECONDS", "1"),
        ("KEEPER__HTTP__PUBLIC_URL", "https://keeper.example"),
    ];
    let app = TestApp::spawn_with(pool, &[&variables, more].concat(), "").await;
    app.add_user(MAILED, &[]);
    app
}

/// Asserts that a mail is tried again after this server.
async fn assert_retried(pool: PgPool, address: SocketAddr) {
    let app = spawn(pool, &format!("smtp://{address}"), &[]).await;
    ask_for(&app, MAILED.0).await;
    wait_for_event(&app, "retried", 1).await;
}

#[sqlx::test]
async fn a_silent_server_times_out(pool: PgPool) {
    let address = raw_mail_server(|_stream| std::thread::sleep(Duration::from_secs(30)));
    assert_retried(pool, address).await;
}

#[sqlx::test]
async fn a_server_that_never_ends_its_reply_times_out(pool: PgPool) {
    let address = raw_mail_server(|mut stream: TcpStream| {
        while stream.write_all(b"220-more\r\n").is_ok() {
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    assert_retried(pool, address).await;
}

#[sqlx::test]
async fn a_reply_without_end_is_cut_off(pool: PgPool) {
    let sent = Arc::<Mutex<Option<usize>>>::default();
    let address = raw_mail_server({
        let sent = Arc::clone(&sent);
        move |mut stream: TcpStream| {
            let digits = vec![b'2'; 65_536];
            let mut bytes = 0;
            while bytes < 64 * 1024 * 1024 && stream.write_all(&digits).is_ok() {
                bytes += 65_536;
            }
            *sent.lock().unwrap() = Some(bytes);
        }
    });
    assert_retried(pool, address).await;
    let sent = wait_for("the server ends", async || *sent.lock().unwrap()).await;
    // What the buffers of two sockets hold, and not all that the server wants to send.
    assert!(sent < 32 * 1024 * 1024, "{sent}");
}

/// What a server has received.
#[derive(Default)]
struct Received {
    bytes: Vec<u8>,
    /// True when the client has closed its connection.
    is_ended: bool,
}

/// Starts a server without TLS that accepts every login and every mail, as long as a client sends
/// them. `offer` is its reply to EHLO, `start_tls` its reply to STARTTLS.
fn server_without_tls(
    offer: &'static str,
    start_tls: &'static str,
) -> (SocketAddr, Arc<Mutex<Received>>) {
    let received = Arc::<Mutex<Received>>::default();
    let address = raw_mail_server({
        let received = Arc::clone(&received);
        move |stream: TcpStream| accept_everything(stream, offer, start_tls, &received)
    });
    (address, received)
}

fn accept_everything(stream: TcpStream, offer: &str, start_tls: &str, received: &Mutex<Received>) {
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    let _ = writer.write_all(b"220 localhost\r\n");
    let mut is_content = false;
    loop {
        let mut line = Vec::new();
        let is_open = reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0);
        received.lock().unwrap().bytes.extend_from_slice(&line);
        if !is_open {
            break;
        }
        let line = String::from_utf8_lossy(&line);
        if is_content && line != ".\r\n" {
            continue;
        }
        is_content = line == "DATA\r\n";
        let reply = match line.split_whitespace().next() {
            Some("EHLO") => offer,
            Some("STARTTLS") => start_tls,
            Some("AUTH") => "235 accepted\r\n",
            Some("DATA") => "354 go on\r\n",
            _ => "250 OK\r\n",
        };
        let _ = writer.write_all(reply.as_bytes());
    }
    received.lock().unwrap().is_ended = true;
}

/// The URL of a server, with a login.
fn url_with_login(address: SocketAddr) -> String {
    format!("smtp://keeper:secret@{address}")
}

/// Asserts that the service sends exactly these commands to a server without TLS, and tries again
/// later.
async fn assert_gives_up(
    pool: PgPool,
    offer: &'static str,
    start_tls: &'static str,
    commands: &[&str],
) {
    let (address, received) = server_without_tls(offer, start_tls);
    let app = spawn(pool, &url_with_login(address), &[REQUIRE_TLS, PATIENT]).await;
    ask_for(&app, MAILED.0).await;
    wait_for_event(&app, "retried", 1).await;
    wait_until("the connection ends", async || received.lock().unwrap().is_ended).await;
    let text = String::from_utf8_lossy(&received.lock().unwrap().bytes).into_owned();
    let sent: Vec<_> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(sent, commands, "{text:?}");
}

/// The reply to EHLO of a server that offers a login, and no TLS.
const LOGIN_ONLY: &str = "250-localhost\r\n250 AUTH PLAIN\r\n";

/// The same with TLS.
const START_TLS: &str = "250-localhost\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n";

/// The server of the tests below refuses nothing: only the service can keep the password from it.
#[sqlx::test]
async fn without_tls_in_the_settings_a_server_gets_the_login_and_the_mail(pool: PgPool) {
    let (address, received) = server_without_tls(LOGIN_ONLY, "");
    let app = spawn(pool, &url_with_login(address), &[PATIENT]).await;
    ask_for(&app, MAILED.0).await;
    wait_for_event(&app, "sent", 1).await;
    let text = String::from_utf8_lossy(&received.lock().unwrap().bytes).into_owned();
    let login = format!("AUTH PLAIN {}\r\n", STANDARD.encode("\0keeper\0secret"));
    for part in [login.as_str(), "MAIL FROM:", "RCPT TO:", "DATA\r\n"] {
        assert!(text.contains(part), "{part}: {text:?}");
    }
}

#[sqlx::test]
async fn a_server_without_starttls_gets_no_mail(pool: PgPool) {
    assert_gives_up(pool, LOGIN_ONLY, "502 unknown\r\n", &["EHLO"]).await;
}

#[sqlx::test]
async fn a_server_that_refuses_starttls_gets_no_mail(pool: PgPool) {
    assert_gives_up(pool, START_TLS, "454 no TLS\r\n", &["EHLO", "STARTTLS"]).await;
}

/// Not even the first message of TLS, which would be another line.
#[sqlx::test]
async fn replies_that_are_inserted_before_tls_are_not_read(pool: PgPool) {
    let inserted = "220 go ahead\r\n250-localhost\r\n250 AUTH PLAIN\r\n";
    assert_gives_up(pool, START_TLS, inserted, &["EHLO", "STARTTLS"]).await;
}

#[sqlx::test]
async fn a_server_that_speaks_another_protocol_gets_no_mail(pool: PgPool) {
    let address = raw_mail_server(|mut stream: TcpStream| {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        let _ = stream.read(&mut [0; 1024]);
    });
    assert_retried(pool, address).await;
}

/// Asserts that a server that greets with this reply gets no connection for each mail that waits.
async fn assert_spared(pool: PgPool, greeting: &'static str, more: &[(&str, &str)]) {
    let connections = Arc::<Mutex<u32>>::default();
    let address = raw_mail_server({
        let connections = Arc::clone(&connections);
        move |mut stream: TcpStream| {
            *connections.lock().unwrap() += 1;
            let _ = stream.write_all(greeting.as_bytes());
            let _ = stream.read(&mut [0; 1024]);
        }
    });
    let app = spawn(pool, &format!("smtp://{address}"), more).await;
    let begun = Instant::now();
    for _ in 0..3 {
        ask_for(&app, MAILED.0).await;
    }
    wait_for_event(&app, "retried", 3).await;
    // The pauses after the first two connections.
    assert!(begun.elapsed() >= Duration::from_secs(3));
    assert_eq!(*connections.lock().unwrap(), 3);
}

#[sqlx::test]
async fn a_server_that_is_too_busy_gets_a_pause(pool: PgPool) {
    assert_spared(pool, "421 4.3.2 marker, too busy\r\n", &[]).await;
}

#[sqlx::test]
async fn a_server_that_refuses_the_service_gets_a_pause(pool: PgPool) {
    assert_spared(pool, "554 5.7.1 marker, no service\r\n", &[REQUIRE_TLS]).await;
}

/// Accepts mails, and replies to their content later than `mail.timeout_seconds`.
fn accept_slowly(stream: TcpStream) {
    let mut writer = stream.try_clone().unwrap();
    let _ = writer.write_all(b"220 localhost\r\n");
    let mut is_content = false;
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        if is_content && line != "." {
            continue;
        }
        if is_content {
            std::thread::sleep(Duration::from_secs(2));
        }
        is_content = line == "DATA";
        let reply = if is_content { "354 go on\r\n" } else { "250 OK\r\n" };
        let _ = writer.write_all(reply.as_bytes());
    }
}

#[sqlx::test]
async fn a_server_that_is_slow_to_accept_a_mail_gets_it_once(pool: PgPool) {
    let address = raw_mail_server(accept_slowly);
    let app = spawn(pool, &format!("smtp://{address}"), &[]).await;
    ask_for(&app, MAILED.0).await;
    wait_for_event(&app, "sent", 1).await;
    wait_for_event(&app, "retried", 0).await;
}
