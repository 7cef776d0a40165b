//! The table of raw requests: what is sent, what is answered, and whether the connection is closed.
//!
//! `Dangerous` marks a request that a proxy in front may read as another number of requests, or
//! route to another host, than this service. Each of them must be refused, or be read by the rule of
//! RFC 9112 that leaves no choice.

/// One request.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) proxy: Proxy,
    pub(super) request: Vec<u8>,
    pub(super) statuses: Vec<u16>,
    pub(super) connection: Connection,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proxy {
    Dangerous,
    Harmless,
}

/// The connection after the responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Connection {
    Closed,
    Open,
}

use Connection::{Closed, Open};
use Proxy::{Dangerous, Harmless};

/// A request that must not be answered when it is hidden in another.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A GET request that is answered with 200.
fn get(headers: &str) -> String {
    format!("GET /assets/keeper.css HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n")
}

/// A request line and a `Host`.
fn line(line: &str) -> String {
    format!("{line}\r\nHost: localhost\r\n\r\n")
}

/// A POST request whose body is read; answered with 204.
fn post(headers: &str, body: &str) -> String {
    format!(
        "POST /logout HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{headers}\
         \r\n\r\n{body}"
    )
}

/// A chunked POST request.
fn chunked(body: &str) -> String {
    post("Transfer-Encoding: chunked", body)
}

/// A complete chunked body.
const CHUNKS: &str = "2\r\n{}\r\n0\r\n\r\n";

/// Every row.
pub(super) fn rows() -> Vec<Row> {
    [two_lengths(), lengths(), chunks(), lines(), request_lines(), hosts(), sizes(), sequences()]
        .concat()
        .into_iter()
        .map(|(name, proxy, request, statuses, connection)| Row {
            name,
            proxy,
            request: request.into_bytes(),
            statuses: statuses.to_vec(),
            connection,
        })
        .chain(bytes())
        .collect()
}

type TextRow = (&'static str, Proxy, String, &'static [u16], Connection);

/// `Transfer-Encoding`, alone and beside `Content-Length` (RFC 9112, section 6.3).
#[rustfmt::skip]
fn two_lengths() -> Vec<TextRow> {
    let te = |header: &str| post(header, CHUNKS);
    let te_cl = |header: &str| post(&format!("{header}\r\nContent-Length: 2"), "{}");
    let hidden = format!("2\r\n{{}}\r\n0\r\n\r\n{HIDDEN}");
    vec![
        ("CL.TE", Dangerous, post("Content-Length: 4\r\nTransfer-Encoding: chunked", &hidden), &[400], Closed),
        ("TE.CL", Dangerous, post("Transfer-Encoding: chunked\r\nContent-Length: 4", &hidden), &[400], Closed),
        ("TE with CL 0", Dangerous, post("Content-Length: 0\r\nTransfer-Encoding: chunked", &hidden), &[400], Closed),
        ("TE twice", Dangerous, te("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), &[400], Closed),
        ("TE.TE identity", Dangerous, te("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"), &[400], Closed),
        ("TE.TE x", Dangerous, te("Transfer-Encoding: x\r\nTransfer-Encoding: chunked"), &[400], Closed),
        ("TE list", Dangerous, te("Transfer-Encoding: chunked, identity"), &[400], Closed),
        ("TE list, chunked last", Dangerous, te("Transfer-Encoding: gzip, chunked"), &[400], Closed),
        ("TE chunked twice in a list", Dangerous, te("Transfer-Encoding: chunked, chunked"), &[400], Closed),
        ("TE unknown", Dangerous, te_cl("Transfer-Encoding: xchunked"), &[400], Closed),
        ("TE identity", Dangerous, te_cl("Transfer-Encoding: identity"), &[400], Closed),
        ("TE empty", Dangerous, te_cl("Transfer-Encoding:"), &[400], Closed),
        ("TE in quotes", Dangerous, te_cl("Transfer-Encoding: \"chunked\""), &[400], Closed),
        ("TE with a parameter", Dangerous, te("Transfer-Encoding: chunked;q=1"), &[400], Closed),
        ("TE with space before the colon", Dangerous, te_cl("Transfer-Encoding : chunked"), &[400], Closed),
        ("TE after a leading space", Dangerous, te_cl("X: y\r\n Transfer-Encoding: chunked"), &[400], Closed),
        ("TE with a vertical tab", Dangerous, te_cl("Transfer-Encoding: \x0bchunked"), &[400], Closed),
        ("TE with a form feed", Dangerous, te_cl("Transfer-Encoding: chunked\x0c"), &[400], Closed),
        ("TE on two lines", Dangerous, te_cl("Transfer-Encoding:\r\n chunked"), &[400], Closed),
        ("TE after a bare LF", Dangerous, te_cl("X: y\nTransfer-Encoding: chunked"), &[400], Closed),
        ("TE after a bare CR", Dangerous, te_cl("X: y\rTransfer-Encoding: chunked"), &[400], Closed),
        ("TE with an underscore", Dangerous, te_cl("Transfer_Encoding: chunked"), &[204], Open),
        ("TE with a tab", Harmless, te("Transfer-Encoding:\tchunked\t"), &[204], Open),
        ("TE in capitals", Harmless, te("TRANSFER-ENCODING: CHUNKED"), &[204], Open),
        ("TE in HTTP/1.0", Dangerous, te("Transfer-Encoding: chunked").replace("HTTP/1.1", "HTTP/1.0"), &[400], Closed),
        ("TE of a GET", Harmless, format!("{}{CHUNKS}", get("Transfer-Encoding: chunked\r\n")), &[200], Open),
    ]
}

/// `Content-Length`.
#[rustfmt::skip]
fn lengths() -> Vec<TextRow> {
    let cl = |value: &str| post(&format!("Content-Length: {value}"), "{}");
    let body = |length: usize| format!("{}{HIDDEN}", get(&format!("Content-Length: {length}\r\n")));
    vec![
        ("CL twice, equal", Dangerous, cl("2\r\nContent-Length: 2"), &[400], Closed),
        ("CL twice, different", Dangerous, cl("2\r\nContent-Length: 44"), &[400], Closed),
        ("CL list", Dangerous, cl("2, 2"), &[400], Closed),
        ("CL negative", Dangerous, cl("-2"), &[400], Closed),
        ("CL with plus", Dangerous, cl("+2"), &[400], Closed),
        ("CL hexadecimal", Dangerous, cl("0x2"), &[400], Closed),
        ("CL with a fraction", Dangerous, cl("2.0"), &[400], Closed),
        ("CL with an exponent", Dangerous, cl("2e0"), &[400], Closed),
        ("CL of 2^64 + 2", Dangerous, cl("18446744073709551618"), &[400], Closed),
        ("CL of 20 digits", Dangerous, cl("00000000000000000002"), &[400], Closed),
        ("CL empty", Dangerous, cl(""), &[400], Closed),
        ("CL of two numbers", Dangerous, cl("2 2"), &[400], Closed),
        ("CL with an underscore", Dangerous, cl("0_2"), &[400], Closed),
        ("CL of other digits", Dangerous, cl("２"), &[400], Closed),
        ("CL on two lines", Dangerous, cl("\r\n 2"), &[400], Closed),
        ("CL with leading zeros", Harmless, cl("0002"), &[204], Open),
        ("CL with tabs", Harmless, cl("\t2\t"), &[204], Open),
        ("CL of 2^63 - 1", Harmless, cl("9223372036854775807"), &[413], Closed),
        ("garbage after a body", Dangerous, post("Content-Length: 2", "{}\x01"), &[204, 400], Closed),
        ("CL of a GET hides a request", Dangerous, body(HIDDEN.len()), &[200], Closed),
        ("CL 0 of a GET hides nothing", Harmless, body(0), &[200, 404], Open),
        ("no CL in HTTP/1.0", Dangerous, "POST /logout HTTP/1.0\r\n\r\n".to_owned(), &[400], Closed),
    ]
}

/// Chunked bodies (RFC 9112, section 7.1).
#[rustfmt::skip]
fn chunks() -> Vec<TextRow> {
    let long = "x".repeat(5000);
    vec![
        ("chunk size overflow", Dangerous, chunked("10000000000000002\r\n{}\r\n0\r\n\r\n"), &[400], Closed),
        ("chunk size of 17 digits", Dangerous, chunked("00000000000000002\r\n{}\r\n0\r\n\r\n"), &[400], Closed),
        ("chunk size negative", Dangerous, chunked("-2\r\n{}\r\n0\r\n\r\n"), &[400], Closed),
        ("chunk size with plus", Dangerous, chunked("+2\r\n{}\r\n0\r\n\r\n"), &[400], Closed),
        ("chunk size with 0x", Dangerous, chunked("0x2\r\n{}\r\n0\r\n\r\n"), &[400], Closed),
        ("chunk size empty", Dangerous, chunked("\r\n{}\r\n0\r\n\r\n"), &[400], Closed),
        ("space before the chunk size", Dangerous, chunked(" 2\r\n{}\r\n0\r\n\r\n"), &[400], Closed),
        ("space after the chunk size", Dangerous, chunked("2 \r\n{}\r\n0\r\n\r\n"), &[400], Closed),
        ("chunk size in capitals", Harmless, chunked(&format!("A\r\n{{}}{}\r\n0\r\n\r\n", " ".repeat(8))), &[204], Open),
        ("chunk extension", Harmless, chunked("2;name=\"a b\"\r\n{}\r\n0\r\n\r\n"), &[204], Open),
        ("chunk extension with a bare LF", Dangerous, chunked("2;a\n{}\r\n0\r\n\r\n"), &[400], Closed),
        ("chunk extension with a bare CR", Dangerous, chunked("2;a\rb\r\n{}\r\n0\r\n\r\n"), &[400], Closed),
        ("chunk extensions of 5,000 bytes", Harmless, chunked(&format!("2;{long}\r\n{{}}\r\n0\r\n\r\n")), &[400], Closed),
        ("bare LF after the chunk size", Dangerous, chunked("2\n{}\r\n0\r\n\r\n"), &[400], Closed),
        ("chunk longer than its size", Dangerous, chunked("2\r\n{} \r\n0\r\n\r\n"), &[400], Closed),
        ("chunk shorter than its size", Dangerous, chunked("3\r\n{}\r\n0\r\n\r\n"), &[400], Closed),
        ("bare LF after a chunk", Dangerous, chunked("2\r\n{}\n0\r\n\r\n"), &[400], Closed),
        ("bare LF at the end", Dangerous, chunked("2\r\n{}\r\n0\r\n\n"), &[400], Closed),
        ("trailers with framing, host and credentials", Harmless,
            chunked("2\r\n{}\r\n0\r\nContent-Length: 5\r\nTransfer-Encoding: x\r\nHost: evil\r\nAuthorization: x\r\n\r\n"), &[204], Open),
        ("a request as a trailer", Dangerous, chunked(&format!("2\r\n{{}}\r\n0\r\n{HIDDEN}")), &[400], Closed),
        ("trailer with a bare LF", Dangerous, chunked("2\r\n{}\r\n0\r\nA: b\nB: c\r\n\r\n"), &[400], Closed),
        ("trailer with space before the colon", Dangerous, chunked("2\r\n{}\r\n0\r\nA : b\r\n\r\n"), &[400], Closed),
        ("folded trailer", Dangerous, chunked("2\r\n{}\r\n0\r\nA: b\r\n c\r\n\r\n"), &[400], Closed),
        ("trailers of 5,000 bytes", Harmless, chunked(&format!("2\r\n{{}}\r\n0\r\nA: {long}\r\n\r\n")), &[400], Closed),
    ]
}

/// Lines and headers.
#[rustfmt::skip]
fn lines() -> Vec<TextRow> {
    vec![
        ("bare LF everywhere", Dangerous, get("").replace("\r\n", "\n"), &[400], Closed),
        ("bare LF at the end of the head", Dangerous, "GET / HTTP/1.1\r\nHost: localhost\r\n\n".to_owned(), &[400], Closed),
        ("bare CR in a value", Dangerous, get("X: a\rb\r\n"), &[400], Closed),
        ("bare CR at the end of a line", Dangerous, get("X: a\rY: b\r\n"), &[400], Closed),
        ("NUL in a value", Dangerous, get("X: a\0b\r\n"), &[400], Closed),
        ("NUL in a name", Dangerous, get("X\0: a\r\n"), &[400], Closed),
        ("control character in a value", Harmless, get("X: a\x01b\r\n"), &[400], Closed),
        ("folded value", Dangerous, get("X: a\r\n b\r\n"), &[400], Closed),
        ("folded value, with tab", Dangerous, get("X: a\r\n\tb\r\n"), &[400], Closed),
        ("space before a colon", Dangerous, get("X : a\r\n"), &[400], Closed),
        ("space in a name", Dangerous, get("X Y: a\r\n"), &[400], Closed),
        ("no colon", Dangerous, get("X\r\n"), &[400], Closed),
        ("no name", Dangerous, get(": a\r\n"), &[400], Closed),
        ("space before the first header", Dangerous, "GET / HTTP/1.1\r\n X: y\r\nHost: localhost\r\n\r\n".to_owned(), &[400], Closed),
        ("one empty line first", Harmless, format!("\r\n{}", get("")), &[200], Open),
        ("two empty lines first", Harmless, format!("\r\n\r\n{}", get("")), &[400], Closed),
        ("a bare LF first", Dangerous, format!("\n{}", get("")), &[400], Closed),
        ("a value of UTF-8", Harmless, get("X: æøå\r\n"), &[200], Open),
        ("an empty value", Harmless, get("X:\r\n"), &[200], Open),
    ]
}

/// Request lines.
#[rustfmt::skip]
fn request_lines() -> Vec<TextRow> {
    vec![
        ("space in the method", Dangerous, line("GE T / HTTP/1.1"), &[400], Closed),
        ("space before the method", Dangerous, line(" GET / HTTP/1.1"), &[400], Closed),
        ("two spaces", Dangerous, line("GET  / HTTP/1.1"), &[400], Closed),
        ("space after the version", Dangerous, line("GET / HTTP/1.1 "), &[400], Closed),
        ("tabs", Dangerous, line("GET\t/\tHTTP/1.1"), &[400], Closed),
        ("control character in the method", Harmless, line("G\x01T / HTTP/1.1"), &[400], Closed),
        ("DEL in the target", Harmless, line("GET /\x7f HTTP/1.1"), &[400], Closed),
        ("space in the target", Dangerous, line("GET /a b HTTP/1.1"), &[400], Closed),
        ("HTTP/0.9", Dangerous, "GET /\r\n\r\n".to_owned(), &[400], Closed),
        ("HTTP/1.2", Harmless, line("GET / HTTP/1.2"), &[400], Closed),
        ("HTTP/1.10", Harmless, line("GET / HTTP/1.10"), &[400], Closed),
        ("HTTP/2.0", Dangerous, line("GET / HTTP/2.0"), &[400], Closed),
        ("version in lower case", Harmless, line("GET / http/1.1"), &[400], Closed),
        ("preface of HTTP/2", Dangerous, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), &[400], Closed),
        ("URL of this host", Harmless, line("GET http://localhost/assets/keeper.css HTTP/1.1"), &[200], Open),
        ("URL of another host", Dangerous, line("GET http://evil.example/assets/keeper.css HTTP/1.1"), &[400], Closed),
        ("URL with a user", Dangerous, line("GET http://localhost@evil.example/ HTTP/1.1"), &[400], Closed),
        ("URL of another scheme", Harmless, line("GET ftp://localhost/ HTTP/1.1"), &[400], Closed),
        ("authority", Dangerous, line("GET localhost:80 HTTP/1.1"), &[400], Closed),
        ("CONNECT", Dangerous, line("CONNECT localhost:80 HTTP/1.1"), &[400], Closed),
        ("relative path", Harmless, line("GET docs HTTP/1.1"), &[400], Closed),
        ("OPTIONS of the server", Harmless, line("OPTIONS * HTTP/1.1"), &[404], Open),
        ("GET of the server", Harmless, line("GET * HTTP/1.1"), &[400], Closed),
        ("unknown method", Harmless, line("BREW /docs HTTP/1.1"), &[405], Open),
        ("method in lower case", Harmless, line("get /docs HTTP/1.1"), &[405], Open),
        ("TRACE", Harmless, line("TRACE /docs HTTP/1.1"), &[405], Open),
    ]
}

/// `Host` (RFC 9112, section 3.2).
#[rustfmt::skip]
fn hosts() -> Vec<TextRow> {
    let host = |lines: &str| format!("GET /assets/keeper.css HTTP/1.1\r\n{lines}\r\n");
    vec![
        ("no Host", Dangerous, host(""), &[400], Closed),
        ("Host twice, equal", Dangerous, host("Host: localhost\r\nHost: localhost\r\n"), &[400], Closed),
        ("Host twice, different", Dangerous, host("Host: localhost\r\nHost: evil.example\r\n"), &[400], Closed),
        ("Host list", Dangerous, host("Host: localhost, evil.example\r\n"), &[400], Open),
        ("Host with a user", Dangerous, host("Host: a@localhost\r\n"), &[400], Open),
        ("Host with a path", Dangerous, host("Host: localhost/evil\r\n"), &[400], Open),
        ("space before the colon of Host", Dangerous, host("Host : localhost\r\n"), &[400], Closed),
        ("no Host in HTTP/1.0", Harmless, "GET /assets/keeper.css HTTP/1.0\r\n\r\n".to_owned(), &[200], Closed),
    ]
}

/// Sizes.
#[rustfmt::skip]
fn sizes() -> Vec<TextRow> {
    vec![
        ("head of 70 KiB", Harmless, get(&format!("X: {}\r\n", "x".repeat(70 * 1024))), &[431], Closed),
        ("head of 40 KiB", Harmless, get(&format!("X: {}\r\n", "x".repeat(40 * 1024))), &[431], Open),
        ("97 headers", Harmless, get(&"X: y\r\n".repeat(96)), &[431], Closed),
        ("96 headers", Harmless, get(&"X: y\r\n".repeat(95)), &[200], Open),
        ("target of 9 KiB", Harmless, line(&format!("GET /{} HTTP/1.1", "x".repeat(9 * 1024))), &[414], Open),
        ("target of 70 KiB", Harmless, line(&format!("GET /{} HTTP/1.1", "x".repeat(70 * 1024))), &[431], Closed),
    ]
}

/// `Expect`, `Upgrade`, and more than one request.
#[rustfmt::skip]
fn sequences() -> Vec<TextRow> {
    let close = get("Connection: close\r\n");
    vec![
        ("Expect: 100-continue", Harmless, post("Expect: 100-continue\r\nContent-Length: 2", "{}"), &[100, 204], Open),
        ("Expect twice", Harmless, post("Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 2", "{}"), &[100, 204], Open),
        ("Expect of something else", Harmless, post("Expect: nothing\r\nContent-Length: 2", "{}"), &[204], Open),
        ("Expect without a body", Harmless, get("Expect: 100-continue\r\n"), &[100, 200], Open),
        ("Expect in HTTP/1.0", Harmless, post("Expect: 100-continue\r\nContent-Length: 2", "{}").replace("HTTP/1.1", "HTTP/1.0"), &[204], Closed),
        ("Upgrade to h2c", Dangerous, get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"), &[200], Closed),
        ("Upgrade to websocket hides a request", Dangerous,
            format!("{}{HIDDEN}", get("Connection: Upgrade\r\nUpgrade: websocket\r\n")), &[200], Closed),
        ("Upgrade with a body", Dangerous,
            format!("{}{HIDDEN}", post("Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2", "{}")), &[204], Closed),
        ("two requests", Harmless, format!("{}{}", get(""), line("GET /nowhere HTTP/1.1")), &[200, 404], Open),
        ("garbage after a request", Harmless, format!("{}\x16\x03\x01", get("")), &[200, 400], Closed),
        ("a request after Connection: close", Dangerous, format!("{close}{HIDDEN}"), &[200], Closed),
        ("a request after HTTP/1.0", Dangerous, format!("{}{HIDDEN}", get("").replace("HTTP/1.1", "HTTP/1.0")), &[200], Closed),
        ("garbage alone", Harmless, "\x16\x03\x01\x02".to_owned(), &[400], Closed),
    ]
}

/// Requests that are not text.
fn bytes() -> Vec<Row> {
    let row = |name, proxy, request: &[u8], statuses: &[u16], connection| Row {
        name,
        proxy,
        request: request.to_vec(),
        statuses: statuses.to_vec(),
        connection,
    };
    vec![
        row(
            "a value that is not UTF-8",
            Harmless,
            b"GET /assets/keeper.css HTTP/1.1\r\nHost: localhost\r\nX: \xff\r\n\r\n",
            &[200],
            Open,
        ),
        row(
            "a name that is not ASCII",
            Dangerous,
            b"GET / HTTP/1.1\r\nHost: localhost\r\nX\xff: a\r\n\r\n",
            &[400],
            Closed,
        ),
        row(
            "a no-break space before chunked",
            Dangerous,
            b"POST /logout HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\
              Transfer-Encoding: \xa0chunked\r\n\r\n{}",
            &[400],
            Closed,
        ),
    ]
}
