//! Parses XML by local name; namespaces, prefixes and order are ignored.

use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::{
    body_tree::{BodyTree, MAXIMUM_VALUES, Text},
    error::BodyError,
    xml_reader::{self, OpenedElement},
};

/// Parses a body; an empty one is [`BodyTree::Null`].
///
/// # Errors
/// When the text is not well-formed, has a document type declaration, or is nested too deeply.
pub(crate) fn parse(text: &str) -> Result<BodyTree, BodyError> {
    if text.trim_ascii().is_empty() {
        return Ok(BodyTree::Null);
    }
    let (_, tree) = xml_reader::read::<Element>(text, &())?;
    Ok(tree)
}

struct Element {
    name: String,
    is_nil: bool,
    text: Zeroizing<String>,
    children: Vec<(String, BodyTree)>,
}

impl xml_reader::Element for Element {
    type Tree = (String, BodyTree);
    type Context = ();
    const MAXIMUM_ELEMENTS: usize = MAXIMUM_VALUES;

    fn open((): &(), opened: &OpenedElement<'_>) -> Self {
        Self {
            name: opened.name.to_owned(),
            is_nil: opened.is_nil,
            text: Zeroizing::default(),
            children: Vec::new(),
        }
    }

    fn text(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn child(&mut self, child: Self::Tree) {
        self.children.push(child);
    }

    fn close(self) -> Result<Self::Tree, BodyError> {
        let has_text = !self.text.trim_ascii().is_empty();
        let tree = match (self.is_nil, has_text, self.children.is_empty()) {
            (true, false, true) => BodyTree::Null,
            (false, _, true) => BodyTree::Untyped(Text(SecretString::from(self.text.as_str()))),
            (false, false, false) => BodyTree::Elements(self.children),
            (true, _, _) | (false, true, false) => return Err(BodyError::NotXml),
        };
        Ok((self.name, tree))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body_tree::MAXIMUM_DEPTH;

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
            "<xmlns:R/>",
            "<R><xmlns:V/></R>",
            "<R xmlns='http://www.w3.org/2000/xmlns/'/>",
            "<R xmlns:a='http://www.w3.org/2000/xmlns/'/>",
            "<R xmlns='http://www.w3.org/XML/1998/namespace'/>",
            "<R xmlns:a='http://www.w3.org/XML/1998/namespace'/>",
            "<R xmlns:xmlns='urn:x'/>",
            "<R xmlns:xml='urn:x'/>",
            "<R xmlns:a=''/>",
            "<R xmlns:a='urn:x' xmlns:b='urn:x' a:v='1' b:v='2'/>",
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
