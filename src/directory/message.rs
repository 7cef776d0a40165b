//! Checks the messages of a directory (RFC 4511) before `ldap3` parses them: `ldap3` panics on
//! malformed ones, and recurses without a limit.

use super::ber::{
    BOOLEAN, ENUMERATED, Elements, INTEGER, MessageError, OCTET_STRING, SEQUENCE, SET,
};

const BIND_REQUEST: u8 = 0x60;
const BIND_RESPONSE: u8 = 0x61;
const SEARCH_REQUEST: u8 = 0x63;
const SEARCH_ENTRY: u8 = 0x64;
const SEARCH_DONE: u8 = 0x65;
const SEARCH_REFERENCE: u8 = 0x73;
const EXTENDED_RESPONSE: u8 = 0x78;
const CONTROLS: u8 = 0xa0;
const REFERRAL: u8 = 0xa3;

/// The name of an extended response. Active Directory puts it behind the notice of disconnection
/// instead of into it.
const MISPLACED_NAME: u8 = 0x8a;

/// The control of paged results (RFC 2696).
const PAGED_RESULTS: &[u8] = b"1.2.840.113556.1.4.319";

/// The message that asks for TLS (RFC 4511, section 4.14.1), with the message id 1.
pub(super) const START_TLS: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";

/// The id of a message, and the tag of its operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) id: u32,
    pub(super) tag: u8,
}

impl Head {
    /// Reads the head of a message that `ldap3` sends.
    ///
    /// # Errors
    /// When the message is not well-formed.
    pub(super) fn of_request(message: &[u8]) -> Result<Self, MessageError> {
        read_envelope(message).map(|(head, _)| head)
    }

    /// True when a message with this head can answer `request`.
    ///
    /// # Errors
    /// When it is an answer of another kind.
    pub(super) fn answers(self, request: Self) -> Result<bool, MessageError> {
        let is_kind = match request.tag {
            BIND_REQUEST => self.tag == BIND_RESPONSE,
            SEARCH_REQUEST => [SEARCH_ENTRY, SEARCH_DONE, SEARCH_REFERENCE].contains(&self.tag),
            _ => false,
        };
        match (self.id == request.id, is_kind) {
            (true, false) => Err(MessageError::UnexpectedTag),
            (is_same, _) => Ok(is_same),
        }
    }
}

/// Checks a whole message.
///
/// # Errors
/// When it is none that a directory may send to a client that binds and searches.
pub(super) fn check(message: &[u8]) -> Result<Head, MessageError> {
    let (head, operation) = read_envelope(message)?;
    check_operation(head.tag, operation)?;
    Ok(head)
}

/// The result code of the response to [`START_TLS`].
///
/// # Errors
/// When the message is another one.
pub(super) fn start_tls_result(message: &[u8]) -> Result<u32, MessageError> {
    check(message)?;
    let (head, mut operation) = read_envelope(message)?;
    if head.tag != EXTENDED_RESPONSE {
        return Err(MessageError::UnexpectedTag);
    }
    operation.expect_number(ENUMERATED)
}

/// The head of a message, and the elements of its operation.
fn read_envelope(message: &[u8]) -> Result<(Head, Elements<'_>), MessageError> {
    let mut outer = Elements::new(message);
    let mut members = Elements::new(outer.expect(SEQUENCE)?);
    outer.end()?;
    let id = members.expect_number(INTEGER)?;
    let (tag, operation) = members.next()?;
    match members.peek() {
        None => {}
        Some(CONTROLS) => check_controls(members.expect(CONTROLS)?)?,
        Some(MISPLACED_NAME) if tag == EXTENDED_RESPONSE => {
            members.next()?;
        }
        Some(_) => return Err(MessageError::UnexpectedTag),
    }
    members.end()?;
    Ok((Head { id, tag }, Elements::new(operation)))
}

fn check_operation(tag: u8, mut operation: Elements<'_>) -> Result<(), MessageError> {
    match tag {
        BIND_RESPONSE | SEARCH_DONE | EXTENDED_RESPONSE => check_result(operation),
        SEARCH_ENTRY => {
            operation.expect_text()?;
            check_attributes(operation.expect(SEQUENCE)?)?;
            operation.end()
        }
        SEARCH_REFERENCE => check_texts(operation),
        _ => Err(MessageError::UnexpectedTag),
    }
}

/// `LDAPResult`, and what the response to a bind and to an extended request have behind it.
fn check_result(mut members: Elements<'_>) -> Result<(), MessageError> {
    members.expect_number(ENUMERATED)?;
    members.expect_text()?;
    members.expect_text()?;
    if members.peek() == Some(REFERRAL) {
        check_texts(Elements::new(members.expect(REFERRAL)?))?;
    }
    while let Some(tag) = members.peek() {
        // serverSaslCreds, responseName and responseValue.
        if ![0x87, 0x8a, 0x8b].contains(&tag) {
            return Err(MessageError::UnexpectedTag);
        }
        let (_, content) = members.next()?;
        if tag == 0x8a && str::from_utf8(content).is_err() {
            return Err(MessageError::NotUtf8);
        }
    }
    Ok(())
}

fn check_texts(mut texts: Elements<'_>) -> Result<(), MessageError> {
    while !texts.is_empty() {
        texts.expect_text()?;
    }
    Ok(())
}

fn check_attributes(attributes: &[u8]) -> Result<(), MessageError> {
    let mut attributes = Elements::new(attributes);
    while !attributes.is_empty() {
        let mut attribute = Elements::new(attributes.expect(SEQUENCE)?);
        attribute.expect_text()?;
        let mut values = Elements::new(attribute.expect(SET)?);
        while !values.is_empty() {
            values.expect(OCTET_STRING)?;
        }
        attribute.end()?;
    }
    Ok(())
}

fn check_controls(controls: &[u8]) -> Result<(), MessageError> {
    let mut controls = Elements::new(controls);
    while !controls.is_empty() {
        let mut control = Elements::new(controls.expect(SEQUENCE)?);
        let name = control.expect(OCTET_STRING)?;
        str::from_utf8(name).map_err(|_| MessageError::NotUtf8)?;
        if control.peek() == Some(BOOLEAN) && control.expect(BOOLEAN)?.len() != 1 {
            return Err(MessageError::InvalidNumber);
        }
        let value = if control.is_empty() { None } else { Some(control.expect(OCTET_STRING)?) };
        control.end()?;
        if name == PAGED_RESULTS {
            check_page(value.ok_or(MessageError::CutElement)?)?;
        }
    }
    Ok(())
}

fn check_page(value: &[u8]) -> Result<(), MessageError> {
    let mut outer = Elements::new(value);
    let mut page = Elements::new(outer.expect(SEQUENCE)?);
    outer.end()?;
    page.expect_number(INTEGER)?;
    page.expect(OCTET_STRING)?;
    page.end()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::ber::MAXIMUM_MESSAGE;

    /// A result: success, without texts.
    const SUCCESS: &[u8] = b"\x0a\x01\0\x04\0\x04\0";

    /// An element with a length in the short form.
    fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        [&[tag, u8::try_from(content.len()).unwrap()], content].concat()
    }

    fn message(operation: &[u8], rest: &[u8]) -> Vec<u8> {
        element(SEQUENCE, &[&b"\x02\x01\x02"[..], operation, rest].concat())
    }

    fn entry(content: &[u8]) -> Vec<u8> {
        message(&element(SEARCH_ENTRY, content), b"")
    }

    #[test]
    fn the_messages_of_a_search_are_accepted() {
        let attribute = element(SEQUENCE, b"\x04\x02cn\x31\x06\x04\x01a\x04\x01\xff");
        let attributes = element(SEQUENCE, &attribute);
        let page = element(OCTET_STRING, b"\x30\x05\x02\x01\0\x04\0");
        let control =
            [element(OCTET_STRING, PAGED_RESULTS), b"\x01\x01\xff".to_vec(), page].concat();
        let controls = element(CONTROLS, &element(SEQUENCE, &control));
        for valid in [
            message(&element(BIND_RESPONSE, SUCCESS), b""),
            message(&element(SEARCH_DONE, SUCCESS), &controls),
            message(&element(SEARCH_DONE, b"\x0a\x01\x0a\x04\0\x04\0\xa3\x03\x04\x01r"), b""),
            message(&element(SEARCH_REFERENCE, b"\x04\x03x:/"), b""),
            message(&element(EXTENDED_RESPONSE, SUCCESS), b"\x8a\x011"),
            entry(&[&b"\x04\x01x"[..], &attributes].concat()),
            // Active Directory writes each length with four bytes.
            b"\x30\x84\0\0\0\x10\x02\x01\x01\x61\x84\0\0\0\x07\x0a\x01\0\x04\0\x04\0".to_vec(),
        ] {
            assert!(check(&valid).is_ok(), "{valid:x?}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        use MessageError::*;
        for (invalid, error) in [
            (b"".to_vec(), CutElement),
            (b"\x30".to_vec(), CutElement),
            (b"\x30\x80\0\0".to_vec(), InvalidLength),
            (b"\x30\x85\0\0\0\0\x01x".to_vec(), InvalidLength),
            (b"\x30\x84\xff\xff\xff\xffx".to_vec(), CutElement),
            (b"\x30\x03\x02\x01\x01".to_vec(), CutElement),
            (message(&element(BIND_RESPONSE, SUCCESS), b"\x04\0"), UnexpectedTag),
            (message(&element(BIND_RESPONSE, b"\x0a\x01\0"), b""), CutElement),
            (message(&element(BIND_RESPONSE, b"\x0a\x01\x80\x04\0\x04\0"), b""), InvalidNumber),
            (message(&element(BIND_RESPONSE, b"\x0a\0\x04\0\x04\0"), b""), InvalidNumber),
            (message(&element(BIND_RESPONSE, b"\x0a\x01\0\x04\x01\xff\x04\0"), b""), NotUtf8),
            (message(&element(SEARCH_DONE, SUCCESS), b"\xa0\x02\x30\0"), CutElement),
            (message(&element(0x79, SUCCESS), b""), UnexpectedTag),
            (entry(b"\x04\x01\xff\x30\0"), NotUtf8),
            (entry(b"\x04\x01x\x30\x02\x30\0"), CutElement),
            (entry(b"\x04\x01x\x30\x04\x30\x02\x31\0"), UnexpectedTag),
            (entry(b"\x04\x01x\x30\0\x04\0"), AdditionalBytes),
            (
                [message(&element(BIND_RESPONSE, SUCCESS), b""), b"x".to_vec()].concat(),
                AdditionalBytes,
            ),
        ] {
            assert_eq!(check(&invalid), Err(error), "{invalid:x?}");
        }
    }

    #[test]
    fn a_page_without_a_cookie_is_refused() {
        let page = element(OCTET_STRING, b"\x30\x03\x02\x01\0");
        let control = [element(OCTET_STRING, PAGED_RESULTS), page].concat();
        let controls = element(CONTROLS, &element(SEQUENCE, &control));
        let done = message(&element(SEARCH_DONE, SUCCESS), &controls);
        assert_eq!(check(&done), Err(MessageError::CutElement));
    }

    #[test]
    fn an_answer_has_the_id_and_the_kind_of_its_request() {
        let head = |id, tag| Head { id, tag };
        let bind = head(1, BIND_REQUEST);
        assert_eq!(head(1, BIND_RESPONSE).answers(bind), Ok(true));
        assert_eq!(head(2, BIND_RESPONSE).answers(bind), Ok(false));
        assert_eq!(head(0, EXTENDED_RESPONSE).answers(bind), Ok(false));
        assert_eq!(head(1, SEARCH_ENTRY).answers(bind), Err(MessageError::UnexpectedTag));
        let search = head(2, SEARCH_REQUEST);
        assert_eq!(head(2, SEARCH_DONE).answers(search), Ok(true));
        assert_eq!(head(2, BIND_RESPONSE).answers(search), Err(MessageError::UnexpectedTag));
    }

    /// The first byte of a length that has four more bytes.
    const LONG_LENGTH: u8 = 0x84;

    /// Elements in elements, as deep as they fit into this many bytes.
    fn nested(size: usize) -> Vec<u8> {
        let mut reversed = Vec::new();
        while reversed.len() + 6 <= size {
            let length = u32::try_from(reversed.len()).unwrap();
            reversed.extend(length.to_le_bytes());
            reversed.extend([LONG_LENGTH, SEQUENCE]);
        }
        reversed.reverse();
        reversed
    }

    /// A parser that calls itself for each element would need megabytes of the stack.
    #[test]
    fn elements_in_elements_do_not_use_the_stack() {
        let long_element = |tag, content: &[u8]| {
            let length = u32::try_from(content.len()).unwrap().to_be_bytes();
            [&[tag, LONG_LENGTH][..], &length, content].concat()
        };
        // The rest is for the heads of the message and of the entry, and for the id.
        let entry = long_element(SEARCH_ENTRY, &nested(MAXIMUM_MESSAGE - 32));
        let message = long_element(SEQUENCE, &[&b"\x02\x01\x02"[..], &entry].concat());
        assert!((MAXIMUM_MESSAGE - 64..=MAXIMUM_MESSAGE).contains(&message.len()));
        assert_eq!(check(&message), Err(MessageError::UnexpectedTag));
    }

    #[test]
    fn the_response_to_start_tls_has_a_result() {
        let refused = message(&element(EXTENDED_RESPONSE, b"\x0a\x01\x35\x04\0\x04\0"), b"");
        assert_eq!(start_tls_result(&refused), Ok(53));
        let other = message(&element(BIND_RESPONSE, SUCCESS), b"");
        assert_eq!(start_tls_result(&other), Err(MessageError::UnexpectedTag));
        assert_eq!(usize::from(START_TLS[1]) + 2, START_TLS.len());
    }
}
