//! The one percent-encoder: what it makes is both signed and sent.
//!
//! S3 wants every byte escaped but `A-Z a-z 0-9 - . _ ~`, with upper-case hexadecimal digits, and `/` kept in paths
//! (AWS, "Create a signed AWS API request", `UriEncode`). Nothing is normalised: `//`, `.` and `..` are parts of a key.

/// Appends `text` encoded for a URL path: unreserved bytes and `/` stay, all else becomes `%XX` (upper case).
///
/// ```
/// let mut out = String::new();
/// wharf_wire::encode::path("/a b/../ü+%2F", &mut out);
/// assert_eq!(out, "/a%20b/../%C3%BC%2B%252F");
/// ```
pub fn path(text: &str, out: &mut String) {
    encode(text, |byte| is_unreserved(byte) || byte == b'/', out);
}

/// Appends `text` encoded for a query name or value: as [`path`], but `/` is encoded too.
pub fn query(text: &str, out: &mut String) {
    encode(text, is_unreserved, out);
}

/// [`query`] for what was percent-decoded and need not be UTF-8.
pub(crate) fn query_bytes(bytes: &[u8], out: &mut String) {
    for chunk in bytes.utf8_chunks() {
        query(chunk.valid(), out);
        chunk.invalid().iter().for_each(|byte| escape(*byte, out));
    }
}

/// The bytes of `text` as [`query`] writes them, for comparing without an allocation.
pub(crate) fn query_order(text: &str) -> impl Iterator<Item = u8> {
    text.bytes().flat_map(|byte| {
        let kept = is_unreserved(byte);
        let [high, low] = hex_pair(byte);
        let encoded = if kept { [byte, 0, 0] } else { [b'%', high, low] };
        encoded.into_iter().take(if kept { 1 } else { 3 })
    })
}

/// RFC 3986's unreserved characters.
fn is_unreserved(byte: u8) -> bool {
    matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~')
}

/// Copies runs of kept bytes whole; `is_kept` is true for ASCII only, so that every cut is between characters.
fn encode(text: &str, is_kept: impl Fn(u8) -> bool, out: &mut String) {
    let mut rest = text;
    while let Some((kept, tail)) =
        rest.bytes().position(|byte| !is_kept(byte)).and_then(|at| rest.split_at_checked(at))
    {
        out.push_str(kept);
        let mut characters = tail.chars();
        if let Some(character) = characters.next() {
            character.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| escape(byte, out));
        }
        rest = characters.as_str();
    }
    out.push_str(rest);
}

fn escape(byte: u8, out: &mut String) {
    let [high, low] = hex_pair(byte);
    out.extend(['%', char::from(high), char::from(low)]);
}

/// `byte` in upper-case hexadecimal, as a percent escape has it.
fn hex_pair(byte: u8) -> [u8; 2] {
    [byte >> 4, byte & 15].map(|digit| if digit < 10 { b'0' + digit } else { b'A' + digit - 10 })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn encoded(encoder: fn(&str, &mut String), text: &str) -> String {
        let mut out = String::new();
        encoder(text, &mut out);
        out
    }

    #[test]
    fn keeps_what_s3_keeps() {
        let unreserved = "ABCXYZabcxyz0189-._~";
        assert_eq!(encoded(path, unreserved), unreserved);
        assert_eq!(encoded(query, unreserved), unreserved);
        assert_eq!(encoded(path, "/a//../"), "/a//../");
        assert_eq!(encoded(query, "a/b"), "a%2Fb");
    }

    #[test]
    fn escapes_everything_else_in_upper_case() {
        assert_eq!(encoded(path, "test$file.text"), "test%24file.text");
        assert_eq!(encoded(query, "!*'() +%\u{7f}\0"), "%21%2A%27%28%29%20%2B%25%7F%00");
        assert_eq!(encoded(path, "ሴ𝄞"), "%E1%88%B4%F0%9D%84%9E");
    }

    #[test]
    fn bytes_that_are_no_text_are_escaped_one_by_one() {
        let mut out = String::new();
        query_bytes(b"a\xff/\xc3\xbc\xc3", &mut out);
        assert_eq!(out, "a%FF%2F%C3%BC%C3");
    }

    /// An independent inverse: it looks at nothing but `%` and hexadecimal digits.
    fn decode(text: &str) -> Vec<u8> {
        let mut bytes = text.bytes();
        let mut out = Vec::new();
        while let Some(byte) = bytes.next() {
            if byte == b'%' {
                let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                out.push(u8::from_str_radix(str::from_utf8(&digits).unwrap(), 16).unwrap());
            } else {
                out.push(byte);
            }
        }
        out
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn an_independent_decoder_is_the_inverse(text in any::<String>(), bytes in any::<Vec<u8>>()) {
            prop_assert_eq!(decode(&encoded(path, &text)), text.as_bytes());
            prop_assert_eq!(decode(&encoded(query, &text)), text.as_bytes());
            let mut out = String::new();
            query_bytes(&bytes, &mut out);
            prop_assert_eq!(decode(&out), bytes);
        }

        #[test]
        fn nothing_reserved_is_left(text in any::<String>()) {
            let query = encoded(query, &text);
            prop_assert!(query.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte)));
            prop_assert_eq!(query.replace("%2F", "/"), encoded(path, &text));
            prop_assert_eq!(query_order(&text).collect::<Vec<_>>(), query.as_bytes());
        }
    }
}
