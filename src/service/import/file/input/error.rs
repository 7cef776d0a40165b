//! The errors of compressed data.

use std::io;

/// Compressed data that cannot be decompressed.
#[derive(Debug, thiserror::Error)]
pub(super) enum CompressedDataError {
    #[error("the {0} data is truncated: it ends after {1} decompressed bytes; copy the file again")]
    Truncated(&'static str, u64),
    #[error("the {0} data is damaged after {1} decompressed bytes; copy the file again")]
    Damaged(&'static str, u64),
    #[error(
        "other data follows the {0} data, after {1} decompressed bytes; remove it, or compress \
         everything"
    )]
    TrailingData(&'static str, u64),
    #[error("the zstd data needs a window above 128 MiB; compress it again without `--long`")]
    Window,
    #[error("it has more than {0} bytes; split it, or use the command `import`")]
    TooLong(u64),
}

impl From<CompressedDataError> for io::Error {
    fn from(error: CompressedDataError) -> Self {
        Self::other(error)
    }
}
