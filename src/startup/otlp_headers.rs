//! The file of further headers for the collector (`telemetry.otlp_headers_file`).

use std::path::Path;

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, TE, TRAILER,
        TRANSFER_ENCODING, UPGRADE,
    },
};

use crate::{security::secret_file, telemetry::error_chain};

/// The maximum number of headers.
const MAXIMUM: usize = 64;

/// The headers that the exporter and its connection write.
const OF_THE_REQUEST: [HeaderName; 9] = [
    CONNECTION,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    EXPECT,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Reads a file with one header in each line.
///
/// # Errors
/// The problem, without the text of the file.
pub(super) fn read_headers(file: &Path) -> Result<HeaderMap, String> {
    let text = secret_file::read(file).map_err(|error| error_chain(&error))?;
    let mut headers = HeaderMap::new();
    for (line, number) in text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty()) {
        let refused = |problem: &str| format!("{}: line {number} {problem}", file.display());
        let (name, value) = parse(line)
            .ok_or_else(|| refused("is not a header, such as `Authorization: Bearer TOKEN`"))?;
        if OF_THE_REQUEST.contains(&name) {
            return Err(refused("is a header that the service writes itself; remove the line"));
        }
        if headers.insert(name, value).is_some() {
            return Err(refused("has the name of an earlier line; remove one of them"));
        }
        if headers.len() > MAXIMUM {
            return Err(format!("{} has more than {MAXIMUM} headers", file.display()));
        }
    }
    Ok(headers)
}

fn parse(line: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = line.split_once(':')?;
    let name = HeaderName::from_bytes(name.trim().as_bytes()).ok()?;
    let mut value = HeaderValue::from_str(value.trim()).ok()?;
    value.set_sensitive(true);
    Some((name, value))
}
