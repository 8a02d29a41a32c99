//! User metadata: `x-amz-meta-…`, which S3 keeps with an object.
//!
//! Names go on the wire as HTTP header names, so they are held to a header's alphabet and lower case. Values are ASCII on
//! the wire: S3 decodes RFC 2047 words before it stores a value and encodes them when it hands it out
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html>), and a store that does not decode keeps a
//! value that any mail library reads. So text beyond ASCII becomes `=?UTF-8?B?…?=`.

use base64::{Engine, engine::general_purpose::STANDARD};
use wharf_wire::encode as percent;

use crate::error::{Code, Error};

use super::body::Metadata;

/// Bytes of all names and values together, by S3's rules.
const BYTES_MAX: usize = 2048;

/// Bytes of text in one encoded word: in base64, and with what stands around it, a word has at most 75 characters.
const WORD_BYTES_MAX: usize = 45;

/// Names in lower case and values as they are sent. Refuses what could not be a header.
pub(super) fn check(metadata: &Metadata<'_>) -> Result<Vec<(String, String)>, Error> {
    let mut checked: Vec<(String, String)> = Vec::with_capacity(metadata.0.len());
    let mut bytes = 0;
    for (name, value) in &metadata.0 {
        let (name, value) = (name.as_str().to_ascii_lowercase(), encode(value.as_str())?);
        if !is_header_name(&name) {
            return Err(refused("A name in `metadata` is made of letters, digits and -_. alone."));
        }
        if checked.iter().any(|(other, _)| *other == name) {
            return Err(refused("A name in `metadata` comes twice; capitals make no difference."));
        }
        bytes += name.len() + value.len();
        if bytes > BYTES_MAX {
            return Err(refused("`metadata` must have at most 2048 bytes in all."));
        }
        checked.push((name, value));
    }
    Ok(checked)
}

fn is_header_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !name.is_empty() && name.bytes().all(is_plain)
}

fn encode(value: &str) -> Result<String, Error> {
    if value.contains(char::is_control) {
        return Err(refused("A value in `metadata` holds a control character."));
    }
    if value.is_ascii() {
        return Ok(value.trim().to_owned());
    }
    Ok(words(value.trim()).collect::<Vec<_>>().join(" "))
}

/// The encoded words of `text`; readers put adjacent words together without the space between them.
fn words(mut text: &str) -> impl Iterator<Item = String> {
    std::iter::from_fn(move || {
        let (word, rest) = text.split_at(text.floor_char_boundary(WORD_BYTES_MAX));
        text = rest;
        (!word.is_empty()).then(|| ["=?UTF-8?B?", &STANDARD.encode(word), "?="].concat())
    })
}

/// The text that a store's `value` stands for, whoever encoded it. What is no encoded word stays as it is.
pub(super) fn decode(value: &str) -> String {
    let mut decoded = Vec::with_capacity(value.len());
    let mut was_word = false;
    for (index, piece) in value.split(' ').enumerate() {
        let word = decode_word(piece);
        // A space between two words belongs to neither.
        if index > 0 && !(was_word && word.is_some()) {
            decoded.push(b' ');
        }
        was_word = word.is_some();
        decoded.extend_from_slice(word.as_deref().unwrap_or(piece.as_bytes()));
    }
    String::from_utf8(decoded).unwrap_or_else(|_| value.to_owned())
}

/// The bytes of one encoded word, `=?UTF-8?B?…?=` or `=?UTF-8?Q?…?=`.
fn decode_word(piece: &str) -> Option<Vec<u8>> {
    let (charset, rest) = piece.strip_prefix("=?")?.strip_suffix("?=")?.split_once('?')?;
    let (encoding, text) = rest.split_once('?')?;
    if !charset.eq_ignore_ascii_case("utf-8") && !charset.eq_ignore_ascii_case("us-ascii") {
        return None;
    }
    match encoding {
        "B" | "b" => STANDARD.decode(text).ok(),
        "Q" | "q" => {
            let escaped = text.replace('%', "%25").replace('=', "%").replace('_', "%20");
            Some(percent::decode_path(&escaped).into_owned())
        }
        _ => None,
    }
}

fn refused(message: &'static str) -> Error {
    Error::new(Code::InvalidField, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<Vec<(String, String)>, Code> {
        let body = format!(r#"{{"metadata":{json}}}"#);
        let body = super::super::body::Body::parse(body.as_bytes(), "s3").map_err(|error| error.code)?;
        check(&body.put.metadata.unwrap_or_default()).map_err(|error| error.code)
    }

    #[test]
    fn names_are_lower_case_and_values_ascii() {
        for (json, name, value) in [
            (r#"{"Order-Id":" 17 "}"#, "order-id", "17"),
            (r#"{"a_b.c":"x y"}"#, "a_b.c", "x y"),
            (r#"{"author":"Zoë"}"#, "author", "=?UTF-8?B?Wm/Dqw==?="),
            (r#"{"empty":""}"#, "empty", ""),
        ] {
            assert_eq!(parse(json), Ok(vec![(name.to_owned(), value.to_owned())]), "{json}");
        }
        assert_eq!(parse(r#"{"a":null}"#), Ok(Vec::new()));
    }

    #[test]
    fn long_text_becomes_several_words_that_join_to_the_same_text() {
        let text = "日本語".repeat(20);
        let value = &parse(&format!(r#"{{"a":"{text}"}}"#)).unwrap()[0].1;
        let mut decoded = Vec::new();
        for word in value.split(' ') {
            assert!(word.len() <= 75, "{word}");
            let base64 = word.strip_prefix("=?UTF-8?B?").unwrap().strip_suffix("?=").unwrap();
            decoded.extend(STANDARD.decode(base64).unwrap());
        }
        assert_eq!(String::from_utf8(decoded).unwrap(), text);
        assert_eq!(decode(value), text);
    }

    #[test]
    fn what_a_store_encodes_is_read_again() {
        for (value, text) in [
            ("plain  text ", "plain  text "),
            ("=?UTF-8?Q?Zo=C3=AB_100%_=3D_ok?=", "Zo\u{eb} 100% = ok"),
            ("by =?utf-8?b?Wm/Dqw==?= =?UTF-8?B?IQ==?= today", "by Zo\u{eb}! today"),
            ("=?ISO-8859-1?Q?=EB?=", "=?ISO-8859-1?Q?=EB?="),
            ("=?UTF-8?B?not base64?=", "=?UTF-8?B?not base64?="),
            ("=?UTF-8?Q?=FF?=", "=?UTF-8?Q?=FF?="),
            ("=?", "=?"),
            ("", ""),
        ] {
            assert_eq!(decode(value), text, "{value}");
        }
    }

    #[test]
    fn what_could_not_be_a_header_is_refused() {
        for json in [
            r#"{"":"x"}"#,
            r#"{"a b":"x"}"#,
            r#"{"a\r\nx-amz-acl":"x"}"#,
            r#"{"ü":"x"}"#,
            r#"{"a:b":"x"}"#,
            r#"{"a":"x\r\ny"}"#,
            r#"{"a":"\u0000"}"#,
            r#"{"a":"1","A":"2"}"#,
        ] {
            assert_eq!(parse(json), Err(Code::InvalidField), "{json}");
        }
        for json in [r#"{"a":1}"#, r#"["a"]"#, r#""a""#] {
            assert_eq!(parse(json), Err(Code::InvalidJson), "{json}");
        }
    }

    #[test]
    fn the_total_is_bounded() {
        let with = |bytes: usize| parse(&format!(r#"{{"a":"{}"}}"#, "x".repeat(bytes)));
        assert!(with(2047).is_ok());
        assert_eq!(with(2048), Err(Code::InvalidField));
    }
}
