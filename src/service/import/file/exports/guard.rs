//! Bounds the memory of JSON input: the length of an entry and the depth of nesting.

use std::{
    cell::Cell,
    io::{self, Read},
    rc::Rc,
};

/// The longest entry in bytes, and the longest member name.
const MAXIMUM_ENTRY: u64 = 4 * 1024 * 1024;

/// The deepest nesting, which is the limit of `serde_json`, too.
const MAXIMUM_DEPTH: u32 = 128;

/// JSON that would need too much memory.
#[derive(Debug, thiserror::Error)]
enum GuardError {
    #[error("an entry is longer than 4 MiB; shorten it or remove it")]
    TooLong,
    #[error("lists and objects are nested deeper than 128 levels; the file is no export")]
    TooDeep,
}

/// Limits the bytes that are read until the limit is renewed or lifted.
#[derive(Clone)]
pub(super) struct Allowance(Rc<Cell<u64>>);

impl Allowance {
    /// Allows another entry or member name.
    pub(super) fn renew(&self) {
        self.0.set(MAXIMUM_ENTRY);
    }

    /// Allows any number of bytes, for values that are not kept.
    pub(super) fn lift(&self) {
        self.0.set(u64::MAX);
    }
}

/// Passes on JSON within its limits.
pub(super) struct Guard<R> {
    inner: R,
    allowance: Allowance,
    depth: u32,
    is_in_string: bool,
    is_escaped: bool,
}

impl<R: Read> Guard<R> {
    pub(super) fn new(inner: R) -> (Self, Allowance) {
        let allowance = Allowance(Rc::new(Cell::new(MAXIMUM_ENTRY)));
        let shared = allowance.clone();
        let guard =
            Self { inner, allowance: shared, depth: 0, is_in_string: false, is_escaped: false };
        (guard, allowance)
    }

    /// Follows the nesting. Only the depth matters here; the parser checks the syntax.
    fn follow(&mut self, bytes: &[u8]) -> Result<(), GuardError> {
        for byte in bytes {
            if self.is_in_string {
                let is_end = *byte == b'"' && !self.is_escaped;
                self.is_escaped = *byte == b'\\' && !self.is_escaped;
                self.is_in_string = !is_end;
                continue;
            }
            match byte {
                b'"' => self.is_in_string = true,
                b'[' | b'{' => self.depth += 1,
                b']' | b'}' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
            if self.depth > MAXIMUM_DEPTH {
                return Err(GuardError::TooDeep);
            }
        }
        Ok(())
    }
}

impl<R: Read> Read for Guard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let allowed = self.allowance.0.get();
        if allowed == 0 {
            return Err(io::Error::other(GuardError::TooLong));
        }
        let read = self.inner.read(buffer)?;
        self.follow(buffer.get(..read).unwrap_or_default()).map_err(io::Error::other)?;
        self.allowance.0.set(allowed.saturating_sub(u64::try_from(read).unwrap_or(u64::MAX)));
        Ok(read)
    }
}
