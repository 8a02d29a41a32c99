//! The one percent-encoder: what it makes is both signed and sent.
//!
//! S3 wants every byte escaped but `A-Z a-z 0-9 - . _ ~`, with upper-case hexadecimal digits, and `/` kept in paths
//! (AWS, "Create a signed AWS API request", `UriEncode`). Nothing is normalised: `//`, `.` and `..` are parts of a key.
//!
//! The one decoder stands beside it. Clients escape in ways of their own, so what was received is decoded, and encoded
//! again where it must be compared. Decoding is total: a `%` without two digits behind it stands for itself.

use std::{borrow::Cow, iter};

use memchr::{memchr, memchr_iter, memchr2};
use percent_encoding::percent_encode_byte;

/// Appends `text` encoded for a URL path: unreserved bytes and `/` stay, all else becomes `%XX` (upper case).
///
/// ```
/// let mut out = String::new();
/// wharf_wire::encode::path("/a b/../ü+%2F", &mut out);
/// assert_eq!(out, "/a%20b/../%C3%BC%2B%252F");
/// ```
pub fn path(text: &str, out: &mut String) {
    encode(text, is_kept_in_path, out);
}

/// Appends `text` encoded for a query name or value: as [`path`], but `/` is encoded too.
pub fn query(text: &str, out: &mut String) {
    encode(text, is_unreserved, out);
}

/// The bytes that a received path stands for. `+` is a plus.
///
/// ```
/// assert_eq!(wharf_wire::encode::decode_path("/a+b%2fc%20d").as_ref(), b"/a+b/c d");
/// ```
pub fn decode_path(received: &str) -> Cow<'_, [u8]> {
    let is_plain = memchr(b'%', received.as_bytes()).is_none();
    if is_plain { received.as_bytes().into() } else { decode(received, |byte| byte).into() }
}

/// The bytes that a received query's name or value stands for. `+` is a space.
///
/// ```
/// assert_eq!(wharf_wire::encode::decode_query("a+b%2Bc").as_ref(), b"a b+c");
/// ```
pub fn decode_query(received: &str) -> Cow<'_, [u8]> {
    if memchr2(b'%', b'+', received.as_bytes()).is_none() {
        return received.as_bytes().into();
    }
    decode(received, |byte| if byte == b'+' { b' ' } else { byte }).into()
}

/// Whether two digits follow each `%` of what was received.
pub fn has_whole_escapes(received: &str) -> bool {
    let bytes = received.as_bytes();
    memchr_iter(b'%', bytes).all(|at| {
        let digits = bytes.get(at + 1..).and_then(<[u8]>::first_chunk::<2>);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

/// The names and values of a received query, still encoded. A name without `=` has an empty value.
pub fn query_pairs(received: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = received;
    let pairs = iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let pair;
        (pair, rest) = split_once(rest, b'&');
        Some(pair)
    });
    pairs.filter(|pair| !pair.is_empty()).map(|pair| split_once(pair, b'='))
}

/// What stands before and behind the first `separator`; where there is none, everything stands before it. Requests are
/// full of short names and values, for which `str::split_once` takes three times as long.
fn split_once(text: &str, separator: u8) -> (&str, &str) {
    let at = memchr(separator, text.as_bytes()).unwrap_or(text.len());
    let (before, rest) = text.split_at_checked(at).unwrap_or((text, ""));
    (before, rest.get(1..).unwrap_or_default())
}

/// A received path as [`path`] would have written it.
pub(crate) fn path_again(received: &str) -> Cow<'_, str> {
    again(received, is_kept_in_path, decode_path)
}

/// A received query's name or value as [`query`] would have written it.
pub(crate) fn query_again(received: &str) -> Cow<'_, str> {
    again(received, is_unreserved, decode_query)
}

fn again(
    received: &str,
    is_kept: impl Fn(u8) -> bool + Copy,
    decode: fn(&str) -> Cow<'_, [u8]>,
) -> Cow<'_, str> {
    if is_encoded(received, is_kept) {
        return received.into();
    }
    let mut out = String::with_capacity(received.len());
    // What was decoded need not be UTF-8.
    for chunk in decode(received).utf8_chunks() {
        encode(chunk.valid(), is_kept, &mut out);
        chunk.invalid().iter().for_each(|byte| escape(*byte, &mut out));
    }
    out.into()
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

/// RFC 3986's unreserved characters. A table, as every byte of every request is asked for.
fn is_unreserved(byte: u8) -> bool {
    const UNRESERVED: [bool; 256] = {
        let (mut table, mut byte) = ([false; 256], 0_u8);
        let mut rest = table.as_mut_slice();
        while let Some((entry, tail)) = rest.split_first_mut() {
            *entry = matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~');
            (rest, byte) = (tail, byte.wrapping_add(1));
        }
        table
    };
    UNRESERVED.get(usize::from(byte)).is_some_and(|is_unreserved| *is_unreserved)
}

fn is_kept_in_path(byte: u8) -> bool {
    is_unreserved(byte) || byte == b'/'
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
    out.push_str(percent_encode_byte(byte));
}

/// Whether this encoder could have written `text`, as most clients' encoders do too.
fn is_encoded(text: &str, is_kept: impl Fn(u8) -> bool) -> bool {
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| !is_kept(*byte)) {
        let Some([b'%', tail @ ..]) = rest.get(at..) else { return false };
        match tail.split_first_chunk().and_then(unescape) {
            Some((byte, after)) if !is_kept(byte) && tail.starts_with(&hex_pair(byte)) => rest = after,
            _ => return false,
        }
    }
    true
}

/// Undoes percent escapes; all other bytes go through `plain`.
fn decode(text: &str, plain: impl Fn(u8) -> u8) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escaped = if *first == b'%' { tail.split_first_chunk().and_then(unescape) } else { None };
        let (byte, after) = escaped.unwrap_or((plain(*first), tail));
        out.push(byte);
        rest = after;
    }
    out
}

fn unescape<'a>((digits, after): (&[u8; 2], &'a [u8])) -> Option<(u8, &'a [u8])> {
    let [high, low] = *digits;
    let digit = |byte| char::from(byte).to_digit(16);
    let byte = u8::try_from(digit(high)? << 4 | digit(low)?).ok()?;
    Some((byte, after))
}

/// `byte` in upper-case hexadecimal, as a percent escape has it.
fn hex_pair(byte: u8) -> [u8; 2] {
    let digit = |value| if value < 10 { b'0' + value } else { b'A' + value - 10 };
    [digit(byte >> 4), digit(byte & 15)]
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
        assert_eq!(query_again("a%ff/%c3%bc%c3"), "a%FF%2F%C3%BC%C3");
        assert_eq!(path_again("a%ff/%c3%bc%c3"), "a%FF/%C3%BC%C3");
    }

    #[test]
    fn a_plus_is_a_space_in_a_query_alone() {
        assert_eq!(decode_path("/a+b%2B").as_ref(), b"/a+b+");
        assert_eq!(decode_query("a+b%2B").as_ref(), b"a b+");
        assert_eq!(path_again("/a+b%20c"), "/a%2Bb%20c");
        assert_eq!(query_again("a+b%20c"), "a%20b%20c");
    }

    #[test]
    fn broken_escapes_stand_for_themselves() {
        for broken in ["%", "%2", "%zz", "%+1", "a%", "%%4"] {
            assert_eq!(decode_path(broken).as_ref(), broken.as_bytes());
        }
        assert_eq!(decode_path("%%41").as_ref(), b"%A");
        assert!(["", "a%20", "%c3%BC"].into_iter().all(has_whole_escapes));
        assert!(!["%", "a%2", "%20%zz", "%%41"].into_iter().any(has_whole_escapes));
    }

    #[test]
    fn any_way_of_escaping_becomes_the_one_way() {
        for (received, expected) in [
            ("/a~b", "/a~b"),
            ("/a%7eb%7E", "/a~b~"),
            ("/%2f%2F/", "////"),
            ("/%c3%bc/ü", "/%C3%BC/%C3%BC"),
            ("//../.", "//../."),
            ("/!*'()", "/%21%2A%27%28%29"),
            ("/%252F", "/%252F"),
        ] {
            assert_eq!(path_again(received), expected, "{received}");
        }
        assert!(matches!(path_again("/a%20b/%E1%88%B4"), Cow::Borrowed(_)));
        assert!(matches!(query_again("a%20b%2F"), Cow::Borrowed(_)));
    }

    #[test]
    fn pairs_are_told_apart() {
        let pairs: Vec<_> = query_pairs("&&uploads&a=b=c&=&%26=+").collect();
        assert_eq!(pairs, [("uploads", ""), ("a", "b=c"), ("", ""), ("%26", "+")]);
        assert_eq!(query_pairs("").next(), None);
    }

    /// An independent inverse: it looks at nothing but `%` and hexadecimal digits.
    fn unescaped(text: &str) -> Vec<u8> {
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
        fn an_independent_decoder_is_the_inverse(text in any::<String>()) {
            prop_assert_eq!(unescaped(&encoded(path, &text)), text.as_bytes());
            prop_assert_eq!(unescaped(&encoded(query, &text)), text.as_bytes());
        }

        #[test]
        fn decoding_is_the_inverse_of_encoding(text in any::<String>()) {
            let (in_path, in_query) = (encoded(path, &text), encoded(query, &text));
            prop_assert_eq!(decode_path(&in_path).into_owned(), text.as_bytes());
            prop_assert_eq!(decode_query(&in_query).into_owned(), text.as_bytes());
            prop_assert_eq!(path_again(&in_path), in_path.as_str());
            prop_assert_eq!(query_again(&in_query), in_query.as_str());
        }

        #[test]
        fn encoding_again_keeps_the_bytes(received in "([%+/~ -]|%[0-9a-fA-F]{2}|\\PC){0,16}") {
            prop_assert_eq!(unescaped(&path_again(&received)), decode_path(&received).into_owned());
            prop_assert_eq!(unescaped(&query_again(&received)), decode_query(&received).into_owned());
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
