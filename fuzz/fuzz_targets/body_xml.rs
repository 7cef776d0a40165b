//! Bodies in XML, in every charset. What this service accepts must be well-formed for another
//! parser too.
#![no_main]

use credential_keeper_fuzz::{Limits, Request, assert_path_of_request, assert_reads_back, within};
use libfuzzer_sys::fuzz_target;
use wire_formats::{Format, ReadError, read, read_list};

fuzz_target!(|input: (u8, &[u8])| {
    let (charset, body) = (credential_keeper_fuzz::charset(input.0), input.1);
    let once = within(Limits::PARSER, body.len(), || read::<Request>(body, Format::Xml, charset));
    assert_eq!(once, read(body, Format::Xml, charset), "the second reading differs");
    let list =
        within(Limits::PARSER, body.len(), || read_list::<Request>(body, Format::Xml, charset));
    list.iter().flatten().for_each(assert_reads_back);
    let text = charset.decode(body).unwrap_or_default();
    match once {
        Ok(request) => {
            assert_is_well_formed(&text);
            assert_reads_back(&request);
        }
        Err(error) => {
            assert_path_of_request(&error);
            // Both parsers see every declaration in a well-formed text.
            let has_declaration = is_document_type(&text);
            assert!(!has_declaration || matches!(error, ReadError::Body(_)), "{error}");
        }
    }
});

/// True when the other parser finds a document type declaration, which it refuses by default.
fn is_document_type(text: &str) -> bool {
    matches!(roxmltree::Document::parse(text), Err(roxmltree::Error::DtdDetected))
}

fn assert_is_well_formed(text: &str) {
    // This service does not check names outside ASCII, and knows version 1.1.
    if text.trim_ascii().is_empty() || !text.is_ascii() || text.contains("1.1") {
        return;
    }
    let parsed = roxmltree::Document::parse(text);
    assert!(parsed.is_ok(), "not well-formed: {:?}", parsed.err());
}
