//! Twice the input takes about twice the instructions: no body and no selection keeps a thread busy
//! with work that grows with the square of its length.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::fmt::Write;

use instruction_count::{Work, assert_proportional, do_counted};
use serde::Deserialize;
use serde_json::{Value, json};
use wire_formats::{Charset, Format, Selection, read};

const WORKS: [Work; 6] = [
    ("a selection from rows", select, 1000),
    ("JSON with members of other alphabets", read_json, 200),
    ("JSON with too many members", read_json, 2000),
    ("XML with too many elements", read_xml, 2000),
    ("a form", read_form, 200),
    ("UTF-16", encode, 4000),
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    _user_id: Option<i32>,
    _name: Option<String>,
    _description: Option<String>,
}

/// `size` texts that differ.
fn joined(size: usize, text: impl Fn(usize, &mut String)) -> String {
    let mut joined = String::new();
    (0..size).for_each(|number| text(number, &mut joined));
    joined
}

fn select(size: usize) {
    let paths = joined(size, |number, text| write!(text, "n{number},").unwrap());
    let mut rows: Value = (0..size / 10).map(|id| json!({ "UserId": id, "Name": "n" })).collect();
    Selection::from_query(&format!("$select={paths}")).apply(&mut rows);
    assert_eq!(rows.get(1).and_then(|row| row.get("Name")), Some(&Value::Null));
}

fn read_json(size: usize) {
    let members = joined(size, |number, text| write!(text, "\"é{number}\":0,").unwrap());
    let body = format!("{{{members}\"Name\":\"n\"}}");
    let read: Result<Request, _> = read(body.as_bytes(), Format::Json, Charset::Utf8);
    assert_eq!(read.is_ok(), size < 1000);
}

fn read_xml(size: usize) {
    let elements = joined(size, |number, text| write!(text, "<é{number}/>").unwrap());
    let body = format!("<R>{elements}</R>");
    let read: Result<Request, _> = read(body.as_bytes(), Format::Xml, Charset::Utf8);
    assert_eq!(read.is_ok(), size < 1000);
}

fn read_form(size: usize) {
    let fields = joined(size, |number, text| write!(text, "a{number}=1&").unwrap());
    let read: Result<Request, _> = read(fields.as_bytes(), Format::Form, Charset::Utf8);
    assert!(read.is_ok());
}

fn encode(size: usize) {
    assert_eq!(Charset::Utf16.encode("a".repeat(size)).len(), 2 * size + 2);
}

#[test]
fn no_work_grows_with_the_square_of_its_input() {
    assert_proportional(&WORKS, "the_counted_work_is_right");
}

#[test]
fn the_counted_work_is_right() {
    do_counted(&WORKS);
}
