//! Reads well-formed XML, and builds a tree of any kind from its elements.
//!
//! A document type declaration is refused, so there are no entities to expand and no external
//! resources to fetch.

use std::borrow::Cow;

use quick_xml::{
    NsReader,
    escape::{resolve_xml_entity, unescape},
    events::{BytesDecl, BytesRef, BytesStart, Event},
    name::{QName, ResolveResult},
};

use crate::{body_tree::MAXIMUM_DEPTH, charset::Charset, error::BodyError};

/// The namespace of `nil`.
const SCHEMA_INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// The namespaces of the prefixes `xml` and `xmlns` (Namespaces in XML, section 3).
const XML: &str = "http://www.w3.org/XML/1998/namespace";
const DECLARATIONS: &str = "http://www.w3.org/2000/xmlns/";

/// The maximum number of attributes of one element.
const MAXIMUM_ATTRIBUTES: usize = 32;

/// An element whose tree is built.
pub(crate) trait Element: Sized {
    /// The tree of an element after its end.
    type Tree;
    /// What the builder knows about the document.
    type Context: ?Sized;
    /// The maximum number of elements of one document.
    const MAXIMUM_ELEMENTS: usize;

    /// Starts an element.
    fn open(context: &Self::Context, opened: &OpenedElement<'_>) -> Self;

    /// Adds text.
    fn text(&mut self, text: &str);

    /// Adds a child.
    fn child(&mut self, child: Self::Tree);

    /// Ends the element.
    ///
    /// # Errors
    /// When its content is invalid.
    fn close(self) -> Result<Self::Tree, BodyError>;
}

/// The start of an element.
pub(crate) struct OpenedElement<'document> {
    pub(crate) namespace: Option<&'document str>,
    pub(crate) name: &'document str,
    pub(crate) is_nil: bool,
    pub(crate) attributes: Vec<OpenedAttribute<'document>>,
}

/// An attribute of an element.
pub(crate) struct OpenedAttribute<'document> {
    pub(crate) namespace: Option<&'document str>,
    pub(crate) name: &'document str,
    pub(crate) value: Cow<'document, str>,
}

impl OpenedAttribute<'_> {
    fn has_name_of(&self, other: &Self) -> bool {
        (self.namespace, self.name) == (other.namespace, other.name)
    }
}

/// Reads a document.
///
/// # Errors
/// When the text is not well-formed, has a document type declaration, is nested too deeply or has
/// too many elements.
pub(crate) fn read<E: Element>(text: &str, context: &E::Context) -> Result<E::Tree, BodyError> {
    if !text.chars().all(is_xml_char) {
        return Err(BodyError::NotXml);
    }
    let mut reader = NsReader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    reader.config_mut().check_comments = true;
    let mut document = Document::<E>::new();
    let mut is_first = true;
    loop {
        let event = reader.read_event().map_err(|_| BodyError::NotXml)?;
        match event {
            Event::Start(start) => document.open(|| element(&reader, &start, context))?,
            Event::End(_) => document.close()?,
            Event::Text(text) if text.contains("]]>") => return Err(BodyError::NotXml),
            Event::Text(text) => document.text(&text.xml10_content())?,
            Event::CData(text) => document.inner_text(&text.xml10_content())?,
            Event::GeneralRef(reference) => document.inner_text(&resolve(&reference)?)?,
            Event::DocType(_) => return Err(BodyError::DocumentType),
            Event::Decl(declaration) if is_first => check_declaration(&declaration)?,
            Event::PI(instruction) if is_target(instruction.target()) => {}
            Event::Comment(_) => {}
            Event::Decl(_) | Event::PI(_) | Event::Empty(_) => return Err(BodyError::NotXml),
            Event::Eof => return document.finish(),
        }
        is_first = false;
    }
}

/// The open elements, innermost last, and the tree of the root after it was closed.
struct Document<E: Element> {
    open: Vec<E>,
    root: Option<E::Tree>,
    elements: usize,
}

impl<E: Element> Document<E> {
    fn new() -> Self {
        Self { open: Vec::new(), root: None, elements: 0 }
    }

    fn open(&mut self, element: impl FnOnce() -> Result<E, BodyError>) -> Result<(), BodyError> {
        let element = element()?;
        if self.open.len() == MAXIMUM_DEPTH {
            return Err(BodyError::TooDeep);
        }
        if self.root.is_some() {
            return Err(BodyError::NotXml);
        }
        self.elements += 1;
        if self.elements > E::MAXIMUM_ELEMENTS {
            return Err(BodyError::TooManyValues);
        }
        self.open.push(element);
        Ok(())
    }

    fn close(&mut self) -> Result<(), BodyError> {
        let tree = self.open.pop().ok_or(BodyError::NotXml)?.close()?;
        match self.open.last_mut() {
            Some(parent) => parent.child(tree),
            None => self.root = Some(tree),
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), BodyError> {
        match self.open.last_mut() {
            Some(element) => element.text(text),
            None if text.trim_ascii().is_empty() => {}
            None => return Err(BodyError::NotXml),
        }
        Ok(())
    }

    /// Text that is not allowed outside the root, not even white space.
    fn inner_text(&mut self, text: &str) -> Result<(), BodyError> {
        if self.open.is_empty() { Err(BodyError::NotXml) } else { self.text(text) }
    }

    fn finish(self) -> Result<E::Tree, BodyError> {
        if self.open.is_empty() {
            self.root.ok_or(BodyError::NotXml)
        } else {
            Err(BodyError::NotXml)
        }
    }
}

/// Opens an element and reads its attributes.
fn element<E: Element>(
    reader: &NsReader<&[u8]>,
    start: &BytesStart<'_>,
    context: &E::Context,
) -> Result<E, BodyError> {
    let attributes = attributes(reader, start)?;
    let (namespace, name) = reader.resolver().resolve_element(start.name());
    let namespace = bound(&namespace)?;
    if !is_name(start.name().as_ref()) || is_reserved(start.name(), namespace) {
        return Err(BodyError::NotXml);
    }
    let is_nil = is_nil(&attributes)?;
    Ok(E::open(context, &OpenedElement { namespace, name: name.into_inner(), is_nil, attributes }))
}

/// The attributes of an element, in their order.
fn attributes<'document>(
    reader: &'document NsReader<&[u8]>,
    start: &'document BytesStart<'_>,
) -> Result<Vec<OpenedAttribute<'document>>, BodyError> {
    let mut attributes: Vec<OpenedAttribute<'_>> = Vec::new();
    for (index, attribute) in start.attributes().enumerate() {
        let attribute = attribute.map_err(|_| BodyError::NotXml)?;
        if index == MAXIMUM_ATTRIBUTES {
            return Err(BodyError::TooManyValues);
        }
        let (namespace, name) = reader.resolver().resolve_attribute(attribute.key);
        let namespace = bound(&namespace)?;
        if attribute.value.contains('<') || !is_name(attribute.key.as_ref()) {
            return Err(BodyError::NotXml);
        }
        let is_declaration = namespace == Some(DECLARATIONS);
        let value = unescaped(attribute.value)?;
        let attribute = OpenedAttribute { namespace, name: name.into_inner(), value };
        // quick-xml compares names with their prefixes, and two prefixes can have one namespace.
        let is_repeated = attributes.iter().any(|other| other.has_name_of(&attribute));
        if is_repeated || (is_declaration && attribute.value.is_empty()) {
            return Err(BodyError::NotXml);
        }
        attributes.push(attribute);
    }
    if are_attributes_separated(start.attributes_raw()) {
        Ok(attributes)
    } else {
        Err(BodyError::NotXml)
    }
}

/// True for an element with the prefix `xmlns`, and for one whose default namespace is that of a
/// prefix that has its own (Namespaces in XML, section 3). quick-xml checks other prefixes.
fn is_reserved(name: QName<'_>, namespace: Option<&str>) -> bool {
    namespace == Some(DECLARATIONS) || (namespace == Some(XML) && name.prefix().is_none())
}

/// The namespace of a name; `None` for a name in no namespace.
fn bound<'document>(
    resolved: &ResolveResult<'document>,
) -> Result<Option<&'document str>, BodyError> {
    match resolved {
        ResolveResult::Bound(namespace) => Ok(Some(namespace.into_inner())),
        ResolveResult::Unbound => Ok(None),
        ResolveResult::Unknown(_) => Err(BodyError::NotXml),
    }
}

/// The value of an attribute, with its references resolved.
fn unescaped(raw: Cow<'_, str>) -> Result<Cow<'_, str>, BodyError> {
    let value = match raw {
        Cow::Borrowed(raw) => unescape(raw),
        Cow::Owned(raw) => unescape(&raw).map(|value| Cow::Owned(value.into_owned())),
    };
    value.ok().filter(|value| value.chars().all(is_xml_char)).ok_or(BodyError::NotXml)
}

/// The value of `xsi:nil`.
fn is_nil(attributes: &[OpenedAttribute<'_>]) -> Result<bool, BodyError> {
    let nil = attributes
        .iter()
        .find(|attribute| attribute.namespace == Some(SCHEMA_INSTANCE) && attribute.name == "nil");
    let value = nil.map_or(Some(false), |attribute| boolean(&attribute.value));
    value.ok_or(BodyError::NotXml)
}

/// A boolean of XML Schema; `None` for another text.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text.trim_ascii() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
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
