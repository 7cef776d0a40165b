//! Constant responses, such as the OpenAPI document, kept in memory in plain and compressed form.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    io::Write,
};

use actix_web::{
    HttpMessage, HttpRequest, HttpResponse, HttpResponseBuilder,
    http::{
        StatusCode,
        header::{
            AcceptEncoding, CACHE_CONTROL, CONTENT_ENCODING, ContentEncoding, ETAG, Encoding,
            EntityTag, HeaderValue, IfNoneMatch, VARY,
        },
    },
    web::Bytes,
};
use flate2::{Compression, write::GzEncoder};

/// The minimum size of compressed content, in bytes.
const SHORT: usize = 1024;

/// A response with constant content.
pub(super) struct ConstantAnswer {
    content_type: &'static str,
    plain: Encoded,
    /// `None` when the content is too short to compress.
    gzip: Option<Encoded>,
}

/// One encoding of the content with its own entity tag (RFC 9110, section 8.8.3).
struct Encoded {
    bytes: Bytes,
    tag: EntityTag,
}

impl ConstantAnswer {
    /// A response with this content, in every supported encoding.
    pub(super) fn new(content_type: &'static str, content: String) -> Self {
        // Equal in all instances of a release, which is sufficient for an entity tag.
        let mut hasher = DefaultHasher::new();
        content.hash(&mut hasher);
        let tag = format!("{:016x}", hasher.finish());
        let gzip = compressed(content.as_bytes())
            .map(|bytes| Encoded { bytes, tag: EntityTag::new_strong(format!("{tag}-gzip")) });
        let plain = Encoded { bytes: content.into(), tag: EntityTag::new_strong(tag) };
        Self { content_type, plain, gzip }
    }

    /// The content, uncompressed.
    pub(super) fn content(&self) -> &[u8] {
        &self.plain.bytes
    }

    /// The response to a request: 304 when the client already has this content.
    pub(super) fn answer(&self, request: &HttpRequest) -> HttpResponse {
        self.answer_with(request, HttpResponse::Ok())
    }

    /// As [`Self::answer`], with the headers of `response`.
    pub(super) fn answer_with(
        &self,
        request: &HttpRequest,
        mut response: HttpResponseBuilder,
    ) -> HttpResponse {
        let gzip = self.gzip.as_ref().filter(|_| accepts_gzip(request));
        let encoded = gzip.unwrap_or(&self.plain);
        let is_known = request.get_header::<IfNoneMatch>().is_some_and(|known| match known {
            IfNoneMatch::Any => true,
            IfNoneMatch::Items(tags) => tags.iter().any(|tag| tag.weak_eq(&encoded.tag)),
        });
        if is_known {
            response.status(StatusCode::NOT_MODIFIED);
        }
        response
            // Caches must revalidate: a new release has new content.
            .insert_header((CACHE_CONTROL, HeaderValue::from_static("no-cache")))
            .append_header((VARY, HeaderValue::from_static("accept-encoding")))
            .insert_header((ETAG, encoded.tag.to_string()))
            // Also with 304, whose security headers replace those of the cached response.
            .content_type(self.content_type);
        if is_known {
            return response.finish();
        }
        if gzip.is_some() {
            response.insert_header((CONTENT_ENCODING, ContentEncoding::Gzip.as_str()));
        }
        response.body(encoded.bytes.clone())
    }
}

/// `None` when compressing saves nothing.
fn compressed(content: &[u8]) -> Option<Bytes> {
    if content.len() < SHORT {
        return None;
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).ok()?;
    let bytes = encoder.finish().ok()?;
    (bytes.len() < content.len()).then(|| bytes.into())
}

/// True when the client accepts gzip explicitly.
fn accepts_gzip(request: &HttpRequest) -> bool {
    let accepted = request.get_header::<AcceptEncoding>();
    let offered = [Encoding::gzip(), Encoding::identity()];
    let chosen = accepted.and_then(|accepted| accepted.negotiate(offered.iter()));
    chosen == Some(Encoding::gzip())
}
