//! The text of an import: a file or standard input, decrypted, decompressed, and checked to be
//! UTF-8.

mod compression;
mod error;
mod lines;
mod source;
mod text;
mod zstandard;

pub(crate) use self::{
    lines::{PhysicalLine, read_line},
    source::{Input, Source},
};
