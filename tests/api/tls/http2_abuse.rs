//! Abuse of HTTP/2: frames that cost the server more than the client, and clients that are slow on
//! purpose. The connection ends, other clients are served, and memory stays bounded.

use std::time::{Duration, Instant};

use sqlx::PgPool;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    TlsApp,
    frames::{
        CONTINUATION, DATA, END_HEADERS, END_STREAM, FrameClient, GOAWAY, HEADERS, PING, PRIORITY,
        RST_STREAM, SETTINGS, WINDOW_UPDATE, fields, frame, request,
    },
};
use crate::support::PRINCIPAL;

const PROTOCOL_ERROR: u32 = 1;
const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;
const COMPRESSION_ERROR: u32 = 9;
const ENHANCE_YOUR_CALM: u32 = 11;

/// The flag of SETTINGS that acknowledges those of the server.
const ACK: u8 = 1;

/// Timeouts of one second each, so that tests that wait for them are short.
const SHORT_TIMEOUTS: [(&str, &str); 3] = [
    ("KEEPER__HTTP__READ_TIMEOUT_SECONDS", "1"),
    ("KEEPER__HTTP__IDLE_TIMEOUT_SECONDS", "1"),
    ("KEEPER__HTTP__WRITE_TIMEOUT_SECONDS", "1"),
];

/// The number of frames of a flood.
const FLOOD: u32 = 20_000;

/// The memory of this process, which contains the server, may grow by this much in all floods.
const MEMORY_KIB: u64 = 64 * 1024;

/// A complete request without a body.
fn get(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &request("GET", path))
}

/// What is sent first, and what is then repeated; its argument is the number of the repetition.
type Flood = (&'static str, Vec<u8>, fn(u32) -> Vec<u8>);

fn floods() -> Vec<Flood> {
    let open = frame(HEADERS, END_HEADERS, 1, &request("POST", "/login"));
    let open_headers = frame(HEADERS, 0, 1, &request("GET", "/docs"));
    vec![
        ("rapid reset (CVE-2023-44487)", vec![], |number| {
            let stream = 2 * number + 1;
            // Larger than a window, so that it is not sent before the reset.
            [get(stream, "/openapi.json"), frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())]
                .concat()
        }),
        ("MadeYouReset by a window of 0 (CVE-2025-8671)", vec![], |number| {
            let stream = 2 * number + 1;
            let head = frame(HEADERS, END_HEADERS, stream, &request("POST", "/login"));
            [head, frame(WINDOW_UPDATE, 0, stream, &[0; 4])].concat()
        }),
        ("MadeYouReset by a window overflow (CVE-2025-8671)", vec![], |number| {
            let stream = 2 * number + 1;
            let head = frame(HEADERS, END_HEADERS, stream, &request("POST", "/login"));
            let update = frame(WINDOW_UPDATE, 0, stream, &0x7fff_ffff_u32.to_be_bytes());
            [head, update].concat()
        }),
        ("malformed requests", vec![], |number| {
            frame(HEADERS, END_HEADERS | END_STREAM, 2 * number + 1, &fields(&[("Upper", "case")]))
        }),
        ("CONTINUATION (CVE-2024-27316)", open_headers.clone(), |number| {
            frame(CONTINUATION, 0, 1, &fields(&[("x", &number.to_string())]))
        }),
        ("empty CONTINUATION", open_headers, |_| frame(CONTINUATION, 0, 1, &[])),
        ("SETTINGS (CVE-2019-9515)", vec![], |_| frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0])),
        ("empty SETTINGS", vec![], |_| frame(SETTINGS, 0, 0, &[])),
        ("PING (CVE-2019-9512)", vec![], |_| frame(PING, 0, 0, &[7; 8])),
        ("empty DATA (CVE-2019-9518)", open.clone(), |_| frame(DATA, 0, 1, &[])),
        ("DATA of one byte", open, |_| frame(DATA, 0, 1, b" ")),
        ("WINDOW_UPDATE", vec![], |_| frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes())),
        ("PRIORITY (CVE-2019-9513)", vec![], |number| {
            frame(PRIORITY, 0, 2 * number + 1, &[0, 0, 0, 0, 16])
        }),
        ("unknown frames", vec![], |_| frame(0x77, 0, 0, b"unknown")),
    ]
}

/// The resident memory of this process, which contains the server, in KiB.
pub(super) fn memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[sqlx::test]
async fn a_flood_of_frames_ends_the_connection_and_others_are_served(pool: PgPool) {
    let app = TlsApp::spawn(pool).await;
    app.app.get(PRINCIPAL, &app.app.plain()).await.assert_status(200);
    let before = memory_kib();
    for (name, first, repeated) in floods() {
        let mut client = FrameClient::connect(&app, &[]).await;
        client.send(&first).await;
        for start in (0..FLOOD).step_by(100) {
            let batch: Vec<u8> = (start..start + 100).flat_map(repeated).collect();
            if !client.send(&batch).await {
                break;
            }
        }
        app.app.get(PRINCIPAL, &app.app.plain()).await.assert_status(200);
        let received = client.receive_all().await;
        let errors = received.iter().filter(|frame| frame.kind == GOAWAY);
        let errors: Vec<_> = errors.map(super::frames::Received::error).collect();
        let [error] = errors[..] else { panic!("{name}: {errors:?}") };
        assert!([PROTOCOL_ERROR, ENHANCE_YOUR_CALM].contains(&error), "{name}: {error}");
    }
    let grown = memory_kib().saturating_sub(before);
    assert!(grown < MEMORY_KIB, "the floods took {grown} KiB");
    let floods = app.app.metric("keeper_http_frame_floods_total").await;
    let invalid = app.app.metric("keeper_http_invalid_requests_total").await;
    assert!(floods >= 10.0 && floods + invalid >= 14.0, "{floods} floods, {invalid} invalid");
}

#[sqlx::test]
async fn a_flood_is_answered_with_enhance_your_calm(pool: PgPool) {
    let app = TlsApp::spawn(pool).await;
    let mut client = FrameClient::connect(&app, &[]).await;
    let flood: Vec<u8> = (0..1100).flat_map(|_| frame(PING, 0, 0, &[7; 8])).collect();
    client.send(&flood).await;
    let received = client.receive_all().await;
    let last = received.last().unwrap();
    assert_eq!((last.kind, last.error()), (GOAWAY, ENHANCE_YOUR_CALM), "{last:?}");
}

/// A connection that is used is not closed for the frames that its requests need.
#[sqlx::test]
async fn frames_of_real_requests_are_no_flood(pool: PgPool) {
    let app = TlsApp::spawn(pool).await;
    let mut client = FrameClient::connect(&app, &[]).await;
    for number in 0..1000 {
        let stream = 2 * number + 1;
        client.send(&get(stream, "/assets/keeper.css")).await;
        client.send(&frame(PING, 0, 0, &[7; 8])).await;
        // The style sheet has at most 20 KB.
        client.send(&frame(WINDOW_UPDATE, 0, 0, &20_000_u32.to_be_bytes())).await;
        let mut is_answered = false;
        while !is_answered {
            let frame = client.receive().await.unwrap();
            assert_ne!(frame.kind, GOAWAY, "after {number} requests: {frame:?}");
            is_answered = frame.stream == stream && frame.kind == DATA;
        }
    }
}

#[sqlx::test]
async fn too_many_streams_are_refused_and_the_first_hundred_are_served(pool: PgPool) {
    let app = TlsApp::spawn(pool).await;
    let mut client = FrameClient::connect(&app, &[]).await;
    for number in 0..110 {
        let open = request("POST", "/login");
        let body = fields(&[("content-type", "application/json"), ("content-length", "2")]);
        let head = [open, body].concat();
        client.send(&frame(HEADERS, END_HEADERS, 2 * number + 1, &head)).await;
    }
    let mut refused = 0;
    while refused < 10 {
        let frame = client.receive().await.unwrap();
        if frame.kind == RST_STREAM {
            assert_eq!(frame.error(), REFUSED_STREAM, "{frame:?}");
            assert!(frame.stream > 200, "{frame:?}");
            refused += 1;
        }
    }
    client.send(&frame(DATA, END_STREAM, 1, b"{}")).await;
    loop {
        let frame = client.receive().await.unwrap();
        if frame.kind == HEADERS && frame.stream == 1 {
            break;
        }
    }
}

#[sqlx::test]
async fn a_response_whose_window_stays_closed_is_reset(pool: PgPool) {
    let app = TlsApp::spawn_with(pool, &SHORT_TIMEOUTS).await;
    // SETTINGS_INITIAL_WINDOW_SIZE is 0.
    let mut client = FrameClient::connect(&app, &[0, 4, 0, 0, 0, 0]).await;
    client.send(&get(1, "/openapi.json")).await;
    let started = Instant::now();
    let reset = loop {
        let frame = client.receive().await.unwrap();
        if frame.kind == RST_STREAM {
            break frame;
        }
        // Single bytes do not extend the deadline.
        tokio::time::sleep(Duration::from_millis(50)).await;
        client.send(&super::frames::frame(WINDOW_UPDATE, 0, 1, &1_u32.to_be_bytes())).await;
    };
    assert_eq!((reset.stream, reset.error()), (1, CANCEL));
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert!(app.app.metric("keeper_http_response_timeouts_total").await >= 1.0);
}

#[sqlx::test]
async fn headers_that_are_too_large_or_grow_when_decoded_are_refused(pool: PgPool) {
    let app = TlsApp::spawn(pool).await;
    let before = memory_kib();
    // 3 MB of headers, in frames.
    let mut client = FrameClient::connect(&app, &[]).await;
    client.send(&frame(HEADERS, END_STREAM, 1, &request("GET", "/docs"))).await;
    let value = "x".repeat(120);
    let block: Vec<u8> = (0..100).flat_map(|_| fields(&[("x-large", &value)])).collect();
    for _ in 0..250 {
        if !client.send(&frame(CONTINUATION, 0, 1, &block)).await {
            break;
        }
    }
    let received = client.receive_all().await;
    assert!(received.iter().all(|frame| frame.kind != DATA), "{received:?}");
    // One byte for each repetition of an entry of the dynamic table. The server announces that it has
    // none; the entry exists only as long as the client has not acknowledged that.
    let mut client = FrameClient::connect(&app, &[]).await;
    let entry = [&[0x40, 1, b'a', 126][..], "b".repeat(126).as_bytes()].concat();
    let bomb = [request("GET", "/docs"), entry, vec![0xbe; 15_000]].concat();
    client.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &bomb)).await;
    let received = client.receive_all().await;
    assert!(received.iter().all(|frame| frame.kind != DATA), "{received:?}");
    let mut client = FrameClient::connect(&app, &[]).await;
    client.send(&frame(SETTINGS, ACK, 0, &[])).await;
    let update = [&[0x20][..], &bomb].concat();
    client.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &update)).await;
    let received = client.receive_all().await;
    let last = received.last().unwrap();
    assert_eq!(last.kind, GOAWAY, "{last:?}");
    assert!([PROTOCOL_ERROR, COMPRESSION_ERROR].contains(&last.error()), "{last:?}");
    let grown = memory_kib().saturating_sub(before);
    assert!(grown < MEMORY_KIB, "the headers took {grown} KiB");
    app.app.get(PRINCIPAL, &app.app.plain()).await.assert_status(200);
}

/// The connection ends at the deadline of the phase, however often a byte arrives.
#[sqlx::test]
async fn every_slow_phase_ends_at_its_deadline(pool: PgPool) {
    let app = TlsApp::spawn_with(pool, &SHORT_TIMEOUTS).await;
    let whole = get(1, "/assets/keeper.css");
    let open = frame(HEADERS, END_HEADERS, 1, &request("POST", "/keeper/tickets"));
    let mut large = frame(DATA, 0, 1, &[b' '; 16_000]);
    large.truncate(9);
    for (name, first, then) in [
        ("silent", vec![], vec![]),
        ("silent after a request", whole.clone(), vec![]),
        ("slow frame header", vec![0], vec![0]),
        ("slow headers", whole[..12].to_vec(), vec![]),
        (
            "slow continuations",
            frame(HEADERS, 0, 1, &request("GET", "/docs")),
            frame(CONTINUATION, 0, 1, &[]),
        ),
        ("slow data that nobody reads", [open, large].concat(), vec![b' ']),
        ("pings without a request", whole, frame(PING, 0, 0, &[7; 8])),
    ] {
        let started = Instant::now();
        let mut client = FrameClient::connect(&app, &[]).await;
        client.send(&first).await;
        let mut is_open = true;
        while is_open {
            tokio::time::sleep(Duration::from_millis(100)).await;
            is_open =
                if then.is_empty() { client.is_open().await } else { client.send(&then).await };
            assert!(started.elapsed() < Duration::from_secs(15), "{name}: {:?}", started.elapsed());
        }
    }
}

/// The deadline of a frame ends with it, also when the next one follows at once.
#[sqlx::test]
async fn requests_whose_frames_are_divided_continue(pool: PgPool) {
    let app = TlsApp::spawn_with(pool, &SHORT_TIMEOUTS).await;
    let mut client = FrameClient::connect(&app, &[]).await;
    let started = Instant::now();
    let mut stream = 1;
    let mut next = get(stream, "/nowhere");
    client.send(&next[..5]).await;
    while started.elapsed() < Duration::from_secs(5) {
        let rest = next.split_off(5);
        next = get(stream + 2, "/nowhere");
        assert!(client.send(&[&rest, &next[..5]].concat()).await, "{:?}", started.elapsed());
        loop {
            let frame = client.receive().await.expect("the connection was closed");
            if (frame.kind, frame.stream) == (HEADERS, stream) {
                break;
            }
        }
        stream += 2;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[sqlx::test]
async fn a_slow_body_answers_408(pool: PgPool) {
    let app = TlsApp::spawn_with(pool, &SHORT_TIMEOUTS).await;
    let mut client = app.http2().await;
    let request = http::Request::post(format!("{}/login", app.app.url))
        .header("content-type", "application/json")
        .body(())
        .unwrap();
    let (answer, mut body) = client.send_request(request, false).unwrap();
    let dripping = tokio::spawn(async move {
        while body.send_data(actix_web::web::Bytes::from_static(b" "), false).is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    assert_eq!(answer.await.unwrap().status().as_u16(), 408);
    dripping.abort();
}

/// What this side refuses is counted, also before the first request.
#[sqlx::test]
async fn invalid_connections_and_requests_are_counted(pool: PgPool) {
    let app = TlsApp::spawn(pool).await;
    let mut stream = app.connect(&[b"h2"]).await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let _ = stream.read_to_end(&mut Vec::new()).await;
    assert_eq!(app.app.metric("keeper_http_invalid_requests_total").await.to_string(), "1");
    let mut client = FrameClient::connect(&app, &[]).await;
    let two_hosts = [request("GET", "/docs"), fields(&[("host", "other.example")])].concat();
    client.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &two_hosts)).await;
    while client.receive().await.unwrap().kind != RST_STREAM {}
    assert_eq!(app.app.metric("keeper_http_invalid_requests_total").await.to_string(), "2");
}

/// What a client receives first for a request: the code of an error, or the first bytes of the
/// headers of a response.
async fn outcome_of(app: &TlsApp, headers: &[u8], body: Option<&str>) -> String {
    let mut client = FrameClient::connect(app, &[]).await;
    let end = if body.is_none() { END_STREAM } else { 0 };
    client.send(&frame(HEADERS, END_HEADERS | end, 1, headers)).await;
    if let Some(body) = body {
        client.send(&frame(DATA, END_STREAM, 1, body.as_bytes())).await;
    }
    loop {
        let frame = client.receive().await.unwrap();
        match frame.kind {
            RST_STREAM | GOAWAY => return format!("error {}", frame.error()),
            HEADERS => {
                return format!("headers {:x?}", &frame.payload[..8.min(frame.payload.len())]);
            }
            _ => {}
        }
    }
}

/// The beginning of the headers of a response with the status 400 (RFC 7541, appendix A).
const BAD_REQUEST: &str = "headers [8c";
/// The same for 404.
const NOT_FOUND: &str = "headers [8d";

/// Messages that RFC 9113 (sections 8.1.1 to 8.3) calls malformed. A proxy that translates them
/// into HTTP/1.1 would make other requests of them. None reaches the router, which would answer 404.
#[sqlx::test]
async fn malformed_messages_are_refused(pool: PgPool) {
    let app = TlsApp::spawn(pool).await;
    let get = request("GET", "/assets/keeper.css");
    let with = |lines: &[(&str, &str)]| [get.clone(), fields(lines)].concat();
    // A response that needs no body may be sent before the body is found to be malformed.
    let post = |lines: &[(&str, &str)]| {
        let body = fields(&[("content-type", "application/json")]);
        [request("POST", "/login"), body, fields(lines)].concat()
    };
    let refused = format!("error {PROTOCOL_ERROR}");
    for (name, headers, body) in [
        ("Connection", with(&[("connection", "close")]), None),
        ("Transfer-Encoding", with(&[("transfer-encoding", "chunked")]), None),
        ("Upgrade", with(&[("upgrade", "websocket")]), None),
        ("a name in capitals", with(&[("X-Upper", "y")]), None),
        ("CR LF in a value", with(&[("x", "a\r\ny: b")]), None),
        ("NUL in a value", with(&[("x", "a\0b")]), None),
        ("a colon in a name", with(&[("x: y", "a")]), None),
        ("CR LF in the path", request("GET", "/\r\nx: y"), None),
        ("a space in the path", request("GET", "/ HTTP/1.1"), None),
        ("two lengths", with(&[("content-length", "1"), ("content-length", "2")]), Some("a")),
        ("a length that is too large", post(&[("content-length", "5")]), Some("a")),
        ("a length that is too small", post(&[("content-length", "1")]), Some("abc")),
        ("another Host", with(&[("host", "evil.example")]), None),
        ("no path", fields(&[(":method", "GET"), (":scheme", "https")]), None),
        ("a path after a header", [fields(&[("x", "y")]), get.clone()].concat(), None),
    ] {
        let outcome = outcome_of(&app, &headers, body).await;
        // The body of a request that has begun may also be refused by its handler.
        let is_bad_request = body.is_some() && outcome.starts_with(BAD_REQUEST);
        assert!(outcome == refused || is_bad_request, "{name}: {outcome}");
    }
    // This one is well-formed: it has no path, so it has no route.
    let connect = fields(&[(":method", "CONNECT"), (":authority", "localhost:80")]);
    let outcome = outcome_of(&app, &connect, None).await;
    let has_no_route = outcome.starts_with(BAD_REQUEST) || outcome.starts_with(NOT_FOUND);
    assert!(outcome == refused || has_no_route, "CONNECT: {outcome}");
}
