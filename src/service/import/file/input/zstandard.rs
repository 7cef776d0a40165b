//! Decompresses the frames of a Zstandard file (RFC 8878), and verifies their checksums.

use std::io::{self, BufRead, Read};

use ruzstd::decoding::{
    BlockDecodingStrategy, FrameDecoder,
    errors::{FrameDecoderError, FrameHeaderError, ReadFrameHeaderError},
};

use super::error::CompressedDataError;

/// The largest window in bytes, which is the limit of the zstd command, too.
const MAXIMUM_WINDOW: u64 = 128 * 1024 * 1024;

/// Decompresses frames one after the other, with the memory of one window.
pub(super) struct Zstandard<R> {
    input: R,
    decoder: FrameDecoder,
    is_in_frame: bool,
    /// Number of decompressed bytes.
    written: u64,
}

impl<R: BufRead> Zstandard<R> {
    pub(super) fn new(input: R) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(MAXIMUM_WINDOW);
        Self { input, decoder, is_in_frame: false, written: 0 }
    }

    /// The error of data that cannot be decompressed. A decoder reads ahead only what it needs, so
    /// the input is at its end when something is missing.
    fn broken(&mut self) -> io::Error {
        match self.input.fill_buf() {
            Ok([]) => CompressedDataError::Truncated("zstd", self.written).into(),
            Ok(_) => CompressedDataError::Damaged("zstd", self.written).into(),
            Err(error) => error,
        }
    }

    /// Starts the next frame with data. Returns false at the end of the input.
    fn next_frame(&mut self) -> io::Result<bool> {
        while !self.input.fill_buf()?.is_empty() {
            match self.decoder.reset(&mut self.input) {
                Ok(()) => {
                    self.is_in_frame = true;
                    return Ok(true);
                }
                Err(error) => self.skip_frame(&error)?,
            }
        }
        Ok(false)
    }

    /// Skips a frame without data.
    fn skip_frame(&mut self, error: &FrameDecoderError) -> io::Result<()> {
        if let FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
            length,
            ..
        }) = error
        {
            let length = u64::from(*length);
            let skipped = io::copy(&mut (&mut self.input).take(length), &mut io::sink())?;
            return if skipped == length { Ok(()) } else { Err(self.broken()) };
        }
        let is_other_data = matches!(
            error,
            FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::BadMagicNumber(_))
        );
        let is_large = matches!(
            error,
            FrameDecoderError::WindowSizeTooBig { .. }
                | FrameDecoderError::FrameHeaderError(FrameHeaderError::WindowTooBig { .. })
        );
        if is_other_data {
            return Err(CompressedDataError::TrailingData("zstd", self.written).into());
        }
        Err(if is_large { CompressedDataError::Window.into() } else { self.broken() })
    }

    /// Reads from the frame. Returns 0 at its end.
    fn read_frame(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
            let one_block = BlockDecodingStrategy::UptoBlocks(1);
            if self.decoder.decode_blocks(&mut self.input, one_block).is_err() {
                return Err(self.broken());
            }
        }
        self.decoder.read(buffer)
    }

    /// Ends a frame after its last byte.
    fn end_frame(&mut self) -> io::Result<()> {
        let expected = self.decoder.get_checksum_from_data();
        if expected.is_some() && expected != self.decoder.get_calculated_checksum() {
            return Err(CompressedDataError::Damaged("zstd", self.written).into());
        }
        self.is_in_frame = false;
        Ok(())
    }
}

impl<R: BufRead> Read for Zstandard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.is_in_frame || self.next_frame()? {
            let read = self.read_frame(buffer)?;
            if read > 0 || buffer.is_empty() {
                self.written += u64::try_from(read).unwrap_or_default();
                return Ok(read);
            }
            self.end_frame()?;
        }
        Ok(0)
    }
}
