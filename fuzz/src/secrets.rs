//! Whether a message shows a part of a secret.

/// A shorter part may be a word of the message.
const SHORTEST: usize = 12;

/// Sentences of messages with the names of headers, cookies and elements, which inputs have, too. A
/// secret that has one of these in common with a message is not shown by it.
const SENTENCES: [&str; 9] = [
    "the scheme of the Authorization header is not supported",
    "the Authorization header has no credentials after its scheme",
    "the cookie ASP.NET_SessionId is given more than once",
    "the cookie XSRF-TOKEN is given more than once",
    "X-XSRF-TOKEN cannot be read: the header is given more than once",
    "A header entry with mustUnderstand is not supported.",
    "mustUnderstand of a header entry must be 0 or 1.",
    "Credential.DisplayValue: ",
    "Credential.Type.Type: ",
];

/// True when a message shows 12 or more bytes in a row of a secret.
#[must_use]
pub fn shows(message: &str, secret: &[u8]) -> bool {
    // libFuzzer copies the operands of comparisons into its inputs. It must not learn the message.
    let disguised = |bytes: &[u8]| bytes.iter().map(|byte| byte ^ 0x80).collect::<Vec<_>>();
    let sentences = SENTENCES.map(|sentence| disguised(sentence.as_bytes()));
    let (message, secret) = (disguised(message.as_bytes()), disguised(secret));
    let is_in = |text: &[u8], part: &[u8]| text.windows(SHORTEST).any(|shown| shown == part);
    secret.windows(SHORTEST).any(|part| {
        is_in(&message, part) && !sentences.iter().any(|sentence| is_in(sentence, part))
    })
}

/// Checks that a message shows no part of a secret.
///
/// # Panics
/// When it does.
pub fn assert_hides(message: &str, secret: &[u8]) {
    assert!(!shows(message, secret), "the message shows a part of the input: {message}");
}
