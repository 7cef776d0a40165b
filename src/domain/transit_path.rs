//! Names of a transit secrets engine and its keys, which become part of a URL.

/// True for segments of letters, digits and `-`, `_`, `.`, separated by `/`. A URL contains such a
/// path as it is.
pub(crate) fn is_transit_path(path: &str) -> bool {
    path.split('/').all(is_transit_name)
}

/// True for a single segment of such a path.
pub(crate) fn is_transit_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    // A URL resolves a segment of dots.
    !name.chars().all(|c| c == '.') && name.chars().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_cannot_leave_its_place_in_a_url() {
        for path in ["transit", "kms/keeper-1", "a.b/c_d"] {
            assert!(is_transit_path(path), "{path}");
        }
        for path in ["", "/", "a/", "/a", "a//b", ".", "..", "a/../b", "a b", "a?b", "a#b", "a%2fb"]
        {
            assert!(!is_transit_path(path), "{path}");
        }
        assert!(!is_transit_name("a/b"));
    }
}
