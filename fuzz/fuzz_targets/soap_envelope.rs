//! SOAP messages, in every charset and binding. Another parser must find the same call: one body
//! with one operation, and the same parameters.
#![no_main]

use credential_keeper::fuzz_support::{SoapCall, soap_call};
use credential_keeper_fuzz::{Limits, assert_hides, charset, within};
use libfuzzer_sys::fuzz_target;
use roxmltree::{Document, Node};
use secrecy::{ExposeSecret, SecretString};

const SERVICE: &str = "http://www.superoffice.net/ws/crm/NetServer/Services88";
const SOAP_1_1: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const SOAP_1_2: &str = "http://www.w3.org/2003/05/soap-envelope";

/// The message that names every operation. Its names are also in valid messages.
const OPERATIONS: &str = "The operation is not supported.";

// Loads the texts of errors, which stay.
fn prepare() {
    drop(soap_call(b"", charset(0), false, None));
}

fuzz_target!(init: prepare(), |input: (u8, &[u8])| {
    let (selector, body) = input;
    let (charset, is_soap_1_2) = (charset(selector >> 1), selector % 2 == 1);
    let read = || soap_call(body, charset, is_soap_1_2, None);
    match within(Limits::PARSER, body.len(), read) {
        Ok(call) => {
            assert!(!is_soap_1_2 || call.is_soap_1_2, "SOAP 1.1 in the media type of SOAP 1.2");
            assert_action(&call, |action| {
                soap_call(body, charset, is_soap_1_2, Some(action)).is_ok()
            });
            assert_same_call(&call, &charset.decode(body).unwrap_or_default());
        }
        Err(message) if message.starts_with(OPERATIONS) => {}
        // Element names of the message are words of the format, and shorter than the limit.
        Err(message) => assert_hides(&message, &without_markup(body)),
    }
});

/// Asserts that only the action of the operation is accepted.
fn assert_action(call: &SoapCall, is_accepted: impl Fn(&str) -> bool) {
    let action = format!("{SERVICE}/SoPrincipal/{}", call.operation);
    assert!(is_accepted(&action), "the action of the operation was refused");
    assert!(!is_accepted(&action[1..]), "another action was accepted");
}

/// Asserts that the other parser finds the same call.
fn assert_same_call(call: &SoapCall, text: &str) {
    // This service does not check names outside ASCII, and knows version 1.1.
    if !text.is_ascii() || text.contains("1.1") {
        return;
    }
    let document = Document::parse(text).expect("not well-formed");
    let envelope = document.root_element();
    let namespace = if call.is_soap_1_2 { SOAP_1_2 } else { SOAP_1_1 };
    assert!(envelope.has_tag_name((namespace, "Envelope")), "another envelope");
    let body = only(envelope, (namespace, "Body"));
    let mut operations = body.children().filter(Node::is_element);
    let operation = operations.next().expect("no operation");
    assert!(operation.has_tag_name((SERVICE, call.operation)), "another operation");
    assert_eq!(operations.count(), 0, "a second operation");
    for (name, value) in &call.parameters {
        assert_eq!(text_of(only(operation, (SERVICE, name))), value.expose_secret());
    }
    let tokens: Vec<_> = envelope
        .descendants()
        .filter(|node| node.has_tag_name((SERVICE, "ApplicationToken")))
        .filter(|node| !node.ancestors().any(|above| above == body))
        .collect();
    assert!(tokens.len() <= 1 || tokens.iter().any(|token| is_nested(*token, envelope)));
    let token = call.application_token.as_ref().map(SecretString::expose_secret);
    if let (Some(token), [found]) = (token, tokens.as_slice()) {
        assert_eq!(text_of(*found), token);
    }
}

/// True for an element inside of another header entry, where it has no meaning.
fn is_nested(node: Node<'_, '_>, envelope: Node<'_, '_>) -> bool {
    let parent = node.parent();
    let above = parent.and_then(|parent| parent.parent());
    parent != Some(envelope) && above != Some(envelope)
}

fn only<'node, 'input>(parent: Node<'node, 'input>, name: (&str, &str)) -> Node<'node, 'input> {
    let mut found = parent.children().filter(|child| child.has_tag_name(name));
    let first = found.next().unwrap_or_else(|| panic!("{} is missing", name.1));
    assert!(found.next().is_none(), "{} is repeated", name.1);
    first
}

/// The whole text of an element, whose comments divide it.
fn text_of(node: Node<'_, '_>) -> String {
    node.children().filter_map(|child| if child.is_text() { child.text() } else { None }).collect()
}

/// The bytes outside of tags.
fn without_markup(body: &[u8]) -> Vec<u8> {
    let mut is_tag = false;
    let outside = body.iter().filter(|byte| {
        let was_tag = is_tag;
        is_tag = **byte == b'<' || is_tag && **byte != b'>';
        !was_tag && !is_tag
    });
    outside.copied().collect()
}
