//! Checks the head of a request: its lines, its target and the length of its body.

use std::mem::MaybeUninit;

use actix_web::http::{Method, Uri, uri::Authority};
use httparse::{Header, Request, Status};

use super::{
    chunked::ChunkedBody,
    expected::Expected,
    syntax::{Violation, is_token},
};

/// The maximum size of a request head in bytes. The application refuses a smaller head by its parts
/// (docs/reference/wire-contract.md#d25-limits), in the format of the client.
pub(super) const MAXIMUM_HEAD: usize = 64 * 1024;

/// The maximum number of headers, which is that of actix-http.
const MAXIMUM_HEADERS: usize = 96;

/// The maximum number of digits of a length, which is less than 2^64.
const MAXIMUM_DIGITS: usize = 19;

/// The end of the head that `bytes` begin with; `None` when it is incomplete. `checked` is the
/// number of bytes in complete lines.
///
/// # Errors
/// When a line does not end in CRLF, the first one is not a request line, or the head is too large.
pub(super) fn end(bytes: &[u8], checked: &mut usize) -> Result<Option<usize>, Violation> {
    if !bytes.first().is_none_or(|first| is_token(*first) || *first == b'\r') {
        return Err(Violation::Malformed);
    }
    while let Some(rest) = bytes.get(*checked..)
        && let Some(length) = rest.iter().position(|byte| *byte == b'\n')
    {
        let line = rest.get(..length).and_then(|line| line.strip_suffix(b"\r"));
        let line = line.ok_or(Violation::Malformed)?;
        // RFC 9112, section 2.2: an empty line before the request line is ignored.
        let is_first = *checked == 0 || (*checked == 2 && bytes.starts_with(b"\r\n"));
        if is_first && !line.is_empty() && !is_request_line(line) {
            return Err(Violation::Malformed);
        }
        let is_empty_start = *checked == 0;
        *checked += length + 1;
        if line.is_empty() && !is_empty_start {
            return Ok(Some(*checked));
        }
    }
    if bytes.len() > MAXIMUM_HEAD { Err(Violation::HeadTooLarge) } else { Ok(None) }
}

/// Checks a whole head; returns the body that follows it.
///
/// # Errors
/// When the head is malformed or ambiguous, or has too many headers.
pub(super) fn check(head: &[u8]) -> Result<Expected, Violation> {
    if head.len() > MAXIMUM_HEAD {
        return Err(Violation::HeadTooLarge);
    }
    let mut headers = [const { MaybeUninit::<Header<'_>>::uninit() }; MAXIMUM_HEADERS];
    let mut request = Request::new(&mut []);
    match request.parse_with_uninit_headers(head, &mut headers) {
        Ok(Status::Complete(size)) if size == head.len() => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Violation::HeadTooLarge),
        Ok(_) | Err(_) => return Err(Violation::Malformed),
    }
    let is_1_1 = request.version == Some(1);
    let host = single(&request, "host")?;
    if (is_1_1 && host.is_none()) || !is_target(&request, host) {
        return Err(Violation::Malformed);
    }
    body(&request, is_1_1)
}

/// The body of a request (RFC 9112, section 6.3).
fn body(request: &Request<'_, '_>, is_1_1: bool) -> Result<Expected, Violation> {
    let length = single(request, "content-length")?.map(length).transpose()?;
    match (single(request, "transfer-encoding")?, length) {
        (None, None) if !is_1_1 && request.method == Some(Method::POST.as_str()) => {
            Err(Violation::Malformed)
        }
        (None, None | Some(0)) => Ok(Expected::Head),
        (None, Some(length)) => Ok(Expected::Sized(length)),
        (Some(coding), None) if is_1_1 && coding.eq_ignore_ascii_case(b"chunked") => {
            Ok(Expected::Chunked(ChunkedBody::default()))
        }
        (Some(_), _) => Err(Violation::Malformed),
    }
}

/// The trimmed value of a header that must not be repeated.
fn single<'head>(
    request: &Request<'_, 'head>,
    name: &str,
) -> Result<Option<&'head [u8]>, Violation> {
    let mut values = request.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
    let value = values.next().map(|header| header.value.trim_ascii());
    if values.next().is_some() { Err(Violation::Malformed) } else { Ok(value) }
}

fn length(value: &[u8]) -> Result<u64, Violation> {
    let is_number =
        (1..=MAXIMUM_DIGITS).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
    let number = str::from_utf8(value).ok().filter(|_| is_number);
    number.and_then(|number| number.parse().ok()).ok_or(Violation::Malformed)
}

/// True for a path, for a URL of the host that `Host` names, and for `*` of OPTIONS (RFC 9112,
/// section 3.2). A proxy may route by `Host` what the application answers by the URL.
fn is_target(request: &Request<'_, '_>, host: Option<&[u8]>) -> bool {
    let target = request.path.unwrap_or_default();
    let Ok(uri) = target.parse::<Uri>() else { return false };
    if target == "*" {
        return request.method == Some(Method::OPTIONS.as_str());
    }
    if target.starts_with('/') {
        return true;
    }
    let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
    let authority = uri.authority().map(Authority::as_str);
    is_web
        && authority.is_some_and(|authority| {
            !authority.contains('@')
                && host.is_none_or(|host| authority.as_bytes().eq_ignore_ascii_case(host))
        })
}

/// True if the line ends in a version that actix-http reads.
fn is_request_line(line: &[u8]) -> bool {
    line.ends_with(b" HTTP/1.1") || line.ends_with(b" HTTP/1.0")
}
