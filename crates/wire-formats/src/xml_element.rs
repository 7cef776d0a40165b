//! Reads XML as a tree of elements with their namespaces, for formats that depend on them.

use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::{
    charset::Charset,
    error::BodyError,
    xml_reader::{self, OpenedElement, boolean},
};

/// An XML element.
///
/// The reader of a document names the namespaces that it knows. Attributes in no namespace or in an
/// unknown one are dropped.
pub struct XmlElement {
    /// The namespace of the element.
    pub namespace: XmlNamespace,
    /// The name without prefix.
    pub name: String,
    /// The attributes in a known namespace.
    pub attributes: Vec<XmlAttribute>,
    /// True for an element with `xsi:nil`, which is empty.
    pub is_nil: bool,
    /// The text, which may be a secret. It is white space if the element has children.
    pub text: SecretString,
    /// The child elements.
    pub children: Vec<XmlElement>,
}

/// The namespace of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum XmlNamespace {
    /// No namespace.
    None,
    /// A namespace that the reader of the document knows.
    Known(&'static str),
    /// Any other namespace.
    Other,
}

/// An attribute in a known namespace.
pub struct XmlAttribute {
    /// The namespace.
    pub namespace: &'static str,
    /// The name without prefix.
    pub name: String,
    /// The value.
    pub value: String,
}

impl XmlAttribute {
    /// The value as a boolean of XML Schema; `None` for another text.
    #[must_use]
    pub fn boolean(&self) -> Option<bool> {
        boolean(&self.value)
    }
}

impl XmlElement {
    /// Reads a document. `namespaces` are the known ones.
    ///
    /// # Errors
    /// When the bytes are not text in this charset, or when the text is not well-formed, mixes text
    /// and elements, has a document type declaration, is nested too deeply or has more than 1,000
    /// elements.
    pub fn read(
        bytes: &[u8],
        charset: Charset,
        namespaces: &[&'static str],
    ) -> Result<Self, BodyError> {
        let text = charset.decode(bytes)?;
        xml_reader::read::<OpenElement>(&text, namespaces)
    }

    /// True for an element with this name in this namespace.
    #[must_use]
    pub fn is(&self, namespace: &'static str, name: &str) -> bool {
        self.namespace == XmlNamespace::Known(namespace) && self.name == name
    }

    /// The attribute with this name in this namespace.
    #[must_use]
    pub fn attribute(&self, namespace: &'static str, name: &str) -> Option<&XmlAttribute> {
        let mut attributes = self.attributes.iter();
        attributes.find(|attribute| attribute.namespace == namespace && attribute.name == name)
    }
}

/// An element before its end.
struct OpenElement {
    namespace: XmlNamespace,
    name: String,
    attributes: Vec<XmlAttribute>,
    is_nil: bool,
    text: Zeroizing<String>,
    children: Vec<XmlElement>,
}

impl xml_reader::Element for OpenElement {
    type Tree = XmlElement;
    type Context = [&'static str];
    const MAXIMUM_ELEMENTS: usize = 1000;

    fn open(known: &[&'static str], opened: &OpenedElement<'_>) -> Self {
        let find = |name: &str| known.iter().copied().find(|known| *known == name);
        let attributes = opened.attributes.iter().filter_map(|attribute| {
            Some(XmlAttribute {
                namespace: find(attribute.namespace?)?,
                name: attribute.name.to_owned(),
                value: attribute.value.clone().into_owned(),
            })
        });
        let namespace = match opened.namespace.map(find) {
            None => XmlNamespace::None,
            Some(Some(known)) => XmlNamespace::Known(known),
            Some(None) => XmlNamespace::Other,
        };
        Self {
            namespace,
            name: opened.name.to_owned(),
            attributes: attributes.collect(),
            is_nil: opened.is_nil,
            text: Zeroizing::default(),
            children: Vec::new(),
        }
    }

    fn text(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn child(&mut self, child: XmlElement) {
        self.children.push(child);
    }

    fn close(self) -> Result<XmlElement, BodyError> {
        let has_text = !self.text.trim_ascii().is_empty();
        let has_children = !self.children.is_empty();
        if has_text && has_children || self.is_nil && (has_text || has_children) {
            return Err(BodyError::NotXml);
        }
        let Self { namespace, name, attributes, is_nil, text, children } = self;
        let text = SecretString::from(text.as_str());
        Ok(XmlElement { namespace, name, attributes, is_nil, text, children })
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    const KNOWN: &str = "urn:known";

    fn read(text: &str) -> Result<XmlElement, BodyError> {
        XmlElement::read(text.as_bytes(), Charset::Utf8, &[KNOWN])
    }

    #[test]
    fn elements_and_attributes_keep_their_namespaces() {
        let body = "<a:R xmlns:a='urn:known' xmlns:b='urn:other' a:x=' 1 ' b:x='2' x='3'>\
                    <V>&lt;v></V> <b:V/><V xmlns='urn:known' a:y='true'/></a:R>";
        let root = read(body).unwrap();
        assert!(root.is(KNOWN, "R") && !root.is(KNOWN, "r"));
        assert_eq!(root.attributes.len(), 1);
        assert_eq!(root.attribute(KNOWN, "x").unwrap().boolean(), Some(true));
        let namespaces: Vec<_> = root.children.iter().map(|child| child.namespace).collect();
        let known = XmlNamespace::Known(KNOWN);
        assert_eq!(namespaces, [XmlNamespace::None, XmlNamespace::Other, known]);
        assert_eq!(root.children[0].text.expose_secret(), "<v>");
    }

    #[test]
    fn text_beside_elements_and_content_of_nil_are_refused() {
        let nil = "xmlns:i='http://www.w3.org/2001/XMLSchema-instance' i:nil='1'";
        assert!(read(&format!("<R {nil}/>")).unwrap().is_nil);
        for body in ["<R>x<V/></R>".to_owned(), format!("<R {nil}>x</R>"), String::new()] {
            assert_eq!(read(&body).err(), Some(BodyError::NotXml), "{body}");
        }
        assert_eq!(read("<!DOCTYPE R><R/>").err(), Some(BodyError::DocumentType));
    }

    #[test]
    fn the_number_of_elements_is_limited() {
        let body = |elements: usize| format!("<R>{}</R>", "<V/>".repeat(elements));
        assert!(read(&body(999)).is_ok());
        assert_eq!(read(&body(1000)).err(), Some(BodyError::TooManyValues));
    }
}
