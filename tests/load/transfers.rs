//! Imports and exports with the forms of pages, as a browser sends them.

use std::time::Duration;

use reqwest::Method;
use url::form_urlencoded;

use crate::{
    service::FIRST_TARGET,
    traffic::{Answer, Call, Failure, Headers},
};

const EXPORT: &str = "/admin/export";
const IMPORT: &str = "/admin/import";
const BOUNDARY: &str = "----keeper-soak-boundary";

/// How often the page of an import is read until it shows the end.
const READS: u32 = 120;

/// Exports all users.
pub(crate) async fn export(call: &Call<'_>, headers: &Headers) -> Result<(), Failure> {
    let fields = fields_of(call, headers, EXPORT).await?;
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(&fields).finish();
    let request = page(call, Method::POST, EXPORT, headers)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(body);
    call.send(request, &[200]).await.map(drop)
}

/// Imports a file that changes ten users. Another import may be in progress, and the database may
/// refuse for a while; each import ends in any case.
pub(crate) async fn import(
    call: &Call<'_>,
    headers: &Headers,
    number: usize,
) -> Result<(), Failure> {
    let lines = (0..10).map(|user| {
        let user = FIRST_TARGET + user;
        format!("{{\"login_name\":\"target{user}\",\"display_name\":\"name {number}\"}}\n")
    });
    let sent = begin_import(call, headers, &lines.collect::<String>()).await?;
    let Some(path) = sent.location.filter(|_| sent.status == 303) else { return Ok(()) };
    for _ in 0..READS {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let shown = match call.send(page(call, Method::GET, &path, headers), &[200]).await {
            Err(Failure::Unavailable) => continue,
            shown => shown?,
        };
        if !shown.body.contains("http-equiv=\"refresh\"") {
            return Ok(());
        }
    }
    Err(Failure::Unexpected(format!("{path}: the import does not end")))
}

/// Sends a file to be imported. The answer is 303 when the import begins, and 409 while another one
/// is in progress.
pub(crate) async fn begin_import(
    call: &Call<'_>,
    headers: &Headers,
    file: &str,
) -> Result<Answer, Failure> {
    let mut fields = fields_of(call, headers, IMPORT).await?;
    fields.retain(|(name, _)| name != "File");
    fields.push(("Mode".to_owned(), "import".to_owned()));
    let request = page(call, Method::POST, IMPORT, headers)
        .header("Content-Type", format!("multipart/form-data; boundary={BOUNDARY}"))
        .body(multipart(&fields, file));
    call.send(request, &[303, 409]).await
}

fn page(call: &Call<'_>, method: Method, path: &str, headers: &Headers) -> reqwest::RequestBuilder {
    call.request(method, path, headers)
        .header("Accept", "text/html")
        .header("Sec-Fetch-Site", "same-origin")
}

/// The names and values of the inputs of the form of a page.
async fn fields_of(
    call: &Call<'_>,
    headers: &Headers,
    path: &str,
) -> Result<Vec<(String, String)>, Failure> {
    let shown: Answer = call.send(page(call, Method::GET, path, headers), &[200]).await?;
    let action = format!("action=\"{path}\"");
    let mut forms =
        shown.body.split("<form ").skip(1).filter_map(|rest| rest.split("</form>").next());
    let Some(form) = forms.find(|form| form.contains(&action)) else {
        return Err(Failure::Unexpected(format!("{path}: no form")));
    };
    let inputs = form.split("<input ").skip(1).filter_map(|rest| rest.split('>').next());
    let fields = inputs.filter_map(|input| {
        Some((attribute(input, "name")?, attribute(input, "value").unwrap_or_default()))
    });
    Ok(fields.collect())
}

/// The value of an attribute. The forms here have no references in their values.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!("{name}=\""))?;
    Some(rest.split_once('"')?.0.to_owned())
}

fn multipart(fields: &[(String, String)], file: &str) -> String {
    let parts = fields.iter().map(|(name, value)| {
        format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        )
    });
    let parts: String = parts.collect();
    format!(
        "{parts}--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"File\"; filename=\"users\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n{file}\r\n--{BOUNDARY}--\r\n"
    )
}
