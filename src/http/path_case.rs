//! Normalizes paths, because clients of this API vary in letter case and in the trailing slash.

use actix_web::{
    Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{Uri, uri::PathAndQuery},
    middleware::Next,
};

/// Middleware that normalizes the path before the router matches it.
pub(super) async fn fold(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    if let Some(folded) = folded(request.uri()) {
        request.match_info_mut().get_mut().update(&folded);
        request.head_mut().uri = folded;
    }
    next.call(request).await
}

/// A path in lower case without a trailing slash. A percent-encoded letter becomes the lower-case
/// letter, because the router decodes the path afterwards and matches letter case.
pub(super) fn folded_path(path: &str) -> String {
    let shorter = path.strip_suffix('/').filter(|rest| !rest.is_empty());
    let mut folded = decode_letters(shorter.unwrap_or(path));
    folded.make_ascii_lowercase();
    folded
}

/// Decodes percent-encoded letters (RFC 3986, section 6.2.2.2) and nothing else: an encoded
/// slash or percent sign is not the character.
fn decode_letters(path: &str) -> String {
    let mut parts = path.split('%');
    let mut decoded = parts.next().unwrap_or_default().to_owned();
    // A decoded letter must not complete a sequence that was cut off, as in `%4%41`.
    let mut is_cut_off = false;
    for part in parts {
        if let Some((letter, rest)) = encoded_letter(part).filter(|_| !is_cut_off) {
            decoded.push(letter);
            decoded.push_str(rest);
        } else {
            decoded.push('%');
            decoded.push_str(part);
            is_cut_off = part.len() < 2;
        }
    }
    decoded
}

/// The letter that the text behind a percent sign encodes, and the rest of the text.
fn encoded_letter(text: &str) -> Option<(char, &str)> {
    let (digits, rest) = text.split_at_checked(2)?;
    let code = u8::from_str_radix(digits, 16).ok()?;
    code.is_ascii_alphabetic().then_some((char::from(code), rest))
}

/// The URI with a normalized path; `None` when the path is already normalized.
pub(super) fn folded(uri: &Uri) -> Option<Uri> {
    let mut target = folded_path(uri.path());
    if target == uri.path() {
        return None;
    }
    if let Some(query) = uri.query() {
        target.push('?');
        target.push_str(query);
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(target).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_path_is_normalized() {
        let uri = Uri::from_static("/API/v1/User?$Select=Name");
        assert_eq!(folded(&uri).unwrap(), "/api/v1/user?$Select=Name");
        assert!(folded(&Uri::from_static("/api?A")).is_none());
        assert!(folded(&Uri::from_static("/")).is_none());
        assert_eq!(folded(&Uri::from_static("/api/v1/?a=/")).unwrap(), "/api/v1?a=/");
        assert_eq!(folded(&Uri::from_static("/%41pi?%41")).unwrap(), "/api?%41");
    }

    #[test]
    fn only_letters_are_decoded() {
        for (path, expected) in [
            ("/User/%53aveCredential", "/user/savecredential"),
            ("/%41%5a/%4C%4c%5A", "/az/llz"),
            ("/%73ave%40%5B%61", "/save%40%5ba"),
            ("/a%2Fb%2fc/", "/a%2fb%2fc"),
            ("/%2553%2541", "/%2553%2541"),
            ("/%C3%85", "/%c3%85"),
            ("/%", "/%"),
            ("/%4", "/%4"),
            ("/%G1%+5", "/%g1%+5"),
            ("/%4%41%42", "/%4%41b"),
            ("/%%41b", "/%%41b"),
        ] {
            let folded = folded_path(path);
            assert_eq!(folded, expected, "{path}");
            assert_eq!(folded_path(&folded), folded, "{path}");
        }
    }
}
