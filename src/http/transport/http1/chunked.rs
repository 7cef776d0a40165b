//! Checks the chunks of a body (RFC 9112, section 7.1).

use super::syntax::{Violation, is_token};

/// The maximum number of bytes in all chunk extensions and trailers of a body. They are ignored.
const MAXIMUM_EXTRA: u16 = 4096;

/// The maximum number of digits in the size of a chunk, which fits into 64 bits.
const MAXIMUM_DIGITS: u8 = 16;

/// The position in a chunked body.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ChunkedBody {
    state: State,
    /// The size of the current chunk, then the number of its bytes that are left.
    size: u64,
    digits: u8,
    /// The number of bytes in extensions and trailers so far.
    extra: u16,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Size,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    EndLf,
    End,
}

impl ChunkedBody {
    /// The number of bytes that belong to the body, and whether it is complete.
    ///
    /// # Errors
    /// When a chunk or a trailer is malformed, or extensions and trailers are too long.
    pub(super) fn check(&mut self, bytes: &[u8]) -> Result<(usize, bool), Violation> {
        let mut checked = 0;
        while let Some(byte) = bytes.get(checked) {
            if self.state == State::Data {
                let rest = bytes.len() - checked;
                let size = usize::try_from(self.size).unwrap_or(usize::MAX).min(rest);
                self.size -= size as u64;
                checked += size;
                if self.size == 0 {
                    self.state = State::DataCr;
                }
                continue;
            }
            self.state = self.next(*byte)?;
            checked += 1;
            if self.state == State::End {
                return Ok((checked, true));
            }
        }
        Ok((checked, false))
    }

    /// The state after a byte outside of the data.
    fn next(&mut self, byte: u8) -> Result<State, Violation> {
        use State::{
            Data, DataCr, DataLf, End, EndLf, Extension, Size, SizeLf, TrailerLf, TrailerName,
            TrailerStart, TrailerValue,
        };
        Ok(match (self.state, byte) {
            (Size, _) if byte.is_ascii_hexdigit() => self.digit(byte)?,
            (Size, b';') if self.digits > 0 => self.skip(Extension)?,
            (Size, b'\r') if self.digits > 0 => SizeLf,
            (Extension | TrailerValue, _) if is_text(byte) => self.skip(self.state)?,
            (Extension, b'\r') => SizeLf,
            (SizeLf, b'\n') => {
                self.digits = 0;
                if self.size == 0 { TrailerStart } else { Data }
            }
            (DataCr, b'\r') => DataLf,
            (DataLf, b'\n') => Size,
            (TrailerStart, b'\r') => EndLf,
            (TrailerStart | TrailerName, _) if is_token(byte) => self.skip(TrailerName)?,
            (TrailerName, b':') => self.skip(TrailerValue)?,
            (TrailerValue, b'\r') => TrailerLf,
            (TrailerLf, b'\n') => TrailerStart,
            (EndLf, b'\n') => End,
            _ => return Err(Violation::Malformed),
        })
    }

    fn digit(&mut self, byte: u8) -> Result<State, Violation> {
        if self.digits == 0 {
            self.size = 0;
        }
        self.digits += 1;
        let digit = char::from(byte).to_digit(16).ok_or(Violation::Malformed)?;
        self.size = self.size << 4 | u64::from(digit);
        if self.digits > MAXIMUM_DIGITS { Err(Violation::Malformed) } else { Ok(State::Size) }
    }

    /// Counts a byte that is ignored.
    fn skip(&mut self, next: State) -> Result<State, Violation> {
        self.extra += 1;
        if self.extra > MAXIMUM_EXTRA { Err(Violation::Malformed) } else { Ok(next) }
    }
}

/// True for a byte of an extension or of the value of a trailer.
fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str) -> Result<(usize, bool), Violation> {
        ChunkedBody::default().check(body.as_bytes())
    }

    #[test]
    fn malformed_chunks_are_refused() {
        for body in [
            "\r\n",
            ";a\r\n",
            "g\r\n",
            "0x1\r\n",
            "-1\r\n",
            "+1\r\n",
            " 1\r\n",
            "1 \r\n",
            "1\n",
            "1\rx",
            "1;a\nb",
            "1;\0\r\n",
            "1\r\nab\r\n",
            "1\r\na\n",
            "1\r\na\rb",
            "00000000000000001\r\n",
            "0\r\n\n",
            "0\r\nGET / HTTP/1.1\r\n",
            "0\r\n a: b\r\n",
            "0\r\na: b\n\n",
            "0\r\na : b\r\n",
            "0\r\n: b\r\n",
            "0\r\na: \x01\r\n",
            "0\r\n\rx",
        ] {
            assert_eq!(check(body), Err(Violation::Malformed), "{body:?}");
        }
    }

    #[test]
    fn extensions_and_trailers_are_limited() {
        let fits = "x".repeat(usize::from(MAXIMUM_EXTRA) - 4);
        let extension = format!("0;{fits}");
        assert_eq!(check(&extension), Ok((extension.len(), false)));
        let trailer = format!("{extension}\r\na: yy");
        assert_eq!(check(&trailer), Err(Violation::Malformed));
    }
}
