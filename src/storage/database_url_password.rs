//! Moves the password of a database URL out of the URL and into it.

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use url::{Url, form_urlencoded};

use crate::domain::host_list::change_with_one_host;

/// The parameter with the password.
const PARAMETER: &str = "password";

/// A database URL without its password, and the password. `None` for an invalid URL, or a password
/// that is not UTF-8.
pub(crate) fn split_password(url: &SecretString) -> Option<(String, Option<SecretString>)> {
    change_with_one_host(url.expose_secret(), split_password_of_host)
}

fn split_password_of_host(url: &str) -> Option<(String, Option<SecretString>)> {
    let mut url = Url::parse(url).ok()?;
    let mut password = None;
    if let Some(encoded) = url.password() {
        let decoded = percent_decode_str(encoded).decode_utf8().ok()?;
        password = Some(SecretString::from(decoded.as_ref()));
        url.set_password(None).ok()?;
    }
    if let Some(query) = url.query() {
        let is_password = |parameter: &&str| {
            form_urlencoded::parse(parameter.as_bytes()).any(|(name, _)| name == PARAMETER)
        };
        let (secret, public): (Vec<_>, Vec<_>) = query.split('&').partition(is_password);
        for (_, value) in secret.iter().flat_map(|part| form_urlencoded::parse(part.as_bytes())) {
            password = Some(SecretString::from(value.as_ref()));
        }
        let public = public.join("&");
        url.set_query((!public.is_empty()).then_some(&public));
    }
    Some((url.into(), password))
}

/// A database URL with a password. `None` for an invalid URL.
pub(crate) fn join_password(url: &str, password: &SecretString) -> Option<SecretString> {
    let join = |url: &str| Some((join_password_of_host(url, password)?, ()));
    change_with_one_host(url, join).map(|(joined, ())| SecretString::from(joined))
}

fn join_password_of_host(url: &str, password: &SecretString) -> Option<String> {
    let mut url = Url::parse(url).ok()?;
    // `url` does not encode a percent sign.
    let encoded = utf8_percent_encode(password.expose_secret(), NON_ALPHANUMERIC).to_string();
    // A URL without a host, as for a socket, takes no password but as a parameter.
    if url.set_password(Some(&encoded)).is_err() {
        url.query_pairs_mut().append_pair(PARAMETER, password.expose_secret());
    }
    Some(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::DatabaseUrl;

    #[test]
    fn a_password_is_split_off_and_joined_again() {
        let secret = "p@ss:w/rd%41? &=#ü";
        for url in [
            "postgres://u@h:5433/d",
            "postgres://u@h/d?sslmode=verify-full",
            "postgres:///d?host=/run/postgresql&user=u",
            "postgres://u@a:5432,b,[2001:db8::1]:5433/d?sslmode=verify-full",
        ] {
            let joined = join_password(url, &SecretString::from(secret)).unwrap();
            assert!(DatabaseUrl::parse(&joined).unwrap().has_password, "{url}");
            let (public, password) = split_password(&joined).unwrap();
            assert_eq!(public, url);
            assert_eq!(password.unwrap().expose_secret(), secret, "{url}");
        }
    }

    #[test]
    fn a_password_in_a_parameter_is_found_however_its_name_is_written() {
        let url = SecretString::from("postgres://h/d?user=u&passw%6Frd=a%20b&sslmode=disable");
        let (public, password) = split_password(&url).unwrap();
        assert_eq!(public, "postgres://h/d?user=u&sslmode=disable");
        assert_eq!(password.unwrap().expose_secret(), "a b");
        let url = SecretString::from("postgres://u@h/d");
        let (public, password) = split_password(&url).unwrap();
        assert_eq!((public.as_str(), password.is_none()), ("postgres://u@h/d", true));
    }
}
