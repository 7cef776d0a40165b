//! Fields of a hash text.

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};

use super::rejection::HashRejection;

/// Decodes Base64 without padding.
///
/// # Errors
/// When the text is not Base64, or has padding.
pub(super) fn decode_unpadded(text: &str) -> Result<Vec<u8>, HashRejection> {
    STANDARD_NO_PAD.decode(text).map_err(|_| {
        if text.ends_with('=') { HashRejection::Padded } else { HashRejection::Unrecognized }
    })
}

/// The values of `name=value,…`, in the order of the names. `None` unless each name is there
/// exactly once, and no other.
pub(super) fn values<'text, const N: usize>(
    text: &'text str,
    names: [&str; N],
) -> Option<[&'text str; N]> {
    let pairs: Vec<_> = text.split(',').map(|pair| pair.split_once('=')).collect::<Option<_>>()?;
    let value = |name: &str| pairs.iter().find(|(found, _)| *found == name).map(|pair| pair.1);
    let values: Vec<_> = names.into_iter().map(value).collect::<Option<_>>()?;
    if pairs.len() == N { values.as_slice().as_array().copied() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_expected_exactly_once_in_any_order() {
        assert_eq!(values("a=1,b=2", ["b", "a"]), Some(["2", "1"]));
        assert_eq!(values("a=1,b=x=", ["a", "b"]), Some(["1", "x="]));
        for text in ["", "a=1", "a=1,a=2", "a=1,b=2,c=3", "a=1,b", "a=1,b=2,b=2"] {
            assert_eq!(values(text, ["a", "b"]), None, "{text}");
        }
    }
}
