//! Mail servers that are slow or lie.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use sqlx::PgPool;

use super::{MAILED, ask_for, wait_for_event};
use crate::support::{TestApp, converse, raw_mail_server, wait_for};

/// An application that sends mails to this server.
async fn spawn(pool: PgPool, address: SocketAddr, start_tls: bool) -> TestApp {
    // Loopback needs no TLS, but STARTTLS is required all the same unless the settings say otherwise.
    let url = format!("smtp://{address}");
    let variables = [
        ("KEEPER__MAIL__SMTP_URL", url.as_str()),
        ("KEEPER__MAIL__START_TLS", if start_tls { "true" } else { "false" }),
        ("KEEPER__MAIL__FROM", "keeper@example.com"),
        ("KEEPER__MAIL__TIMEOUT_SECONDS", "1"),
        ("KEEPER__HTTP__PUBLIC_URL", "https://keeper.example"),
    ];
    let app = TestApp::spawn_with(pool, &variables, "").await;
    app.add_user(MAILED, &[]);
    app
}

/// Asserts that a mail is tried again after this server.
async fn assert_retried(pool: PgPool, address: SocketAddr, start_tls: bool) {
    let app = spawn(pool, address, start_tls).await;
    ask_for(&app, MAILED.0).await;
    wait_for_event(&app, "retried", 1).await;
}

#[sqlx::test]
async fn a_silent_server_times_out(pool: PgPool) {
    let address = raw_mail_server(|_stream| std::thread::sleep(Duration::from_secs(30)));
    assert_retried(pool, address, false).await;
}

#[sqlx::test]
async fn a_server_that_never_ends_its_reply_times_out(pool: PgPool) {
    let address = raw_mail_server(|mut stream: TcpStream| {
        while stream.write_all(b"220-more\r\n").is_ok() {
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    assert_retried(pool, address, false).await;
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
    assert_retried(pool, address, false).await;
    let sent = wait_for("the server ends", async || *sent.lock().unwrap()).await;
    // What the buffers of two sockets hold, and not all that the server wants to send.
    assert!(sent < 32 * 1024 * 1024, "{sent}");
}

#[sqlx::test]
async fn a_server_without_starttls_gets_no_mail(pool: PgPool) {
    let address = raw_mail_server(|stream| converse(stream, &["250 localhost\r\n"]));
    assert_retried(pool, address, true).await;
}

#[sqlx::test]
async fn a_server_that_refuses_starttls_gets_no_mail(pool: PgPool) {
    let offer = "250-localhost\r\n250 STARTTLS\r\n";
    let address = raw_mail_server(move |stream| converse(stream, &[offer, "454 no TLS\r\n"]));
    assert_retried(pool, address, true).await;
}

#[sqlx::test]
async fn replies_that_are_inserted_before_tls_are_not_read(pool: PgPool) {
    let received = Arc::<Mutex<Vec<u8>>>::default();
    let address = raw_mail_server({
        let received = Arc::clone(&received);
        move |stream: TcpStream| {
            let mut reader = stream.try_clone().unwrap();
            let injected = "220 go ahead\r\n250-localhost\r\n250 AUTH PLAIN\r\n";
            converse(stream, &["250-localhost\r\n250 STARTTLS\r\n", injected]);
            let mut rest = Vec::new();
            let _ = reader.read_to_end(&mut rest);
            received.lock().unwrap().extend(rest);
        }
    });
    assert_retried(pool, address, true).await;
    assert!(received.lock().unwrap().is_empty(), "the client went on");
}

#[sqlx::test]
async fn a_server_that_speaks_another_protocol_gets_no_mail(pool: PgPool) {
    let address = raw_mail_server(|mut stream: TcpStream| {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        let _ = stream.read(&mut [0; 1024]);
    });
    assert_retried(pool, address, false).await;
}

/// Asserts that a server that greets with this reply gets no connection for each mail that waits.
async fn assert_spared(pool: PgPool, greeting: &'static str, start_tls: bool) {
    let connections = Arc::<Mutex<u32>>::default();
    let address = raw_mail_server({
        let connections = Arc::clone(&connections);
        move |mut stream: TcpStream| {
            *connections.lock().unwrap() += 1;
            let _ = stream.write_all(greeting.as_bytes());
            let _ = stream.read(&mut [0; 1024]);
        }
    });
    let app = spawn(pool, address, start_tls).await;
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
    assert_spared(pool, "421 4.3.2 marker, too busy\r\n", false).await;
}

#[sqlx::test]
async fn a_server_that_refuses_the_service_gets_a_pause(pool: PgPool) {
    assert_spared(pool, "554 5.7.1 marker, no service\r\n", true).await;
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
    let app = spawn(pool, raw_mail_server(accept_slowly), false).await;
    ask_for(&app, MAILED.0).await;
    wait_for_event(&app, "sent", 1).await;
    wait_for_event(&app, "retried", 0).await;
}
