//! Constant responses, such as the OpenAPI document, kept in memory in plain and compressed form.

use std::hash::{DefaultHasher, Hash, Hasher};

use actix_web::{
    HttpMessage, HttpRequest, HttpResponse, HttpResponseBuilder,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, ETAG, EntityTag, HeaderValue, IfNoneMatch},
    },
    web::Bytes,
};

use super::compression;

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
        let gzip = compression::compressed_constant(content.as_bytes())
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
        let gzip = self.gzip.as_ref().filter(|_| compression::accepts_gzip(request));
        let encoded = gzip.unwrap_or(&self.plain);
        let is_known = request.get_header::<IfNoneMatch>().is_some_and(|known| match known {
            IfNoneMatch::Any => true,
            IfNoneMatch::Items(tags) => tags.iter().any(|tag| tag.weak_eq(&encoded.tag)),
        });
        if is_known {
            response.status(StatusCode::NOT_MODIFIED);
        }
        compression::set_varying(&mut response);
        response
            // Caches must revalidate: a new release has new content.
            .insert_header((CACHE_CONTROL, HeaderValue::from_static("no-cache")))
            .insert_header((ETAG, encoded.tag.to_string()))
            // Also with 304, whose security headers replace those of the cached response.
            .content_type(self.content_type);
        if is_known {
            return response.finish();
        }
        if gzip.is_some() {
            compression::set_compressed(&mut response);
        }
        response.body(encoded.bytes.clone())
    }
}
