//! Parses XML by local name; namespaces, prefixes and order are ignored.
//!
//! A document type declaration is refused, so there are no entities to expand and no external
//! resources to fetch.

use quick_xml::{
    NsReader,
    escape::{resolve_xml_entity, unescape},
    events::{BytesDecl, BytesRef, BytesStart, Event},
    name::{Namespace, ResolveResult},
};
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::error::BodyError;
use crate::{
    body_tree::{BodyTree, MAXIMUM_DEPTH, Text},
    charset::Charset,
};

/// The namespace of `nil`.
const SCHEMA_INSTANCE: Namespace<'_> = Namespace("http://www.w3.org/2001/XMLSchema-instance");

/// The maximum number of attributes of one element.
const MAXIMUM_ATTRIBUTES: usize = 32;

/// Parses a body; an empty one is [`BodyTree::Null`].
///
/// # Errors
/// When the text is not well-formed, has a document type declaration, or is nested too deeply.
pub(crate) fn parse(text: &str) -> Result<BodyTree, BodyError> {
    if text.trim_ascii().is_empty() {
        return Ok(BodyTree::Null);
    }
    if !text.chars().all(is_xml_char) {
        return Err(BodyError::NotXml);
    }
    let mut reader = NsReader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    reader.config_mut().check_comments = true;
    let mut tree = Tree::default();
    let mut is_first = true;
    loop {
        let event = reader.read_event().map_err(|_| BodyError::NotXml)?;
        match event {
            Event::Start(start) => tree.open(element(&reader, &start)?)?,
            Event::End(_) => tree.close()?,
            Event::Text(text) if text.contains("]]>") => return Err(BodyError::NotXml),
            Event::Text(text) => tree.text(&text.xml10_content())?,
            Event::CData(text) => tree.inner_text(&text.xml10_content())?,
            Event::GeneralRef(reference) => tree.inner_text(&resolve(&reference)?)?,
            Event::DocType(_) => return Err(BodyError::DocumentType),
            Event::Decl(declaration) if is_first => check_declaration(&declaration)?,
            Event::PI(instruction) if is_target(instruction.target()) => {}
            Event::Comment(_) => {}
            Event::Decl(_) | Event::PI(_) | Event::Empty(_) => return Err(BodyError::NotXml),
            Event::Eof => return tree.finish(),
        }
        is_first = false;
    }
}

/// Checks a declaration (XML 1.0, section 2.8), which must name an existing version and may name a
/// supported charset. The charset may differ from that of the body: some programs declare UTF-16 and
/// send UTF-8, and the two are unambiguous.
fn check_declaration(declaration: &BytesDecl<'_>) -> Result<(), BodyError> {
    let content = BytesStart::from_content(&**declaration, "xml".len());
    let mut remaining = ["version", "encoding", "standalone"].into_iter();
    let mut has_version = false;
    for attribute in content.attributes() {
        let attribute = attribute.map_err(|_| BodyError::NotXml)?;
        let (name, value) = (attribute.key.as_ref(), attribute.value.as_ref());
        let is_valid = match remaining.find(|known| *known == name) {
            Some("version") => matches!(value, "1.0" | "1.1"),
            Some("encoding") if Charset::find(value).is_none() => {
                return Err(BodyError::UnsupportedCharset);
            }
            Some("encoding") => true,
            Some(_) => matches!(value, "yes" | "no"),
            None => false,
        };
        has_version |= name == "version";
        if !is_valid {
            return Err(BodyError::NotXml);
        }
    }
    let is_valid = has_version && are_attributes_separated(content.attributes_raw());
    if is_valid { Ok(()) } else { Err(BodyError::NotXml) }
}

/// True for the name of a processing instruction.
fn is_target(name: &str) -> bool {
    is_name(name) && !name.eq_ignore_ascii_case("xml")
}

/// Resolves a character reference or one of the five predefined entities.
fn resolve(reference: &BytesRef<'_>) -> Result<String, BodyError> {
    if let Some(character) = reference.resolve_char_ref().map_err(|_| BodyError::NotXml)? {
        return if is_xml_char(character) { Ok(character.into()) } else { Err(BodyError::NotXml) };
    }
    resolve_xml_entity(reference).map(str::to_owned).ok_or(BodyError::NotXml)
}

/// `Char` of XML 1.0, section 2.2.
pub(crate) fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

/// The open elements, innermost last, and the root after it was closed.
#[derive(Default)]
struct Tree {
    open: Vec<Element>,
    root: Option<BodyTree>,
}

struct Element {
    name: String,
    is_nil: bool,
    text: Zeroizing<String>,
    children: Vec<(String, BodyTree)>,
}

impl Tree {
    fn open(&mut self, element: Element) -> Result<(), BodyError> {
        if self.open.len() == MAXIMUM_DEPTH {
            return Err(BodyError::TooDeep);
        }
        if self.root.is_some() {
            return Err(BodyError::NotXml);
        }
        self.open.push(element);
        Ok(())
    }

    fn close(&mut self) -> Result<(), BodyError> {
        let element = self.open.pop().ok_or(BodyError::NotXml)?;
        let name = element.name.clone();
        let tree = element.into_tree()?;
        match self.open.last_mut() {
            Some(parent) => parent.children.push((name, tree)),
            None => self.root = Some(tree),
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), BodyError> {
        match self.open.last_mut() {
            Some(element) => element.text.push_str(text),
            None if text.trim_ascii().is_empty() => {}
            None => return Err(BodyError::NotXml),
        }
        Ok(())
    }

    /// Text that is not allowed outside the root, not even white space.
    fn inner_text(&mut self, text: &str) -> Result<(), BodyError> {
        if self.open.is_empty() { Err(BodyError::NotXml) } else { self.text(text) }
    }

    fn finish(self) -> Result<BodyTree, BodyError> {
        if self.open.is_empty() {
            self.root.ok_or(BodyError::NotXml)
        } else {
            Err(BodyError::NotXml)
        }
    }
}

impl Element {
    fn into_tree(self) -> Result<BodyTree, BodyError> {
        let has_text = !self.text.trim_ascii().is_empty();
        if self.is_nil {
            let is_empty = !has_text && self.children.is_empty();
            return if is_empty { Ok(BodyTree::Null) } else { Err(BodyError::NotXml) };
        }
        if self.children.is_empty() {
            return Ok(BodyTree::Untyped(Text(SecretString::from(self.text.as_str()))));
        }
        if has_text { Err(BodyError::NotXml) } else { Ok(BodyTree::Elements(self.children)) }
    }
}

/// Opens an element and reads its attributes.
fn element(reader: &NsReader<&[u8]>, start: &BytesStart<'_>) -> Result<Element, BodyError> {
    let (namespace, name) = reader.resolver().resolve_element(start.name());
    if matches!(namespace, ResolveResult::Unknown(_)) || !is_name(start.name().as_ref()) {
        return Err(BodyError::NotXml);
    }
    if !are_attributes_separated(start.attributes_raw()) {
        return Err(BodyError::NotXml);
    }
    let mut is_nil = false;
    for (index, attribute) in start.attributes().enumerate() {
        let attribute = attribute.map_err(|_| BodyError::NotXml)?;
        if index == MAXIMUM_ATTRIBUTES {
            return Err(BodyError::TooManyValues);
        }
        let (namespace, local) = reader.resolver().resolve_attribute(attribute.key);
        let value: &str = attribute.value.as_ref();
        let is_known = !matches!(namespace, ResolveResult::Unknown(_));
        if value.contains('<') || !is_known || !is_name(attribute.key.as_ref()) {
            return Err(BodyError::NotXml);
        }
        let value = unescape(value).map_err(|_| BodyError::NotXml)?;
        if !value.chars().all(is_xml_char) {
            return Err(BodyError::NotXml);
        }
        if namespace == ResolveResult::Bound(SCHEMA_INSTANCE) && local.as_ref() == "nil" {
            is_nil = match value.trim_ascii() {
                "true" | "1" => true,
                "false" | "0" => false,
                _ => return Err(BodyError::NotXml),
            };
        }
    }
    let name = name.as_ref().to_owned();
    Ok(Element { name, is_nil, text: Zeroizing::default(), children: Vec::new() })
}

/// True when white space precedes every attribute (XML 1.0, section 3.1), which quick-xml does not
/// check.
fn are_attributes_separated(attributes: &str) -> bool {
    let mut open_quote = None;
    let mut is_after_value = false;
    attributes.chars().all(|c| {
        let is_separated = !is_after_value || c.is_ascii_whitespace();
        is_after_value = open_quote == Some(c);
        open_quote = match open_quote {
            Some(quote) => Some(quote).filter(|quote| *quote != c),
            None => Some(c).filter(|c| matches!(c, '"' | '\'')),
        };
        is_separated
    })
}

/// True for a name with at most one prefix (Namespaces in XML, section 4). Characters outside ASCII
/// are not checked.
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

    fn text(text: &str) -> BodyTree {
        BodyTree::Untyped(Text::from(text))
    }

    #[test]
    fn prefixes_namespaces_comments_and_instructions_are_ignored() {
        let plain = "<R><UserId>7</UserId><Credential><Value>a b</Value></Credential></R>";
        let decorated = "<?xml version=\"1.0\"?><!-- c --><x:R xmlns:x='urn:x' xmlns='urn:y'>\n \
             <?p i?><UserId xmlns='urn:z'>7</UserId>\n<x:Credential a='1'>\
             <x:Value>a<!-- c --> b</x:Value></x:Credential></x:R>\n";
        assert_eq!(parse(plain).unwrap(), parse(decorated).unwrap());
    }

    #[test]
    fn text_is_not_trimmed() {
        let body = "<R><V> a&amp;&#x41;&lt;<![CDATA[<b>&]]> </V><E/></R>";
        let expected = vec![("V".to_owned(), text(" a&A<<b>& ")), ("E".to_owned(), text(""))];
        assert_eq!(parse(body).unwrap(), BodyTree::Elements(expected));
    }

    #[test]
    fn nil_is_null_and_must_be_empty() {
        let body = "<R xmlns:i='http://www.w3.org/2001/XMLSchema-instance'><V i:nil='true'/></R>";
        let expected = vec![("V".to_owned(), BodyTree::Null)];
        assert_eq!(parse(body).unwrap(), BodyTree::Elements(expected));
        for (nil, is_nil) in [("&#116;rue", true), (" 1 ", true), ("false", false), ("0", false)] {
            let parsed = parse(&body.replace("'true'", &format!("'{nil}'"))).unwrap();
            let expected = if is_nil { BodyTree::Null } else { text("") };
            assert_eq!(parsed, BodyTree::Elements(vec![("V".to_owned(), expected)]), "{nil}");
        }
        assert_eq!(parse(&body.replace("'true'", "'TRUE'")), Err(BodyError::NotXml));
        // An attribute `nil` of another namespace.
        let other = parse("<R xmlns:x='urn:x'><V x:nil='true'/></R>").unwrap();
        assert_eq!(other, BodyTree::Elements(vec![("V".to_owned(), text(""))]));
        let full = body.replace("<V i:nil='true'/>", "<V i:nil='true'>x</V>");
        assert_eq!(parse(&full), Err(BodyError::NotXml));
    }

    #[test]
    fn every_document_type_declaration_is_refused() {
        for inner in
            ["R", "R [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]", "R SYSTEM 'file:///etc/passwd'"]
        {
            let body = format!("<?xml version='1.0'?><!DOCTYPE {inner}><R>&b;</R>");
            assert_eq!(parse(&body), Err(BodyError::DocumentType));
        }
    }

    #[test]
    fn malformed_xml_is_refused() {
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
            "<R a='1'b='2'/>",
            "<R a=\"1\"b='2'></R>",
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
            "<R a='&#25;'/>",
            "<R :a='1'/>",
        ] {
            assert_eq!(parse(body), Err(BodyError::NotXml), "{body}");
        }
    }

    #[test]
    fn content_outside_the_root_is_checked() {
        for before in [
            "<![CDATA[ ]]>",
            "&#32;",
            "<?XML bar?>",
            "<? ?>",
            "<?xml version='9.9'?>",
            "<?xml foo?>",
            "<?xml encoding='utf-8'?>",
            "<?xml version='1.0'?x='1'?>",
            "<?xml version='1.0' xmlns='urn:x'?>",
            "<?xml version='1.0'encoding='utf-8'?>",
            "<?xml version='1.0' standalone='maybe'?>",
            "<?xml version='1.0' standalone='yes' encoding='utf-8'?>",
        ] {
            assert_eq!(parse(&format!("{before}<R/>")), Err(BodyError::NotXml), "{before}");
        }
        for encoding in ["utf-8", "UTF-16", "utf-8' standalone='yes"] {
            assert!(parse(&format!("<?xml version='1.0' encoding='{encoding}'?><R/>")).is_ok());
        }
        for encoding in ["ISO-8859-1", "bogus"] {
            let body = format!("<?xml version='1.0' encoding='{encoding}'?><R/>");
            assert_eq!(parse(&body), Err(BodyError::UnsupportedCharset), "{encoding}");
        }
    }

    #[test]
    fn nesting_and_attributes_are_limited() {
        let nested = |depth: usize| "<a>".repeat(depth) + &"</a>".repeat(depth);
        assert!(parse(&nested(MAXIMUM_DEPTH)).is_ok());
        assert_eq!(parse(&nested(MAXIMUM_DEPTH + 1)), Err(BodyError::TooDeep));
        let attributes = (0..40).map(|n| format!(" a{n}='1'")).collect::<Vec<_>>().concat();
        assert_eq!(parse(&format!("<a{attributes}/>")), Err(BodyError::TooManyValues));
    }
}
