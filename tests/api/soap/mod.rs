//! The SOAP login: `/Remote/Services88/SoPrincipal.svc`.

mod access_tokens;
mod bad_input;
mod logins;
mod surroundings;
mod wsdl;

use crate::support::{Answer, TestApp};

/// The path of the service.
pub(crate) const SERVICE: &str = "/Remote/Services88/SoPrincipal.svc";

/// The namespace of the operations.
const NAMESPACE: &str = "http://www.superoffice.net/ws/crm/NetServer/Services88";

/// The namespaces of envelopes.
const SOAP_1_1: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const SOAP_1_2: &str = "http://www.w3.org/2003/05/soap-envelope";

const TEXT_XML: &str = "text/xml; charset=utf-8";

/// The vendor's own sample, with another name and password.
fn vendor_sample(name: &str, password: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<SOAP-ENV:Envelope
 xmlns:SOAP-ENV="http://www.w3.org/2003/05/soap-envelope"
 xmlns:SOAP-ENC="http://www.w3.org/2003/05/soap-encoding"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
 xmlns:xsd="http://www.w3.org/2001/XMLSchema"
 xmlns:NetServerServices882="http://schemas.datacontract.org/2004/07/System.Security.Cryptography"
 xmlns:NetServerServices883="http://schemas.microsoft.com/2003/10/Serialization/Arrays"
 xmlns:NetServerServices881="http://schemas.microsoft.com/2003/10/Serialization/"
 xmlns:SoPrincipal="http://www.superoffice.net/ws/crm/NetServer/Services88">
  <SoPrincipal:ApplicationToken>1234567-1234-9876</SoPrincipal:ApplicationToken>
 <SOAP-ENV:Body>
   <SoPrincipal:AuthenticateUsernamePassword>
    <SoPrincipal:UserName xsi:type="xsd:string">{name}</SoPrincipal:UserName>
    <SoPrincipal:Password xsi:type="xsd:string">{password}</SoPrincipal:Password>
   </SoPrincipal:AuthenticateUsernamePassword>
 </SOAP-ENV:Body>
</SOAP-ENV:Envelope>"#
    )
}

/// An envelope of SOAP 1.1 with this header and body.
fn envelope(header: &str, body: &str) -> String {
    format!(
        "<s:Envelope xmlns:s='{SOAP_1_1}' xmlns='{NAMESPACE}'>\
         <s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    )
}

/// The operation that logs in with a name and a password.
fn by_password(name: &str, password: &str) -> String {
    format!(
        "<AuthenticateUsernamePassword><UserName>{name}</UserName><Password>{password}</Password>\
         </AuthenticateUsernamePassword>"
    )
}

/// The operation that logs in with an access token.
fn by_token(token: &str) -> String {
    format!(
        "<AuthenticateWithAccessToken><AccessToken>{token}</AccessToken>\
         </AuthenticateWithAccessToken>"
    )
}

/// An envelope of SOAP 1.1 that logs in with a name and a password.
pub(crate) fn login(name: &str, password: &str) -> String {
    envelope("", &by_password(name, password))
}

/// An envelope of SOAP 1.1 that logs in with an access token.
pub(crate) fn access_token_login(token: &str) -> String {
    envelope("", &by_token(token))
}

/// Sends a message with headers.
async fn send_with(
    app: &TestApp,
    path: &str,
    headers: &[(&str, &str)],
    message: impl Into<reqwest::Body>,
) -> Answer {
    let mut request = app.client.post(format!("{}{path}", app.url)).body(message);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Answer::read(request.send().await.unwrap()).await
}

/// Sends a message as `text/xml`.
async fn send(app: &TestApp, message: impl Into<reqwest::Body>) -> Answer {
    send_with(app, SERVICE, &[("Content-Type", TEXT_XML)], message).await
}

/// The text of the first element with this name, without its prefix.
fn text_of<'answer>(answer: &'answer Answer, name: &str) -> Option<&'answer str> {
    let (_, rest) = answer
        .body
        .split_once(&format!("<{name}>"))
        .or_else(|| answer.body.split_once(&format!(":{name}>")))?;
    Some(&rest[..rest.find('<')?])
}

/// The ticket of a successful login.
#[track_caller]
fn ticket(answer: &Answer) -> String {
    answer.assert_status(200);
    assert_eq!(text_of(answer, "AuthenticationSucceeded"), Some("true"), "{answer:?}");
    text_of(answer, "Ticket").unwrap().to_owned()
}

/// Asserts the response to a refused login: 200, and nothing about the reason.
#[track_caller]
fn assert_login_refused(answer: &Answer) {
    answer.assert_status(200);
    assert_eq!(text_of(answer, "AuthenticationSucceeded"), Some("false"), "{answer:?}");
    assert!(answer.body.contains(r#"<Response i:nil="true"/>"#), "{answer:?}");
    assert!(answer.body.contains(r#"<Credentials i:nil="true"/>"#), "{answer:?}");
}

/// Asserts a fault of SOAP 1.1 with these codes, and returns its message.
#[track_caller]
fn assert_fault<'answer>(
    answer: &'answer Answer,
    status: u16,
    fault_code: &str,
    code: &str,
) -> &'answer str {
    answer.assert_status(status);
    assert_eq!(answer.header("content-type"), TEXT_XML);
    assert!(answer.body.contains(&format!("xmlns:s=\"{SOAP_1_1}\"")), "{answer:?}");
    assert_eq!(
        text_of(answer, "faultcode"),
        Some(format!("s:{fault_code}").as_str()),
        "{answer:?}"
    );
    assert_parameter(answer, "Code", code);
    assert_parameter(answer, "RequestId", answer.header("x-request-id"));
    text_of(answer, "Message").unwrap()
}

/// Asserts a parameter of the vendor's error object.
#[track_caller]
fn assert_parameter(answer: &Answer, key: &str, value: &str) {
    let (_, rest) = answer.body.split_once(&format!("<Key>{key}</Key>")).unwrap_or_default();
    let found = rest.split_once("<Value>").map_or("", |(_, rest)| rest.split('<').next().unwrap());
    assert_eq!(found, value, "{answer:?}");
}

/// The number of stored tickets.
async fn tickets(app: &TestApp) -> i64 {
    sqlx::query_scalar(r"SELECT count(*) FROM tickets").fetch_one(&app.pool).await.unwrap()
}

/// The number of attempts that were counted.
async fn attempts(app: &TestApp) -> i64 {
    let count = "SELECT count(*) FROM authentication_attempts";
    sqlx::query_scalar(count).fetch_one(&app.pool).await.unwrap()
}
