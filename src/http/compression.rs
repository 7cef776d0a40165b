//! Compression of responses with gzip, for clients that prefer it
//! (docs/adr/0081-compressed-responses.md).
//!
//! The length of a compressed response tells about its content, so no response with a secret, or with
//! a text that the request chooses, is compressed. The only one with data of persons is the export of
//! audit events, for callers who may read all of them.

use std::io::{self, Write};

use actix_web::{
    HttpMessage, HttpRequest, HttpResponseBuilder,
    http::header::{
        AcceptEncoding, CONTENT_ENCODING, ContentEncoding, Encoding, HeaderValue, VARY,
    },
    web::{self, Bytes},
};
use flate2::{Compression, write::GzEncoder};

/// The minimum size of compressed content, in bytes.
const SHORT: usize = 1024;

/// True when the client prefers gzip, by either of its names (RFC 9110, section 8.4.1.3).
pub(super) fn accepts_gzip(request: &HttpRequest) -> bool {
    let accepted = request.get_header::<AcceptEncoding>();
    let gzip = [Encoding::gzip(), Encoding::Unknown("x-gzip".to_owned())];
    let offered = gzip.iter().chain([const { &Encoding::identity() }]);
    let chosen = accepted.and_then(|accepted| accepted.negotiate(offered));
    chosen.is_some_and(|chosen| gzip.contains(&chosen))
}

/// Tells caches that the response depends on `Accept-Encoding`.
pub(super) fn set_varying(response: &mut HttpResponseBuilder) {
    response.append_header((VARY, HeaderValue::from_static("accept-encoding")));
}

/// Tells the client that the content of the response is compressed.
pub(super) fn set_compressed(response: &mut HttpResponseBuilder) {
    response.insert_header((CONTENT_ENCODING, ContentEncoding::Gzip.as_str()));
}

/// Compresses constant content as far as possible; `None` when that saves nothing.
pub(super) fn compressed_constant(content: &[u8]) -> Option<Bytes> {
    compressed(content, Compression::best())
}

/// Compresses the content of one response; `None` when that saves nothing.
pub(super) fn compressed_once(content: &[u8]) -> Option<Bytes> {
    compressed(content, Compression::fast())
}

fn compressed(content: &[u8], level: Compression) -> Option<Bytes> {
    if content.len() < SHORT {
        return None;
    }
    let mut encoder = GzEncoder::new(Vec::new(), level);
    encoder.write_all(content).ok()?;
    let bytes = encoder.finish().ok()?;
    (bytes.len() < content.len()).then(|| bytes.into())
}

/// Compresses the parts of a response that is sent while it is produced.
pub(super) struct PartCompressor(GzEncoder<Vec<u8>>);

impl PartCompressor {
    pub(super) fn new() -> Self {
        Self(GzEncoder::new(Vec::new(), Compression::fast()))
    }

    /// Compresses the next part, on a thread where no request waits for it. The bytes contain the
    /// whole part.
    ///
    /// # Errors
    /// When the process stops.
    pub(super) async fn compress(mut self, part: String) -> io::Result<(Self, Bytes)> {
        let compressing = web::block(move || {
            self.0.write_all(part.as_bytes())?;
            self.0.flush()?;
            let bytes = std::mem::take(self.0.get_mut());
            Ok((self, bytes.into()))
        });
        compressing.await.map_err(io::Error::other)?
    }

    /// The last bytes: the checksum of the whole content.
    ///
    /// # Errors
    /// Never, because the bytes are in memory.
    pub(super) fn finish(self) -> io::Result<Bytes> {
        self.0.finish().map(Bytes::from)
    }
}
