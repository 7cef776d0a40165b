//! Sends each row of the table, and checks what is answered.

use sqlx::PgPool;

use super::{
    client::RawClient,
    table::{Connection, Proxy, Row, rows},
};
use crate::support::TestApp;

/// A request that is answered with 200.
const PROBE: &[u8] = b"GET /api/v1/Agents/User/SaveCredential HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// The statuses that are answered, and whether the connection then answers another request.
fn outcome(app: &TestApp, row: &Row) -> (Vec<u16>, Connection) {
    let mut client = RawClient::connect(app);
    client.send(&row.request);
    if row.connection == Connection::Closed {
        return (client.statuses(), Connection::Closed);
    }
    let statuses = row.statuses.iter().map_while(|_| client.status()).collect();
    client.send(PROBE);
    let is_open = client.status() == Some(200);
    (statuses, if is_open { Connection::Open } else { Connection::Closed })
}

#[sqlx::test]
async fn every_raw_request_has_its_expected_outcome(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let rows = rows();
    assert!(rows.len() >= 60, "{} rows", rows.len());
    let mut wrong = Vec::new();
    for row in &rows {
        let found = outcome(&app, row);
        if found != (row.statuses.clone(), row.connection) {
            wrong.push(format!("{}: {found:?}", row.name));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    let refused = rows.iter().filter(|row| row.statuses.last().is_some_and(|last| *last == 400));
    assert!(app.metric("keeper_http_invalid_requests_total").await > 50.0, "{}", refused.count());
}

/// A request is not even read ahead of the response before it, so nothing that is hidden in a
/// dangerous request is ever answered.
#[sqlx::test]
async fn the_request_after_a_dangerous_one_is_never_answered(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for row in rows().into_iter().filter(|row| row.proxy == Proxy::Dangerous) {
        if row.connection == Connection::Open {
            continue;
        }
        let mut client = RawClient::connect(&app);
        client.send(&[&row.request, PROBE].concat());
        assert_eq!(client.statuses(), row.statuses, "{}", row.name);
    }
}

#[sqlx::test]
async fn a_body_that_turns_out_malformed_is_answered_once(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let head = "HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                Transfer-Encoding: chunked\r\n\r\n2\r\n";
    for (request, statuses) in [
        // The application waits for the body.
        (format!("POST /logout {head}"), vec![400]),
        // It has already refused the request, without the body.
        (format!("POST /keeper/tickets {head}"), vec![401]),
    ] {
        let mut client = RawClient::connect(&app);
        client.send(request.as_bytes());
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        client.send(b"{}X\r\n0\r\n\r\n");
        client.send(PROBE);
        assert_eq!(client.statuses(), statuses, "{request}");
    }
}

#[sqlx::test]
async fn thousands_of_pipelined_requests_are_answered_in_order_one_at_a_time(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut client = RawClient::connect(&app);
    let socket = client.socket();
    let paths = ["/assets/keeper.css", "/nowhere", "/keeper/tickets"];
    let sending = std::thread::spawn(move || {
        for number in 0..3000 {
            let path = paths[number % 3];
            let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
            std::io::Write::write_all(&mut &socket, request.as_bytes()).unwrap();
        }
    });
    for number in 0..3000 {
        assert_eq!(client.status(), Some([200, 404, 405][number % 3]), "{number}");
    }
    sending.join().unwrap();
}
