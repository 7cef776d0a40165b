//! Whether a message shows a part of a secret.

/// A shorter part may be a word of the message.
const SHORTEST: usize = 12;

/// Long words of messages. A secret that has one in common with a message is not shown by it.
const WORDS: [&str; 6] = [
    "the Authorization header",
    "the cookie ASP.NET_SessionId is",
    "the cookie XSRF-TOKEN is",
    "X-XSRF-TOKEN cannot be",
    "Credential.DisplayValue: ",
    "Credential.Type.Type: ",
];

/// True when a message shows 12 or more bytes in a row of a secret.
#[must_use]
pub fn shows(message: &str, secret: &[u8]) -> bool {
    // libFuzzer copies the operands of comparisons into its inputs. It must not learn the message.
    let disguised = |bytes: &[u8]| bytes.iter().map(|byte| byte ^ 0x80).collect::<Vec<_>>();
    let words = WORDS.map(|word| disguised(word.as_bytes()));
    let (message, secret) = (disguised(message.as_bytes()), disguised(secret));
    let is_in = |text: &[u8], part: &[u8]| text.windows(SHORTEST).any(|shown| shown == part);
    secret
        .windows(SHORTEST)
        .any(|part| is_in(&message, part) && !words.iter().any(|word| is_in(word, part)))
}

/// Checks that a message shows no part of a secret.
///
/// # Panics
/// When it does.
pub fn assert_hides(message: &str, secret: &[u8]) {
    assert!(!shows(message, secret), "the message shows a part of the input: {message}");
}
