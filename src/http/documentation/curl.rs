//! The lines for curl that call an operation, one for each authentication scheme. They read the
//! credentials from shell variables, which the index page sets.

use super::{
    example::{body_text, url},
    reader::Described,
};
use crate::http::examples::Example;

/// A line for one scheme.
pub(super) struct CurlLine {
    pub(super) scheme: &'static str,
    pub(super) text: String,
}

/// The schemes by their name in the document, and the options that present their credentials.
const SCHEMES: [(&str, &str, &[&str]); 4] = [
    ("Basic", "Basic", &[r#"--user "$LOGIN:$PASSWORD""#]),
    ("SoTicket", "SoTicket", &[r#"--header "Authorization: SOTicket $TICKET""#]),
    ("Bearer", "Bearer", &[r#"--header "Authorization: Bearer $TOKEN""#]),
    (
        "Session",
        "Session with XSRF token",
        &[r#"--cookie "ASP.NET_SessionId=$SESSION""#, r#"--header "X-XSRF-TOKEN: $XSRF""#],
    ),
];

/// The lines that send the request of an example, for each scheme that the operation accepts.
pub(super) fn curl_lines(
    described: Described<'_>,
    base_path: &str,
    example: &Example,
) -> Vec<CurlLine> {
    let schemes = SCHEMES.into_iter().filter(|(name, _, _)| described.accepts(name));
    let mut lines: Vec<_> = schemes
        .map(|(_, scheme, options)| CurlLine {
            scheme,
            text: line(described, base_path, example, options),
        })
        .collect();
    if lines.is_empty() {
        let text = line(described, base_path, example, &[]);
        lines.push(CurlLine { scheme: "Without authentication", text });
    }
    lines
}

fn line(
    described: Described<'_>,
    base_path: &str,
    example: &Example,
    credentials: &[&str],
) -> String {
    let mut options: Vec<String> = credentials.iter().map(|option| (*option).to_owned()).collect();
    let body = example.body_type.as_deref().zip(example.body.as_ref());
    // curl sends GET without a body, and POST with one.
    let implied = if body.is_some() { "post" } else { "get" };
    if described.method != implied {
        options.insert(0, format!("--request {}", described.method.to_uppercase()));
    }
    if let Some((media_type, body)) = body {
        options.push(format!("--header 'Content-Type: {media_type}'"));
        options.push(format!("--data-raw {}", quoted(&body_text(media_type, body))));
    }
    options.push(format!("\"$KEEPER{base_path}{}\"", url(described.path, example)));
    format!("curl {}", options.join(" \\\n  "))
}

/// A text in single quotes of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_quote_in_the_body_does_not_end_the_word_of_the_shell() {
        let operation = json!({ "security": [{ "Basic": [] }] });
        let described = Described { method: "put", path: "/x/{id}", operation: &operation };
        let example = serde_json::from_value(json!({
            "caller": "user", "path": { "id": "$HOME" }, "status": 200,
            "body": { "Name": "it's $HOME" }, "body_type": "application/json",
        }));
        let lines = curl_lines(described, "/base", &example.unwrap());
        assert_eq!(lines.len(), 1);
        insta::assert_snapshot!(lines[0].text, @r#"
        curl --request PUT \
          --user "$LOGIN:$PASSWORD" \
          --header 'Content-Type: application/json' \
          --data-raw '{
          "Name": "it'\''s $HOME"
        }' \
          "$KEEPER/base/x/%24HOME"
        "#);
    }
}
