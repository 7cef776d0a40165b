//! Request and response bodies in every format of the contract
//! (docs/reference/wire-contract.md#content-negotiation).

mod bad_input;
mod coercion;
mod languages;
mod matrix;
mod select;
mod writing;

use reqwest::Method;

use crate::support::{Answer, Credentials, SAVE, TestApp};

/// A request body and its media type.
#[derive(Debug, Clone)]
struct RequestBody {
    content_type: String,
    bytes: Vec<u8>,
}

impl RequestBody {
    fn new(content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { content_type: content_type.to_owned(), bytes: body.into() }
    }

    /// The body in UTF-16.
    fn in_utf16(content_type: &str, body: &str) -> Self {
        let bytes = body.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
        Self::new(&format!("{content_type}; charset=utf-16"), bytes)
    }
}

/// Sends a body to `SaveCredential`, with additional headers.
async fn save(
    app: &TestApp,
    credentials: &Credentials,
    sent: &RequestBody,
    headers: &[(&str, &str)],
) -> Answer {
    let mut request = app
        .request(Method::POST, SAVE, credentials)
        .header("Content-Type", &sent.content_type)
        .body(sent.bytes.clone());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Answer::read(request.send().await.unwrap()).await
}

/// Every stored credential, so that a test can assert that nothing changed.
async fn stored(app: &TestApp) -> Vec<(i32, String, i64)> {
    let rows = sqlx::query!(
        "SELECT user_id, credential_type, version FROM credentials ORDER BY user_id, credential_type"
    );
    let rows = rows.fetch_all(&app.pool).await.unwrap();
    rows.into_iter().map(|row| (row.user_id, row.credential_type, row.version)).collect()
}
