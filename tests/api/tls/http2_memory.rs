//! The memory of one HTTP/2 connection is bounded, however many requests it holds.

use sqlx::PgPool;

use super::{
    TlsApp,
    frames::{
        CONTINUATION, DATA, END_HEADERS, END_STREAM, FrameClient, HEADERS, RST_STREAM, SETTINGS,
        WINDOW_UPDATE, fields, frame, request,
    },
    http2_abuse::memory_kib,
};
use crate::support::PRINCIPAL;

const REFUSED_STREAM: u32 = 7;

/// The requests that a connection may have in progress.
const STREAMS: u32 = 100;

/// The connections of one attacker.
const CONNECTIONS: u64 = 20;

/// What one connection may take, in KiB: 256 KiB of requests or responses, its buffers, and the
/// futures of its requests. Without optimization they are large: it takes about 640 KiB. Without a bound, the 100
/// requests take 6 MiB.
const CONNECTION_KIB: u64 = 1024;

/// A request whose body does not arrive.
fn open_request(stream: u32, more: &[u8]) -> Vec<u8> {
    let body = fields(&[("content-type", "application/json"), ("content-length", "2")]);
    let head = [request("POST", "/login"), body].concat();
    let mut frames = frame(HEADERS, 0, stream, &head);
    for piece in more.chunks(16_000) {
        frames.extend(frame(CONTINUATION, 0, stream, piece));
    }
    frames.extend(frame(CONTINUATION, END_HEADERS, stream, &[]));
    frames
}

/// Waits for refused streams.
async fn refused(client: &mut FrameClient, expected: usize) -> Vec<u32> {
    let mut streams = Vec::new();
    while streams.len() < expected {
        let frame = client.receive().await.unwrap();
        if frame.kind == RST_STREAM {
            assert_eq!(frame.error(), REFUSED_STREAM, "{frame:?}");
            streams.push(frame.stream);
        }
    }
    streams
}

#[sqlx::test]
async fn large_requests_that_wait_are_bounded_and_others_are_served(pool: PgPool) {
    let patient = [("KEEPER__HTTP__READ_TIMEOUT_SECONDS", "60")];
    let app = TlsApp::spawn_with(pool, &patient).await;
    app.app.get(PRINCIPAL, &app.app.plain()).await.assert_status(200);
    let large = fields(&[("x-large", "y".repeat(120).as_str())]).repeat(200);
    let flood: Vec<u8> =
        (0..STREAMS).flat_map(|number| open_request(2 * number + 1, &large)).collect();
    let before = memory_kib();
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut client = FrameClient::connect(&app, &[]).await;
        assert!(client.send(&flood).await);
        // 200 headers of 159 bytes fill the room of the connection eight times.
        let refused = refused(&mut client, 92).await;
        assert!(refused.iter().all(|stream| *stream > 16), "{refused:?}");
        clients.push(client);
    }
    let grown = memory_kib().saturating_sub(before);
    println!("{CONNECTIONS} connections took {grown} KiB");
    assert!(grown < CONNECTIONS * CONNECTION_KIB, "the connections took {grown} KiB");
    app.app.get(PRINCIPAL, &app.app.plain()).await.assert_status(200);
    // The requests that were accepted are served.
    let client = clients.last_mut().unwrap();
    client.send(&frame(DATA, END_STREAM, 1, b"{}")).await;
    while client.receive().await.is_some_and(|frame| (frame.kind, frame.stream) != (HEADERS, 1)) {}
    // Then there is room again.
    let get = frame(HEADERS, END_HEADERS | END_STREAM, 999, &request("GET", "/docs"));
    client.send(&get).await;
    loop {
        let frame = client.receive().await.unwrap();
        assert_ne!((frame.kind, frame.stream), (RST_STREAM, 999));
        if (frame.kind, frame.stream) == (HEADERS, 999) {
            break;
        }
    }
}

#[sqlx::test]
async fn bodies_of_unknown_length_have_room_for_the_largest_one(pool: PgPool) {
    let app = TlsApp::spawn(pool).await;
    let mut client = FrameClient::connect(&app, &[]).await;
    let open =
        [request("POST", "/login"), fields(&[("content-type", "application/json")])].concat();
    for number in 0..10 {
        client.send(&frame(HEADERS, END_HEADERS, 2 * number + 1, &open)).await;
    }
    assert_eq!(refused(&mut client, 7).await, (3..10).map(|n| 2 * n + 1).collect::<Vec<_>>());
    assert_eq!(app.app.metric("keeper_http_streams_refused_total").await.to_string(), "7");
}

#[sqlx::test]
async fn a_hundred_small_requests_in_progress_are_served(pool: PgPool) {
    let app = TlsApp::spawn(pool).await;
    let mut client = FrameClient::connect(&app, &[]).await;
    let requests: Vec<u8> =
        (0..STREAMS).flat_map(|number| open_request(2 * number + 1, &[])).collect();
    client.send(&requests).await;
    let bodies: Vec<u8> =
        (0..STREAMS).flat_map(|number| frame(DATA, END_STREAM, 2 * number + 1, b"{}")).collect();
    client.send(&bodies).await;
    let mut answered = 0;
    while answered < STREAMS {
        let frame = client.receive().await.unwrap();
        assert_ne!(frame.kind, RST_STREAM, "{frame:?}");
        answered += u32::from(frame.kind == HEADERS);
    }
}

/// A page that is rendered for each request: 14 KB.
const WSDL: &str = "/Remote/Services88/SoPrincipal.svc?wsdl";

/// The requests for the description of the API whose response has begun.
const HANDLED: &str =
    r#"keeper_http_requests_total{route="/openapi.json",method="GET",status="200"}"#;

/// The settings of a client whose streams begin with this window.
fn window(size: u32) -> Vec<u8> {
    [&[0, 4][..], &size.to_be_bytes()].concat()
}

fn get(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &request("GET", path))
}

/// Reads until this many responses have begun.
async fn begun(client: &mut FrameClient, expected: usize) {
    let mut begun = 0;
    while begun < expected {
        let frame = client.receive().await.unwrap();
        assert_ne!(frame.kind, RST_STREAM, "{frame:?}");
        begun += usize::from(frame.kind == HEADERS);
    }
}

/// Reads until this many responses are complete.
async fn complete(client: &mut FrameClient, expected: u32) {
    let mut complete = 0;
    while complete < expected {
        let frame = client.receive().await.unwrap();
        assert_ne!(frame.kind, RST_STREAM, "{frame:?}");
        complete += u32::from(frame.kind == DATA && frame.flags & END_STREAM != 0);
    }
}

#[sqlx::test]
async fn responses_without_a_window_are_bounded_and_come_when_it_opens(pool: PgPool) {
    let patient = [("KEEPER__HTTP__WRITE_TIMEOUT_SECONDS", "60")];
    let app = TlsApp::spawn_with(pool, &patient).await;
    app.app.get(PRINCIPAL, &app.app.plain()).await.assert_status(200);
    let requests: Vec<u8> = (0..STREAMS).flat_map(|number| get(2 * number + 1, WSDL)).collect();
    let before = memory_kib();
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut client = FrameClient::connect(&app, &window(0)).await;
        assert!(client.send(&requests).await);
        begun(&mut client, 15).await;
        clients.push(client);
    }
    app.app.get(PRINCIPAL, &app.app.plain()).await.assert_status(200);
    let grown = memory_kib().saturating_sub(before);
    println!("{CONNECTIONS} connections took {grown} KiB");
    assert!(grown < CONNECTIONS * CONNECTION_KIB, "the connections took {grown} KiB");
    // When the client reads, all of them come.
    let client = clients.last_mut().unwrap();
    client.send(&frame(WINDOW_UPDATE, 0, 0, &(1_u32 << 30).to_be_bytes())).await;
    client.send(&frame(SETTINGS, 0, 0, &window(1 << 20))).await;
    complete(client, STREAMS).await;
}

#[sqlx::test]
async fn requests_wait_while_the_client_reads_nothing(pool: PgPool) {
    let app = TlsApp::spawn(pool).await;
    let mut client = FrameClient::connect(&app, &window(i32::MAX.unsigned_abs())).await;
    client.send(&frame(WINDOW_UPDATE, 0, 0, &(1_u32 << 30).to_be_bytes())).await;
    // More than the buffers of the sockets take.
    let requests: Vec<u8> =
        (0..STREAMS).flat_map(|number| get(2 * number + 1, "/openapi.json")).collect();
    client.send(&requests).await;
    begun(&mut client, 1).await;
    app.app.get(PRINCIPAL, &app.app.plain()).await.assert_status(200);
    let handled = app.app.metric(HANDLED).await;
    assert!(handled < f64::from(STREAMS / 2), "{handled} requests were handled");
    complete(&mut client, STREAMS).await;
}
