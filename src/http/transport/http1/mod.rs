//! Checks the framing of HTTP/1 requests (RFC 9112) before actix-http parses them.
//!
//! actix-http accepts some messages that a proxy in front may divide differently, such as lines that
//! end in LF alone. So only messages that every implementation must read alike are passed on. A
//! request is passed on when its whole head has arrived and the request before it was answered.

mod chunked;
mod expected;
mod head;
mod syntax;

use self::expected::Expected;
pub(in crate::http) use self::syntax::Violation;

/// The position in a stream of requests.
#[derive(Debug, Default)]
pub(super) struct RequestFraming {
    expected: Expected,
    /// The number of bytes of an incomplete head whose lines were checked.
    checked: usize,
    begun: u64,
}

impl RequestFraming {
    /// The number of requests that began.
    pub(super) fn begun(&self) -> u64 {
        self.begun
    }

    /// True between two requests, and while a head is incomplete.
    pub(super) fn expects_head(&self) -> bool {
        self.expected == Expected::Head
    }

    /// The number of bytes, from the first one, that belong to the current request or to a complete
    /// head after it. A new request begins only if `may_begin`.
    ///
    /// # Errors
    /// The violation at the first byte that was not admitted.
    pub(super) fn admit(&mut self, bytes: &[u8], may_begin: bool) -> Result<usize, Violation> {
        let (mut admitted, mut may_begin) = (0, may_begin);
        while let Some(rest) = bytes.get(admitted..).filter(|rest| !rest.is_empty()) {
            admitted += match &mut self.expected {
                Expected::Head if !may_begin => break,
                Expected::Head => {
                    let Some(end) = head::end(rest, &mut self.checked)? else { break };
                    self.checked = 0;
                    self.expected = head::check(rest.get(..end).unwrap_or_default())?;
                    self.begun += 1;
                    may_begin = false;
                    end
                }
                Expected::Sized(left) => {
                    let size = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    *left -= size as u64;
                    if *left == 0 {
                        self.expected = Expected::Head;
                    }
                    size
                }
                Expected::Chunked(body) => {
                    let (size, is_complete) = body.check(rest)?;
                    if is_complete {
                        self.expected = Expected::Head;
                    }
                    size
                }
            };
        }
        Ok(admitted)
    }
}

#[cfg(test)]
mod tests {
    use super::{head::MAXIMUM_HEAD, *};

    const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    #[test]
    fn one_request_begins_at_a_time_and_only_with_a_whole_head() {
        let mut framing = RequestFraming::default();
        let two = [GET, GET].concat();
        assert_eq!(framing.admit(&two, true), Ok(GET.len()));
        assert_eq!(framing.admit(GET, false), Ok(0));
        for end in 1..GET.len() {
            assert_eq!(framing.admit(&GET[..end], true), Ok(0));
        }
        assert_eq!(framing.admit(GET, true), Ok(GET.len()));
    }

    #[test]
    fn a_body_ends_where_its_length_or_its_last_chunk_says() {
        let head = "POST / HTTP/1.1\r\nHost: a\r\n";
        for (header, body) in [
            ("Content-Length: 5", "12345"),
            ("content-length:  0005\t", "12345"),
            ("Transfer-Encoding: chunked", "5\r\n12345\r\n0\r\n\r\n"),
            ("transfer-encoding: Chunked", "005;a=\"b\"\r\n12345\r\nA\r\n1234567890\r\n0\r\n\r\n"),
            ("Transfer-Encoding: chunked", "0\r\nDigest: x\r\nAuthorization: y\r\n\r\n"),
        ] {
            let request = format!("{head}{header}\r\n\r\n{body}");
            let sent = format!("{request}GET /next");
            let mut framing = RequestFraming::default();
            assert_eq!(framing.admit(sent.as_bytes(), true), Ok(request.len()), "{sent}");
            assert!(framing.expects_head());
            // The same, byte by byte.
            let mut framing = RequestFraming::default();
            let mut begin = 0;
            for end in 1..=sent.len() {
                let admitted = framing.admit(&sent.as_bytes()[begin..end], true).unwrap();
                begin += admitted;
            }
            assert_eq!(begin, request.len(), "{sent}");
        }
    }

    #[test]
    fn a_head_has_at_most_64_kib_and_96_headers() {
        let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(MAXIMUM_HEAD));
        let mut framing = RequestFraming::default();
        assert_eq!(framing.admit(long.as_bytes(), true), Err(Violation::HeadTooLarge));
        for (headers, expected) in [(95, None), (96, Some(Violation::HeadTooLarge))] {
            let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(headers));
            let mut framing = RequestFraming::default();
            assert_eq!(framing.admit(head.as_bytes(), true).err(), expected);
        }
    }
}
