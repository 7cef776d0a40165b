//! Messages that are refused: each is a fault that names the problem, and does nothing.

use sqlx::PgPool;

use super::{
    NAMESPACE, SERVICE, SOAP_1_1, SOAP_1_2, TEXT_XML, assert_fault, assert_parameter, attempts,
    by_password, envelope, login, send, send_with, text_of, tickets,
};
use crate::support::{PLAIN, TestApp, password_of};

/// A valid operation, which would log in.
fn valid() -> String {
    by_password(PLAIN.1, &password_of(PLAIN.1))
}

/// A message with this content of `Envelope`.
fn around(content: &str) -> String {
    format!("<s:Envelope xmlns:s='{SOAP_1_1}' xmlns='{NAMESPACE}'>{content}</s:Envelope>")
}

fn body(content: &str) -> String {
    format!("<s:Body>{content}</s:Body>")
}

/// A message, a part of the text of its fault, and the fault code.
type Case = (String, &'static str, &'static str);

/// Messages that are not well-formed, or not within the limits of XML.
fn broken_xml() -> Vec<Case> {
    let valid = around(&body(&valid()));
    let deep = around(&body(&("<a>".repeat(130) + &"</a>".repeat(130))));
    let many = around(&body(&format!("<GetSystemInfo>{}</GetSystemInfo>", "<a/>".repeat(1001))));
    let attributes = (0..40).map(|n| format!(" a{n}='1'")).collect::<Vec<_>>().concat();
    let entity = "<!DOCTYPE s [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>";
    vec![
        (String::new(), "root element is not Envelope", "Client"),
        ("{}".to_owned(), "not well-formed", "Client"),
        (valid[..valid.len() - 5].to_owned(), "not well-formed", "Client"),
        (format!("{valid}{valid}"), "not well-formed", "Client"),
        (format!("<!DOCTYPE s>{valid}"), "document type declaration", "Client"),
        (format!("{entity}{valid}"), "document type declaration", "Client"),
        (valid.replace("paul<", "paul&x;<"), "not well-formed", "Client"),
        (valid.replace("paul<", "paul\0<"), "not well-formed", "Client"),
        (valid.replace("paul<", "paul&#0;<"), "not well-formed", "Client"),
        (valid.replace("<s:Body>", "<x:Body>"), "not well-formed", "Client"),
        (deep, "nested too deeply", "Client"),
        (many, "too many members", "Client"),
        (valid.replace("<UserName>", &format!("<UserName{attributes}>")), "too many", "Client"),
    ]
}

/// Well-formed XML that is not one message.
fn broken_envelopes() -> Vec<Case> {
    let operation = valid();
    let valid = body(&operation);
    let token = "<ApplicationToken>x</ApplicationToken>";
    let header = |content: &str| format!("<s:Header>{content}</s:Header>");
    let entry = |attributes: &str| {
        around(&(header(&format!("<x:Security xmlns:x='urn:x' {attributes}/>")) + &valid))
    };
    vec![
        ("<Envelope/>".to_owned(), "neither that of SOAP 1.1", "VersionMismatch"),
        (around(&valid).replace(SOAP_1_1, "urn:x"), "neither", "VersionMismatch"),
        (around(&valid).replace("s:Envelope", "s:Letter"), "is not Envelope", "Client"),
        (around(""), "has no Body", "Client"),
        (around(&header("")), "has no Body", "Client"),
        (around(&format!("{valid}{valid}")), "Body more than once", "Client"),
        (around(&(header("") + &header("") + &valid)), "Header more than once", "Client"),
        (around(&(valid.clone() + &header(""))), "unexpected element", "Client"),
        (around(&format!("<x xmlns='urn:x'/>{valid}")), "unexpected element", "Client"),
        (around(&valid.replace("s:Body", "s:body")), "unexpected element", "Client"),
        (around(&format!("{token}{token}{valid}")), "ApplicationToken is given", "Client"),
        (around(&(header(token) + token + &valid)), "ApplicationToken is given", "Client"),
        (entry("s:mustUnderstand='1'"), "mustUnderstand is not supported", "MustUnderstand"),
        (entry("s:mustUnderstand='yes'"), "must be 0 or 1", "Client"),
        (
            entry("s:mustUnderstand='1' s:actor='http://schemas.xmlsoap.org/soap/actor/next'"),
            "mustUnderstand is not supported",
            "MustUnderstand",
        ),
        (around(&format!("text{valid}")), "not well-formed", "Client"),
    ]
}

/// Messages without one valid operation.
fn broken_operations() -> Vec<Case> {
    let operation = valid();
    let one = |operation: &str| around(&body(operation));
    let parameter = |from: &str, to: &str| one(&operation.replace(from, to));
    vec![
        (one(""), "Body is empty", "Client"),
        (one(&format!("{operation}{operation}")), "more than one operation", "Client"),
        (one(&format!("<GetSystemInfo/>{operation}")), "more than one operation", "Client"),
        (one("<AuthenticateImplicit/>"), "Use AuthenticateUsernamePassword", "Client"),
        (one("<authenticateusernamepassword/>"), "is not supported", "Client"),
        (
            one(&operation.replace("Password><User", "Password xmlns='urn:x'><User")),
            "namespace of the operation",
            "Client",
        ),
        (
            around(&body(&operation)).replace(&format!(" xmlns='{NAMESPACE}'"), ""),
            "namespace of the operation",
            "Client",
        ),
        (parameter("<UserName>", "<UserName xmlns=''>"), "namespace of a parameter", "Client"),
        (parameter("<UserName>", "<UserName>x</UserName><UserName>"), "UserName: is", "Client"),
        (parameter("UserName>", "Username>"), "UserName: is required", "Client"),
        (parameter("Password>paul-password</Password>", "x/>"), "Password: is required", "Client"),
        (parameter("paul-password", "<b/>"), "Password: must be a string", "Client"),
        (one("<AuthenticateWithAccessToken/>"), "AccessToken: is required", "Client"),
        (
            one("<AuthenticateWithAccessToken><AccessToken i:nil='1' \
                 xmlns:i='http://www.w3.org/2001/XMLSchema-instance'/></AuthenticateWithAccessToken>"),
            "AccessToken: is required",
            "Client",
        ),
    ]
}

#[sqlx::test]
async fn every_invalid_message_is_a_fault_that_names_the_problem(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (message, part, fault_code) in
        [broken_xml(), broken_envelopes(), broken_operations()].into_iter().flatten()
    {
        let answer = send(&app, message.clone()).await;
        let code = text_of(&answer, "Value").unwrap_or_default();
        assert!(
            ["malformed_body", "invalid_field", "duplicate_member"].contains(&code),
            "{message}: {answer:?}"
        );
        let found = assert_fault(&answer, 500, fault_code, code);
        assert!(found.contains(part), "{message}: {found}");
        assert!(!answer.body.contains("paul"), "the fault repeats a value: {answer:?}");
        if code != "malformed_body" {
            let field = part.split(':').next().unwrap();
            assert_parameter(&answer, "Field", field);
        }
    }
    assert_eq!((tickets(&app).await, attempts(&app).await), (0, 0), "a fault had an effect");
}

#[sqlx::test]
async fn the_action_must_fit_the_operation(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let message = login(PLAIN.1, &password_of(PLAIN.1));
    let action = format!("{NAMESPACE}/SoPrincipal/AuthenticateUsernamePassword");
    let other = format!("{NAMESPACE}/SoPrincipal/GetSystemInfo");
    for accepted in ["", "\"\"", &action, &format!("\"{action}\"")] {
        let headers = [("Content-Type", TEXT_XML), ("SOAPAction", accepted)];
        send_with(&app, SERVICE, &headers, message.clone()).await.assert_status(200);
    }
    for refused in [other.as_str(), "x", &action.to_lowercase()] {
        let headers = [("Content-Type", TEXT_XML), ("SOAPAction", refused)];
        let answer = send_with(&app, SERVICE, &headers, message.clone()).await;
        let text = assert_fault(&answer, 500, "Client", "malformed_body");
        assert!(text.contains("SOAPAction"), "{text}");
    }
    let twice = [("Content-Type", TEXT_XML), ("SOAPAction", &action), ("SOAPAction", &action)];
    let answer = send_with(&app, SERVICE, &twice, message.clone()).await;
    assert_fault(&answer, 500, "Client", "malformed_body");
    let message = message.replace(SOAP_1_1, SOAP_1_2);
    for (action, status) in [(action, 200), (other, 400)] {
        let media_type = format!("application/soap+xml; charset=utf-8; action=\"{action}\"");
        let headers = [("Content-Type", media_type.as_str())];
        send_with(&app, SERVICE, &headers, message.clone()).await.assert_status(status);
    }
    assert_eq!(tickets(&app).await, 5);
}

#[sqlx::test]
async fn header_entries_for_others_are_ignored(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for entry in [
        "<x:Trace xmlns:x='urn:x'/>",
        "<x:Trace xmlns:x='urn:x' s:mustUnderstand='0'/>",
        "<x:Trace xmlns:x='urn:x' s:mustUnderstand='1' s:actor='urn:proxy'/>",
        "<TimeZone/>",
        "<ApplicationToken s:mustUnderstand='1'>x</ApplicationToken>",
    ] {
        send(&app, envelope(entry, "<GetSystemInfo/>")).await.assert_status(200);
    }
}

#[sqlx::test]
async fn faults_of_soap_1_2_have_its_form_and_status(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let message = |entry: &str, body: &str| envelope(entry, body).replace(SOAP_1_1, SOAP_1_2);
    let unknown = message("", "<Nothing/>");
    let not_understood = message("<x xmlns='urn:x' s:mustUnderstand='true'/>", "<GetSystemInfo/>");
    let foreign = unknown.replace(SOAP_1_2, "urn:x");
    for (media_type, message, status, code) in [
        ("application/soap+xml", &unknown, 400, "Sender"),
        ("application/soap+xml", &not_understood, 500, "MustUnderstand"),
        ("application/soap+xml", &foreign, 500, "VersionMismatch"),
        // The binding of SOAP 1.1 has one status for every fault.
        ("text/xml", &unknown, 500, "Sender"),
    ] {
        let answer =
            send_with(&app, SERVICE, &[("Content-Type", media_type)], message.clone()).await;
        answer.assert_status(status);
        assert_eq!(answer.header("content-type"), format!("{media_type}; charset=utf-8"));
        assert!(answer.body.contains(&format!("<s:Value>s:{code}</s:Value>")), "{answer:?}");
        assert!(answer.body.contains(r#"<s:Text xml:lang="en">"#), "{answer:?}");
        assert_parameter(&answer, "Code", "malformed_body");
        let is_mismatch = code == "VersionMismatch";
        assert_eq!(answer.body.contains("<s:SupportedEnvelope"), is_mismatch, "{answer:?}");
    }
    let headers = [("Content-Type", "application/soap+xml")];
    let answer = send_with(&app, SERVICE, &headers, envelope("", "<GetSystemInfo/>")).await;
    let text = assert_fault(&answer, 500, "VersionMismatch", "malformed_body");
    assert!(text.contains("Use text/xml"), "{text}");
}

#[sqlx::test]
async fn errors_before_the_envelope_are_faults_with_their_status(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let message = login(PLAIN.1, &password_of(PLAIN.1));
    let latin_1 = [message.replace("paul<", "p\u{e4}ul<").replace('\u{e4}', "?"), String::new()];
    let mut latin_1: Vec<u8> = latin_1.concat().into_bytes();
    latin_1.iter_mut().filter(|byte| **byte == b'?').for_each(|byte| *byte = 0xe4);
    for (headers, message, status, code) in [
        (vec![], message.clone().into_bytes(), 415, "unsupported_media_type"),
        (
            vec![("Content-Type", "application/json")],
            message.clone().into_bytes(),
            415,
            "unsupported_media_type",
        ),
        (
            vec![("Content-Type", TEXT_XML), ("Content-Encoding", "gzip")],
            message.clone().into_bytes(),
            415,
            "unsupported_media_type",
        ),
        (vec![("Content-Type", TEXT_XML)], vec![b' '; 70_000], 413, "body_too_large"),
        (vec![("Content-Type", TEXT_XML)], latin_1.clone(), 500, "malformed_body"),
        (vec![("Content-Type", "text/xml; charset=iso-8859-1")], latin_1, 500, "malformed_body"),
        (
            vec![("Content-Type", TEXT_XML)],
            message
                .replace("<s:Envelope", "<?xml version='1.0' encoding='bogus'?><s:Envelope")
                .into_bytes(),
            500,
            "malformed_body",
        ),
        (
            vec![("Content-Type", "text/xml; charset=utf-16")],
            message.clone().into_bytes(),
            500,
            "malformed_body",
        ),
        (vec![("Content-Type", TEXT_XML)], vec![], 500, "malformed_body"),
    ] {
        let answer = send_with(&app, SERVICE, &headers, message).await;
        assert_fault(&answer, status, "Client", code);
    }
    assert_eq!((tickets(&app).await, attempts(&app).await), (0, 0));
}

#[sqlx::test]
async fn faults_are_in_the_language_of_the_request(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let headers = [("Content-Type", TEXT_XML), ("SO-Language", "de")];
    let answer = send_with(&app, SERVICE, &headers, envelope("", "")).await;
    let text = assert_fault(&answer, 500, "Client", "malformed_body");
    assert_eq!(text, "Body ist leer. Er muss eine Operation enthalten.");
    assert!(answer.body.contains(r#"<faultstring xml:lang="de">"#), "{answer:?}");
}
