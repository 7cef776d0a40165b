//! Reads the records of LDIF (RFC 2849): the entries of a directory, as slapcat and ldapsearch write
//! them.

use std::{collections::BTreeSet, ops::ControlFlow};

use data_encoding::BASE64;
use zeroize::Zeroizing;

use crate::{
    domain::{InvalidField, Reason},
    service::import::file::{
        entry::Problem,
        error::InputError,
        input::{Input, PhysicalLine, read_line},
        line::MAXIMUM_LINE,
        names::OTHERS,
    },
};

/// The attributes whose values are kept, in lowercase. Of others, only the name is.
const KEPT: [&str; 9] = [
    "dn",
    "uid",
    "cn",
    "displayname",
    "userpassword",
    "objectclass",
    "pwdaccountlockedtime",
    "nsaccountlock",
    "changetype",
];

/// The most names of other attributes of a record.
const MAXIMUM_NAMES: usize = 1000;

/// The longest name of an attribute that is kept.
const LONGEST_NAME: usize = 64;

/// The most bytes of values of a record.
const MAXIMUM_VALUES: usize = 1024 * 1024;

/// An entry of a directory.
#[derive(Default)]
pub(super) struct Record {
    /// The values that are kept, with the names of their attributes in lowercase and without
    /// options.
    values: Vec<(&'static str, Value)>,
    /// The names of all other attributes.
    pub(super) others: BTreeSet<String>,
    size: usize,
}

/// The value of an attribute, or the reason why it has none.
pub(super) type Value = Result<Zeroizing<Vec<u8>>, Problem>;

impl Record {
    /// The values of an attribute.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &Value> {
        self.values.iter().filter(move |(other, _)| *other == name).map(|(_, value)| value)
    }

    /// The first value of an attribute as text.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let value = self.values(name).next()?.as_ref().ok()?;
        String::from_utf8(value.to_vec()).ok()
    }

    fn add(&mut self, name: &str, value: Value) {
        match KEPT.iter().find(|kept| **kept == name) {
            Some(kept) => {
                self.size += value.as_ref().map_or(0, |value| value.len());
                let too_long = || InvalidField::new(*kept, Reason::LineTooLong).into();
                let value = if self.size > MAXIMUM_VALUES { Err(too_long()) } else { value };
                self.values.push((kept, value));
            }
            None if self.others.len() < MAXIMUM_NAMES => {
                let name = if is_attribute(name) { name } else { OTHERS };
                self.others.insert(name.to_owned());
            }
            None => {}
        }
    }
}

/// A logical line, after unfolding.
struct LogicalLine {
    number: u64,
    text: Zeroizing<Vec<u8>>,
    is_too_long: bool,
}

/// Receives the line number and the content of a record. Reading ends when it breaks.
pub(super) type Sink<'sink> = dyn FnMut(u64, &Record) -> ControlFlow<()> + 'sink;

/// Passes on the records of a file.
///
/// # Errors
/// When it cannot be read, or is not LDIF with entries.
pub(super) fn read(mut input: Input, sink: &mut Sink<'_>) -> Result<(), InputError> {
    let mut lines = LogicalLines { number: 0, is_ended: true };
    let mut record: Option<(u64, Record)> = None;
    while let Some(line) = lines.next(&mut input)? {
        if line.text.is_empty() {
            if let Some((number, record)) = record.take()
                && sink(number, &record).is_break()
            {
                return Ok(());
            }
            continue;
        }
        if line.text.starts_with(b"#") {
            continue;
        }
        let (name, value) = parse(&line).ok_or_else(|| {
            input.failure(format_args!("line {} is not LDIF: it has no colon", line.number))
        })?;
        let is_start = record.is_none();
        if is_start && is_heading(&name) {
            continue;
        }
        if is_start && name != "dn" {
            let number = line.number;
            let problem = format!("line {number} is not LDIF: an entry must start with `dn:`");
            return Err(input.failure(problem));
        }
        if name == "changetype" {
            let problem = "is a change; export the entries, for example with slapcat";
            return Err(input.failure(format_args!("line {} {problem}", line.number)));
        }
        record.get_or_insert_with(|| (line.number, Record::default())).1.add(&name, value);
    }
    if !lines.is_ended {
        let number = lines.number;
        let problem = "ends without a line feed: the file was cut; export it again";
        return Err(input.failure(format_args!("line {number} {problem}")));
    }
    if let Some((number, _)) = record {
        let problem = "has no blank line after it: the file was cut; export it again, or add a \
                       blank line if it is whole";
        return Err(input.failure(format_args!("the last entry, in line {number}, {problem}")));
    }
    Ok(())
}

/// True for what can be the name of an attribute: a short name or a number (RFC 4512, section 1.4).
/// Other text before a colon is part of a value whose line was broken, and may be a secret.
fn is_attribute(name: &str) -> bool {
    let is_short =
        name.starts_with(|first: char| first.is_ascii_alphabetic()) && name.len() <= LONGEST_NAME;
    let is_number = name.starts_with(|first: char| first.is_ascii_digit());
    let is_rest = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (is_short && name.bytes().all(is_rest))
        || (is_number && name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'))
}

/// True for the version, and for the result that ldapsearch prints after the entries.
fn is_heading(name: &str) -> bool {
    ["version", "search", "result"].contains(&name)
}

/// The lines of a file.
struct LogicalLines {
    /// The number of the last line that was read.
    number: u64,
    is_ended: bool,
}

impl LogicalLines {
    /// Reads a line with its continuation lines, which start with a space.
    fn next(&mut self, input: &mut Input) -> Result<Option<LogicalLine>, InputError> {
        let Some(first) = self.physical(input)? else { return Ok(None) };
        let number = self.number;
        let PhysicalLine { mut text, mut is_too_long, .. } = first;
        while input.head()?.first() == Some(&b' ') {
            let Some(next) = self.physical(input)? else { break };
            is_too_long |= next.is_too_long || text.len() + next.text.len() > MAXIMUM_LINE;
            if !is_too_long {
                text.extend_from_slice(next.text.get(1..).unwrap_or_default());
            }
        }
        Ok(Some(LogicalLine { number, text, is_too_long }))
    }

    fn physical(&mut self, input: &mut Input) -> Result<Option<PhysicalLine>, InputError> {
        let line = read_line(&mut *input.reader, MAXIMUM_LINE);
        let Some(mut line) = line.map_err(|error| input.failure(error))? else { return Ok(None) };
        self.number += 1;
        self.is_ended = line.is_ended;
        if line.text.last() == Some(&b'\r') {
            line.text.pop();
        }
        Ok(Some(line))
    }
}

/// The name of an attribute in lowercase and without options, and its value.
fn parse(line: &LogicalLine) -> Option<(String, Value)> {
    let colon = line.text.iter().position(|byte| *byte == b':')?;
    let (name, rest) = (line.text.get(..colon)?, line.text.get(colon + 1..)?);
    let name = std::str::from_utf8(name).ok()?;
    let name = name.split(';').next().unwrap_or_default().trim().to_lowercase();
    let value = match rest {
        _ if line.is_too_long => Err(InvalidField::new(&name, Reason::LineTooLong).into()),
        [b':', base_64 @ ..] => decode(&name, base_64),
        [b'<', ..] => {
            let reason = "is a URL, which is not read; export the value itself";
            Err(Problem::new(&name, reason))
        }
        text => Ok(Zeroizing::new(text.trim_ascii_start().to_vec())),
    };
    Some((name, value))
}

fn decode(name: &str, base_64: &[u8]) -> Value {
    let decoded = BASE64.decode(base_64.trim_ascii());
    decoded.map(Zeroizing::new).map_err(|_| Problem::new(name, "is not Base64"))
}
