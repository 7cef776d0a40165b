//! Compares the formats: the same request has the same meaning in each format.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

use proptest::prelude::*;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::json;
use wire_formats::{
    BodyError, Charset, Format, MemberError, ReadError, Selection, XmlNames, read_required, write,
};

/// The namespace of the types of these tests.
const NAMESPACE: &str = "http://schemas.datacontract.org/2004/07/Example";

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Request {
    user_id: Option<i32>,
    is_active: Option<bool>,
    credential: Option<Credential>,
    names: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Credential {
    value: Option<SecretString>,
    r#type: Option<Type>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Type {
    r#type: Option<String>,
}

fn read(body: &str, format: Format) -> Result<Request, ReadError> {
    wire_formats::read(body.as_bytes(), format, Charset::Utf8)
}

fn error_of(body: &str, format: Format) -> ReadError {
    read(body, format).err().unwrap_or_else(|| panic!("was read: {body}"))
}

fn member_error(path: &str, error: MemberError) -> ReadError {
    ReadError::Member { path: path.to_owned(), error }
}

#[test]
fn every_format_has_the_same_meaning() {
    for (body, format) in [
        (
            r#"{"userID":7,"x":[1.5],"isactive":true,"Credential":{"VALUE":"a b","type":{"Type":"t"}}}"#,
            Format::Json,
        ),
        (
            "<R><userId> 7 </userId><x><y/></x><ISACTIVE>true</ISACTIVE><Credential><Value>a b</Value>\
          <Type><Type>t</Type></Type></Credential></R>",
            Format::Xml,
        ),
        ("userid=7&x=1&IsActive=true&credential.value=a+b&Credential[Type][Type]=t", Format::Form),
    ] {
        let request = read(body, format).unwrap();
        let credential = request.credential.unwrap();
        assert_eq!((request.user_id, request.is_active), (Some(7), Some(true)));
        assert_eq!(credential.value.unwrap().expose_secret(), "a b");
        assert_eq!(credential.r#type.unwrap().r#type.unwrap(), "t");
    }
}

#[test]
fn a_required_body_is_neither_empty_nor_null() {
    let nil = "<R xmlns:i='http://www.w3.org/2001/XMLSchema-instance' i:nil='true'/>";
    for (body, format) in [
        ("", Format::Json),
        (" ", Format::Json),
        ("null", Format::Json),
        ("", Format::Xml),
        ("<R/>", Format::Xml),
        ("<R> </R>", Format::Xml),
        (nil, Format::Xml),
        ("", Format::Form),
    ] {
        let missing = read_required::<Request>(body.as_bytes(), format, Charset::Utf8).unwrap_err();
        assert_eq!(missing, BodyError::Missing.into(), "{body}");
    }
    for (body, format) in [("{}", Format::Json), ("<R><X/></R>", Format::Xml), ("x=", Format::Form)]
    {
        read_required::<Request>(body.as_bytes(), format, Charset::Utf8).unwrap();
    }
    let list = read_required::<Request>(b"[]", Format::Json, Charset::Utf8).unwrap_err();
    assert_eq!(list, BodyError::NotObject.into());
}

#[test]
fn an_empty_body_null_and_an_empty_object_have_no_members() {
    for (body, format) in [
        ("", Format::Json),
        (" ", Format::Json),
        ("null", Format::Json),
        ("{}", Format::Json),
        (r#"{"UserId":null,"Credential":null}"#, Format::Json),
        ("", Format::Xml),
        ("<R/>", Format::Xml),
        ("<R> </R>", Format::Xml),
        ("<R xmlns:i='http://www.w3.org/2001/XMLSchema-instance' i:nil='true'/>", Format::Xml),
        (
            "<R xmlns:i='http://www.w3.org/2001/XMLSchema-instance'><UserId i:nil='1'/></R>",
            Format::Xml,
        ),
        ("", Format::Form),
    ] {
        let request = read(body, format).unwrap();
        assert!(request.user_id.is_none() && request.credential.is_none(), "{body}");
    }
}

#[test]
fn a_list_is_read_from_json_and_from_repeated_elements() {
    for (body, format) in [
        (r#"{"Names":["a","b"]}"#, Format::Json),
        ("<R><Names><string>a</string><string>b</string></Names></R>", Format::Xml),
    ] {
        assert_eq!(read(body, format).unwrap().names.unwrap(), ["a", "b"]);
    }
    let error = error_of(r#"{"names":["a",1.5]}"#, Format::Json);
    assert_eq!(error, member_error("Names[1]", MemberError::NotText));
}

#[test]
fn scalars_are_coerced_as_json_net_does() {
    let json = |number: &str| read(&format!("{{\"UserId\":{number}}}"), Format::Json).unwrap();
    for (number, expected) in [
        ("278", 278),
        ("\"278\"", 278),
        ("\" 278 \"", 278),
        ("\"\\t278\\r\\n\"", 278),
        ("\"+278\"", 278),
        ("\"-278\"", -278),
        ("\"000278\"", 278),
        ("\"-2147483648\"", i32::MIN),
    ] {
        assert_eq!(json(number).user_id, Some(expected), "{number}");
    }
    let json = |value: &str| read(&format!("{{\"IsActive\":{value}}}"), Format::Json).unwrap();
    for (value, expected) in [
        ("\"true\"", true),
        ("\" TRUE \"", true),
        ("\"False\"", false),
        ("1", true),
        ("2", true),
        ("-1", true),
        ("18446744073709551615", true),
        ("0", false),
    ] {
        assert_eq!(json(value).is_active, Some(expected), "{value}");
    }
    let xml = |value: &str| read(&format!("<R><IsActive>{value}</IsActive></R>"), Format::Xml);
    let form = |value: &str| read(&format!("IsActive={value}"), Format::Form);
    for (value, expected) in [("True", true), ("1", true), ("false", false), ("0", false)] {
        assert_eq!(xml(value).unwrap().is_active, Some(expected), "{value}");
        assert_eq!(form(value).unwrap().is_active, Some(expected), "{value}");
    }
    for (value, expected) in [
        ("12345", "12345"),
        ("-5", "-5"),
        ("0", "0"),
        ("18446744073709551615", "18446744073709551615"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("true", "true"),
        ("false", "false"),
        ("\" 1 \"", " 1 "),
    ] {
        let body = format!("{{\"Credential\":{{\"Value\":{value}}},\"Names\":[{value}]}}");
        let request = read(&body, Format::Json).unwrap();
        let secret = request.credential.unwrap().value.unwrap();
        assert_eq!(secret.expose_secret(), expected);
        assert_eq!(request.names.unwrap(), [expected]);
    }
}

#[test]
fn an_invalid_value_names_the_whole_path() {
    use MemberError::{NotBoolean, NotInteger, NotList, NotObject, NotText, OutOfRange};
    for (body, format, path, error) in [
        (r#"{"userid":"1.0"}"#, Format::Json, "UserId", NotInteger),
        (r#"{"userid":"1e2"}"#, Format::Json, "UserId", NotInteger),
        (r#"{"userid":"0x1"}"#, Format::Json, "UserId", NotInteger),
        (r#"{"userid":"1 2"}"#, Format::Json, "UserId", NotInteger),
        (r#"{"userid":"+-1"}"#, Format::Json, "UserId", NotInteger),
        (r#"{"userid":"1\u00a0"}"#, Format::Json, "UserId", NotInteger),
        (r#"{"userid":"\u0661"}"#, Format::Json, "UserId", NotInteger),
        (r#"{"userid":""}"#, Format::Json, "UserId", NotInteger),
        (r#"{"userid":"2147483648"}"#, Format::Json, "UserId", OutOfRange),
        (r#"{"userid":1e9}"#, Format::Json, "UserId", NotInteger),
        (r#"{"userid":1.0}"#, Format::Json, "UserId", NotInteger),
        (r#"{"userid":true}"#, Format::Json, "UserId", NotInteger),
        (r#"{"userid":{}}"#, Format::Json, "UserId", NotInteger),
        (r#"{"userid":2147483648}"#, Format::Json, "UserId", OutOfRange),
        (r#"{"userid":18446744073709551615}"#, Format::Json, "UserId", OutOfRange),
        (r#"{"isactive":"1"}"#, Format::Json, "IsActive", NotBoolean),
        (r#"{"isactive":"yes"}"#, Format::Json, "IsActive", NotBoolean),
        (r#"{"isactive":""}"#, Format::Json, "IsActive", NotBoolean),
        (r#"{"isactive":1.5}"#, Format::Json, "IsActive", NotBoolean),
        (r#"{"isactive":[true]}"#, Format::Json, "IsActive", NotBoolean),
        ("<R><isactive>2</isactive></R>", Format::Xml, "IsActive", NotBoolean),
        ("isactive=on", Format::Form, "IsActive", NotBoolean),
        (r#"{"names":"a"}"#, Format::Json, "Names", NotList),
        (r#"{"credential":[]}"#, Format::Json, "Credential", NotObject),
        (r#"{"credential":{"type":{"type":5.5}}}"#, Format::Json, "Credential.Type.Type", NotText),
        (r#"{"credential":{"type":{"type":1e3}}}"#, Format::Json, "Credential.Type.Type", NotText),
        (
            r#"{"credential":{"type":{"type":18446744073709551616}}}"#,
            Format::Json,
            "Credential.Type.Type",
            NotText,
        ),
        (r#"{"credential":{"type":{"type":{}}}}"#, Format::Json, "Credential.Type.Type", NotText),
        ("<R><userid>x</userid></R>", Format::Xml, "UserId", NotInteger),
        ("<R><userid>1e9</userid></R>", Format::Xml, "UserId", NotInteger),
        ("<R><userid/></R>", Format::Xml, "UserId", NotInteger),
        ("<R><userid>-2147483649</userid></R>", Format::Xml, "UserId", OutOfRange),
        ("<R><userid>99999999999999999999</userid></R>", Format::Xml, "UserId", OutOfRange),
        ("<R><credential>x</credential></R>", Format::Xml, "Credential", NotObject),
        (
            "<R><credential><value><a/></value></credential></R>",
            Format::Xml,
            "Credential.Value",
            NotText,
        ),
        ("userid=1.5", Format::Form, "UserId", NotInteger),
        ("userid=2147483648", Format::Form, "UserId", OutOfRange),
        ("userid.a=1", Format::Form, "UserId", NotInteger),
        ("credential=x", Format::Form, "Credential", NotObject),
    ] {
        assert_eq!(error_of(body, format), member_error(path, error), "{body}");
    }
}

#[test]
fn a_member_given_twice_is_refused_in_every_format() {
    for (body, format, path) in [
        (r#"{"UserId":1,"userid":2}"#, Format::Json, Some("UserId")),
        (r#"{"a":[{"b":{"c":1,"C":1}}]}"#, Format::Json, None),
        ("<R><UserId>1</UserId><USERID>2</USERID></R>", Format::Xml, Some("UserId")),
        ("<R><Credential><value/><VALUE/></Credential></R>", Format::Xml, Some("Credential.Value")),
        ("UserId=1&userid=2", Format::Form, Some("UserId")),
        ("credential.value=1&credential=2", Format::Form, Some("Credential")),
        ("pass=1&pass=2", Format::Form, None),
    ] {
        let expected = ReadError::DuplicateMember { path: path.map(str::to_owned) };
        assert_eq!(error_of(body, format), expected, "{body}");
    }
}

#[test]
fn bodies_without_an_object_or_with_too_many_members_are_refused() {
    for (body, format) in [
        ("[1]", Format::Json),
        (r#"[{"op":"add","path":"/UserId","value":1}]"#, Format::Json),
        ("true", Format::Json),
        ("\"a\"", Format::Json),
        ("1", Format::Json),
        ("<R>text</R>", Format::Xml),
    ] {
        assert_eq!(error_of(body, format), BodyError::NotObject.into(), "{body}");
    }
    // Counted before members are read, of which each costs more.
    let members: Vec<_> = (0..10_000).map(|n| format!("\"{n}\":0")).collect();
    let json = format!("{{\"UserId\":true,{}}}", members.join(","));
    let xml = format!("<R><UserId>a</UserId>{}</R>", "<a/>".repeat(10_000));
    let form = (0..10_000).map(|n| format!("{n}=0")).collect::<Vec<_>>().join("&");
    for (body, format) in [(json, Format::Json), (xml, Format::Xml), (form, Format::Form)] {
        assert_eq!(error_of(&body, format), BodyError::TooManyValues.into());
    }
}

fn written<T: Serialize + XmlNames>(value: &T) -> String {
    write(value, Format::Xml, &Selection::default()).unwrap()
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Carrier {
    name: String,
    count: i32,
    right: Option<String>,
    licenses: Vec<String>,
    types: Vec<Inner>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Inner {
    ok: bool,
}

impl XmlNames for Carrier {
    const NAME: &'static str = "Carrier";
    const NAMESPACE: &'static str = NAMESPACE;
    const ITEMS: &'static [(&'static str, &'static str)] = &[("Types", "Inner")];
}

#[test]
fn xml_is_written_as_data_contract_serializer_does() {
    let serialization = "http://schemas.microsoft.com/2003/10/Serialization/";
    assert_eq!(written(&true), format!(r#"<boolean xmlns="{serialization}">true</boolean>"#));
    assert_eq!(written(&-7), format!(r#"<int xmlns="{serialization}">-7</int>"#));
    let text = "a<&\u{1}".to_owned();
    assert_eq!(
        written(&text),
        format!("<string xmlns=\"{serialization}\">a&lt;&amp;\u{fffd}</string>")
    );
    let carrier = || Carrier {
        name: String::new(),
        count: 3,
        right: None,
        licenses: vec!["l".to_owned()],
        types: vec![Inner { ok: true }],
    };
    let inner = "<Count>3</Count><Licenses xmlns:a=\"http://schemas.microsoft.com/2003/10/Serialization/Arrays\">\
         <a:string>l</a:string></Licenses><Name/><Right i:nil=\"true\"/>\
         <Types><Inner><Ok>true</Ok></Inner></Types>";
    let namespaces = "xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\" \
         xmlns=\"http://schemas.datacontract.org/2004/07/Example\"";
    assert_eq!(written(&carrier()), format!("<Carrier {namespaces}>{inner}</Carrier>"));
    assert_eq!(
        written(&vec![carrier()]),
        format!("<ArrayOfCarrier {namespaces}><Carrier>{inner}</Carrier></ArrayOfCarrier>")
    );
    assert_eq!(written(&Vec::<Carrier>::new()), format!("<ArrayOfCarrier {namespaces}/>"));
}

/// A text that every format can represent. XML has only these control characters, and normalizes
/// every line end to LF.
fn any_text() -> impl Strategy<Value = String> {
    "[\t\n \\PC]{0,40}".prop_map(|text| text.replace(['\u{fffe}', '\u{ffff}'], ""))
}

proptest! {
    #[test]
    fn any_request_is_the_same_in_every_format(user_id: i32, value in any_text(), name in any_text()) {
        let json = json!({ "UserId": user_id, "Credential": { "Value": value, "Type": { "Type": name } } });
        let escape = |text: &str| quick_xml::escape::escape(text).into_owned();
        let xml = format!(
            "<R><UserId>{user_id}</UserId><Credential><Value>{}</Value><Type><Type>{}</Type></Type></Credential></R>",
            escape(&value), escape(&name)
        );
        let encode = |text: &str| {
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
        };
        let form = format!(
            "UserId={user_id}&Credential[Value]={}&Credential.Type.Type={}", encode(&value), encode(&name)
        );
        for charset in [Charset::Utf8, Charset::Utf16] {
            for (body, format) in [(json.to_string(), Format::Json), (xml.clone(), Format::Xml), (form.clone(), Format::Form)] {
                let request: Request = wire_formats::read(&charset.encode(body), format, charset).unwrap();
                let credential = request.credential.unwrap();
                prop_assert_eq!(request.user_id, Some(user_id));
                let read = credential.value.unwrap();
                prop_assert_eq!(read.expose_secret(), value.as_str());
                prop_assert_eq!(credential.r#type.unwrap().r#type.unwrap(), name.as_str());
            }
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "[<>/&;#a-z\\[\\]{}\":=%. \\PC]{0,80}") {
        for format in [Format::Json, Format::Xml, Format::Form] {
            for charset in [Charset::Utf8, Charset::Utf16] {
                let _ = wire_formats::read::<Request>(&bytes, format, charset);
                let _ = wire_formats::read::<Request>(text.as_bytes(), format, charset);
            }
        }
    }
}
