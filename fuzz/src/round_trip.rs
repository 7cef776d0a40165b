//! What the service writes, it reads back.

use wire_formats::{Charset, Format, ReadError, Selection, Texts, read, read_list, write};

use crate::request::{Credential, Request};

/// The limit of values in a body.
const MAXIMUM_VALUES: usize = 1000;

/// The charset that a byte of the input selects.
#[must_use]
pub fn charset(byte: u8) -> Charset {
    match byte % 3 {
        0 => Charset::Utf8,
        1 => Charset::Utf16,
        _ => Charset::Other,
    }
}

/// Writes a request in each format of responses and in each charset, and reads it.
///
/// # Panics
/// When the read value differs from the written one.
pub fn assert_reads_back(request: &Request) {
    if values(request) > MAXIMUM_VALUES / 2 {
        return;
    }
    for format in [Format::Json, Format::Xml] {
        let text = write(request, format, &Selection::default()).unwrap_or_default();
        let expected = if format == Format::Xml { printable(request) } else { request.clone() };
        for charset in [Charset::Utf8, Charset::Utf16] {
            let body = charset.encode(text.clone());
            assert_eq!(
                read(&body, format, charset),
                Ok(expected.clone()),
                "from {format:?}: {text}"
            );
        }
    }
}

/// Writes a list of strings in each format of responses, and reads it.
///
/// # Panics
/// When the read list differs from the written one.
pub fn assert_list_reads_back(mut texts: Vec<String>) {
    texts.truncate(MAXIMUM_VALUES / 2);
    let texts = Texts(texts);
    for format in [Format::Json, Format::Xml] {
        let body = write(&texts, format, &Selection::default()).unwrap_or_default();
        let printed = |text: &String| text.replace(|c| !is_xml_char(c), "\u{fffd}");
        let expected = match format {
            Format::Xml => texts.0.iter().map(printed).collect(),
            Format::Json | Format::Form => texts.0.clone(),
        };
        let read = read_list::<String>(body.as_bytes(), format, Charset::Utf8);
        assert_eq!(read, Ok(expected), "from {format:?}: {body}");
    }
}

/// Writes a request as a form, which has neither null nor empty lists and objects.
///
/// # Panics
/// When the read value differs from the written one.
pub fn assert_reads_from_form(request: &Request) {
    let mut form = String::new();
    let mut add = |name: &str, value: &str| {
        form.push_str(if form.is_empty() { "" } else { "&" });
        form.push_str(name);
        form.push('=');
        form.extend(value.bytes().map(|byte| format!("%{byte:02X}")));
    };
    if let Some(number) = request.user_id {
        add("UserId", &number.to_string());
    }
    if let Some(is_active) = request.is_active {
        add("IsActive", &is_active.to_string());
    }
    if let Some(text) = &request.display_value {
        add("DisplayValue", text);
    }
    for (index, name) in request.names.iter().flatten().enumerate() {
        add(&format!("Names[{index}]"), name);
    }
    if let Some(credential) = &request.credential {
        add_credential(&mut add, "Credential", credential);
    }
    for (index, credential) in request.credentials.iter().flatten().enumerate() {
        add_credential(&mut add, &format!("Credentials[{index}]"), credential);
    }
    let expected = expressible(request);
    for charset in [Charset::Utf8, Charset::Utf16] {
        let read: Result<Request, ReadError> =
            read(&charset.encode(form.clone()), Format::Form, charset);
        match &expected {
            Some(expected) => assert_eq!(read.as_ref(), Ok(expected), "from a form: {form}"),
            None => drop(read),
        }
    }
}

fn add_credential(add: &mut impl FnMut(&str, &str), path: &str, credential: &Credential) {
    if let Some(value) = &credential.value {
        add(&format!("{path}.Value"), value);
    }
    if let Some(text) = credential.r#type.as_ref().and_then(|inner| inner.r#type.as_ref()) {
        add(&format!("{path}[Type].Type"), text);
    }
}

/// The request without what a form cannot express; `None` when an item of a list has no member, so
/// that the other indexes are not those of a list.
fn expressible(request: &Request) -> Option<Request> {
    let plain = |credential: &Credential| {
        let inner = credential.r#type.clone().filter(|inner| inner.r#type.is_some());
        let plain = Credential { value: credential.value.clone(), r#type: inner };
        (plain != Credential::default()).then_some(plain)
    };
    let items = request.credentials.iter().flatten().map(plain).collect::<Option<Vec<_>>>()?;
    if values(request) > MAXIMUM_VALUES / 2 {
        return None;
    }
    Some(Request {
        names: request.names.clone().filter(|names| !names.is_empty()),
        credential: request.credential.as_ref().and_then(plain),
        credentials: Some(items).filter(|items| !items.is_empty()),
        ..request.clone()
    })
}

/// The request as XML can hold it: characters that XML does not allow are replaced.
fn printable(request: &Request) -> Request {
    let text = |text: &mut String| *text = text.replace(|c| !is_xml_char(c), "\u{fffd}");
    let mut request = request.clone();
    request.display_value.iter_mut().for_each(text);
    request.names.iter_mut().flatten().for_each(text);
    let credentials = request.credentials.iter_mut().flatten().chain(&mut request.credential);
    for credential in credentials {
        credential.value.iter_mut().for_each(text);
        credential.r#type.iter_mut().flat_map(|inner| &mut inner.r#type).for_each(text);
    }
    request
}

/// `Char` of XML 1.0, section 2.2.
fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

/// At least the number of values in the body of a request.
fn values(request: &Request) -> usize {
    10 + request.names.iter().flatten().count() + 4 * request.credentials.iter().flatten().count()
}
