//! XML into a [`Document`]: by local name, whatever the namespaces, prefixes and order
//! (protocol.md 4.6).
//!
//! A document type declaration is refused before anything is made of it, so there are no entities
//! to expand and nothing outside to fetch.

use quick_xml::{
    NsReader,
    escape::{resolve_xml_entity, unescape},
    events::{BytesDecl, BytesRef, BytesStart, Event},
    name::{Namespace, ResolveResult},
};
use secrecy::SecretString;
use zeroize::Zeroizing;

use super::{
    charset::Charset,
    document::{Document, MAXIMUM_DEPTH, Text},
};
use crate::http::error::BodyFault;

/// Where `nil` is.
const SCHEMA_INSTANCE: Namespace<'_> = Namespace("http://www.w3.org/2001/XMLSchema-instance");

/// Attributes of one element; more than any caller's library writes.
const MAXIMUM_ATTRIBUTES: usize = 32;

/// Parses a body; an empty one is [`Document::Null`].
///
/// # Errors
/// When it is not well-formed, has a document type declaration, or is nested too deeply.
pub(super) fn parse(text: &str) -> Result<Document, BodyFault> {
    if text.trim_ascii().is_empty() {
        return Ok(Document::Null);
    }
    if !text.chars().all(is_xml_char) {
        return Err(BodyFault::NotXml);
    }
    let mut reader = NsReader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    reader.config_mut().check_comments = true;
    let mut tree = Tree::default();
    let mut is_first = true;
    loop {
        let event = reader.read_event().map_err(|_| BodyFault::NotXml)?;
        match event {
            Event::Start(start) => tree.open(element(&reader, &start)?)?,
            Event::End(_) => tree.close()?,
            Event::Text(text) if text.contains("]]>") => return Err(BodyFault::NotXml),
            Event::Text(text) => tree.text(&text.xml10_content())?,
            Event::CData(text) => tree.inner_text(&text.xml10_content())?,
            Event::GeneralRef(reference) => tree.inner_text(&resolve(&reference)?)?,
            Event::DocType(_) => return Err(BodyFault::DocumentType),
            Event::Decl(declaration) if is_first => check_declaration(&declaration)?,
            Event::PI(instruction) if is_target(instruction.target()) => {}
            Event::Comment(_) => {}
            Event::Decl(_) | Event::PI(_) | Event::Empty(_) => return Err(BodyFault::NotXml),
            Event::Eof => return tree.finish(),
        }
        is_first = false;
    }
}

/// A declaration names a version that there is and, if any, a charset of ours. Programs declare
/// UTF-16 and send UTF-8; both cannot be mistaken for each other, unlike any other charset.
fn check_declaration(declaration: &BytesDecl<'_>) -> Result<(), BodyFault> {
    let version = declaration.version().map_err(|_| BodyFault::NotXml)?;
    if !matches!(version.as_ref(), "1.0" | "1.1") {
        return Err(BodyFault::NotXml);
    }
    let encoding = declaration.encoding().transpose().map_err(|_| BodyFault::NotXml)?;
    let is_ours = encoding.is_none_or(|name| Charset::find(&name).is_some());
    if is_ours { Ok(()) } else { Err(BodyFault::ForeignCharset) }
}

/// True for the name of a processing instruction.
fn is_target(name: &str) -> bool {
    is_name(name) && !name.eq_ignore_ascii_case("xml")
}

/// A character or one of XML's own five entities; there can be no others without a DTD.
fn resolve(reference: &BytesRef<'_>) -> Result<String, BodyFault> {
    if let Some(character) = reference.resolve_char_ref().map_err(|_| BodyFault::NotXml)? {
        return if is_xml_char(character) { Ok(character.into()) } else { Err(BodyFault::NotXml) };
    }
    resolve_xml_entity(reference).map(str::to_owned).ok_or(BodyFault::NotXml)
}

/// `Char` of XML 1.0, section 2.2.
pub(super) fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

/// The elements that are open, innermost last, and the root once it is closed.
#[derive(Default)]
struct Tree {
    open: Vec<Element>,
    root: Option<Document>,
}

struct Element {
    name: String,
    is_nil: bool,
    text: Zeroizing<String>,
    children: Vec<(String, Document)>,
}

impl Tree {
    fn open(&mut self, element: Element) -> Result<(), BodyFault> {
        if self.open.len() == MAXIMUM_DEPTH {
            return Err(BodyFault::TooDeep);
        }
        if self.root.is_some() {
            return Err(BodyFault::NotXml);
        }
        self.open.push(element);
        Ok(())
    }

    fn close(&mut self) -> Result<(), BodyFault> {
        let element = self.open.pop().ok_or(BodyFault::NotXml)?;
        let name = element.name.clone();
        let document = element.into_document()?;
        match self.open.last_mut() {
            Some(parent) => parent.children.push((name, document)),
            None => self.root = Some(document),
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), BodyFault> {
        match self.open.last_mut() {
            Some(element) => element.text.push_str(text),
            None if text.trim_ascii().is_empty() => {}
            None => return Err(BodyFault::NotXml),
        }
        Ok(())
    }

    /// Text that may not stand outside of the root, not even as blanks.
    fn inner_text(&mut self, text: &str) -> Result<(), BodyFault> {
        if self.open.is_empty() { Err(BodyFault::NotXml) } else { self.text(text) }
    }

    fn finish(self) -> Result<Document, BodyFault> {
        if self.open.is_empty() {
            self.root.ok_or(BodyFault::NotXml)
        } else {
            Err(BodyFault::NotXml)
        }
    }
}

impl Element {
    fn into_document(self) -> Result<Document, BodyFault> {
        let has_text = !self.text.trim_ascii().is_empty();
        if self.is_nil {
            let is_empty = !has_text && self.children.is_empty();
            return if is_empty { Ok(Document::Null) } else { Err(BodyFault::NotXml) };
        }
        if self.children.is_empty() {
            return Ok(Document::Untyped(Text(SecretString::from(self.text.as_str()))));
        }
        if has_text { Err(BodyFault::NotXml) } else { Ok(Document::Elements(self.children)) }
    }
}

/// An element that was opened, with what its attributes say.
fn element(reader: &NsReader<&[u8]>, start: &BytesStart<'_>) -> Result<Element, BodyFault> {
    let (namespace, name) = reader.resolver().resolve_element(start.name());
    if matches!(namespace, ResolveResult::Unknown(_)) || !is_name(start.name().as_ref()) {
        return Err(BodyFault::NotXml);
    }
    let mut is_nil = false;
    for (index, attribute) in start.attributes().enumerate() {
        let attribute = attribute.map_err(|_| BodyFault::NotXml)?;
        if index == MAXIMUM_ATTRIBUTES {
            return Err(BodyFault::TooManyValues);
        }
        let (namespace, local) = reader.resolver().resolve_attribute(attribute.key);
        let value: &str = attribute.value.as_ref();
        let is_known = !matches!(namespace, ResolveResult::Unknown(_));
        if value.contains('<') || !is_known || !is_name(attribute.key.as_ref()) {
            return Err(BodyFault::NotXml);
        }
        let value = unescape(value).map_err(|_| BodyFault::NotXml)?;
        if namespace == ResolveResult::Bound(SCHEMA_INSTANCE) && local.as_ref() == "nil" {
            is_nil = match value.trim_ascii() {
                "true" | "1" => true,
                "false" | "0" => false,
                _ => return Err(BodyFault::NotXml),
            };
        }
    }
    let name = name.as_ref().to_owned();
    Ok(Element { name, is_nil, text: Zeroizing::default(), children: Vec::new() })
}

/// A name with at most one prefix (Namespaces in XML, section 4), as far as ASCII goes.
fn is_name(name: &str) -> bool {
    let is_part = |part: &str| {
        let is_start = |c: char| c.is_alphabetic() || c == '_';
        let is_inner = |c: char| c.is_alphanumeric() || !c.is_ascii() || "_-.".contains(c);
        part.starts_with(is_start) && part.chars().all(is_inner)
    };
    match name.split_once(':') {
        Some((prefix, local)) => is_part(prefix) && is_part(local),
        None => is_part(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Document {
        Document::Untyped(Text::from(text))
    }

    #[test]
    fn prefixes_namespaces_comments_and_instructions_do_not_matter() {
        let plain = "<R><UserId>7</UserId><Credential><Value>a b</Value></Credential></R>";
        let dressed = "<?xml version=\"1.0\"?><!-- c --><x:R xmlns:x='urn:x' xmlns='urn:y'>\n \
             <?p i?><UserId xmlns='urn:z'>7</UserId>\n<x:Credential a='1'>\
             <x:Value>a<!-- c --> b</x:Value></x:Credential></x:R>\n";
        assert_eq!(parse(plain).unwrap(), parse(dressed).unwrap());
    }

    #[test]
    fn text_is_kept_as_it_is() {
        let body = "<R><V> a&amp;&#x41;&lt;<![CDATA[<b>&]]> </V><E/></R>";
        let expected = vec![("V".to_owned(), text(" a&A<<b>& ")), ("E".to_owned(), text(""))];
        assert_eq!(parse(body).unwrap(), Document::Elements(expected));
    }

    #[test]
    fn nil_is_null_and_needs_to_be_empty() {
        let body = "<R xmlns:i='http://www.w3.org/2001/XMLSchema-instance'><V i:nil='true'/></R>";
        let expected = vec![("V".to_owned(), Document::Null)];
        assert_eq!(parse(body).unwrap(), Document::Elements(expected));
        for (nil, is_nil) in [("&#116;rue", true), (" 1 ", true), ("false", false), ("0", false)] {
            let parsed = parse(&body.replace("'true'", &format!("'{nil}'"))).unwrap();
            let expected = if is_nil { Document::Null } else { text("") };
            assert_eq!(parsed, Document::Elements(vec![("V".to_owned(), expected)]), "{nil}");
        }
        assert_eq!(parse(&body.replace("'true'", "'TRUE'")), Err(BodyFault::NotXml));
        // Another nil is none of ours.
        let other = parse("<R xmlns:x='urn:x'><V x:nil='true'/></R>").unwrap();
        assert_eq!(other, Document::Elements(vec![("V".to_owned(), text(""))]));
        let full = body.replace("<V i:nil='true'/>", "<V i:nil='true'>x</V>");
        assert_eq!(parse(&full), Err(BodyFault::NotXml));
    }

    #[test]
    fn a_document_type_is_refused_whatever_is_in_it() {
        for inner in
            ["R", "R [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]", "R SYSTEM 'file:///etc/passwd'"]
        {
            let body = format!("<?xml version='1.0'?><!DOCTYPE {inner}><R>&b;</R>");
            assert_eq!(parse(&body), Err(BodyFault::DocumentType));
        }
    }

    #[test]
    fn what_is_not_well_formed_is_refused() {
        for body in [
            "<R>",
            "<R></S>",
            "<R/><R/>",
            "x<R/>",
            "<R/>x",
            "<R>&unknown;</R>",
            "<R>&#0;</R>",
            "<R>&#xD800;</R>",
            "<R>\u{0}</R>",
            "<R>\u{1}</R>",
            "<R a='1' a='2'/>",
            "<R a=1/>",
            "<R>x<V/></R>",
            "{}",
            "<",
            "<R>&amp</R>",
            "</R>",
            "<R>]]></R",
            "<R>]]></R>",
            "<1R/>",
            "<a:b:R/>",
            "<x:R/>",
            "<R x:a='1'/>",
            "<R><?xml version='1.0'?></R>",
            "<R/><?xml version='1.0'?>",
            "<R><!-- a -- b --></R>",
            "<R a='<'/>",
            "<R a='&bogus;'/>",
            "<R :a='1'/>",
        ] {
            assert_eq!(parse(body), Err(BodyFault::NotXml), "{body}");
        }
    }

    #[test]
    fn what_stands_around_the_root_is_looked_at_too() {
        for before in [
            "<![CDATA[ ]]>",
            "&#32;",
            "<?XML bar?>",
            "<? ?>",
            "<?xml version='9.9'?>",
            "<?xml foo?>",
        ] {
            assert_eq!(parse(&format!("{before}<R/>")), Err(BodyFault::NotXml), "{before}");
        }
        for encoding in ["utf-8", "UTF-16", "utf-8' standalone='yes"] {
            assert!(parse(&format!("<?xml version='1.0' encoding='{encoding}'?><R/>")).is_ok());
        }
        for encoding in ["ISO-8859-1", "bogus"] {
            let body = format!("<?xml version='1.0' encoding='{encoding}'?><R/>");
            assert_eq!(parse(&body), Err(BodyFault::ForeignCharset), "{encoding}");
        }
    }

    #[test]
    fn nesting_and_attributes_are_limited() {
        let nested = |depth: usize| "<a>".repeat(depth) + &"</a>".repeat(depth);
        assert!(parse(&nested(MAXIMUM_DEPTH)).is_ok());
        assert_eq!(parse(&nested(MAXIMUM_DEPTH + 1)), Err(BodyFault::TooDeep));
        let attributes = (0..40).map(|n| format!(" a{n}='1'")).collect::<Vec<_>>().concat();
        assert_eq!(parse(&format!("<a{attributes}/>")), Err(BodyFault::TooManyValues));
    }
}
