//! The memory of one HTTP/2 connection is bounded, however many requests it holds.

use sqlx::PgPool;

use super::{
    TlsApp,
    frames::{
        CONTINUATION, DATA, END_HEADERS, END_STREAM, FrameClient, HEADERS, RST_STREAM, fields,
        frame, request,
    },
    http2_abuse::memory_kib,
};
use crate::support::PRINCIPAL;

const REFUSED_STREAM: u32 = 7;

/// The requests that a connection may have in progress.
const STREAMS: u32 = 100;

/// The connections of one attacker.
const CONNECTIONS: u64 = 20;

/// What one connection may take, in KiB: 256 KiB of requests, its buffers, and the futures of its
/// requests. Without optimization they are large: it takes about 640 KiB. Without a bound, the 100
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
