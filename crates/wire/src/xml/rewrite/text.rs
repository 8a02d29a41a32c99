//! Texts as they stand in a document: escaped for XML, and with `encoding-type=url` percent-encoded before that.
//!
//! What is left of a text after its prefix is passed on in the provider's own spelling, so that a client decodes the
//! same key as from the provider itself.

use std::{borrow::Cow, slice};

use quick_xml::escape::resolve_xml_entity;

use super::{super::write, Names, RewriteError};

pub(super) use super::super::write::escape;

/// What follows `prefix` in `text`, or `None` if the text begins otherwise.
pub(super) fn after_prefix<'a>(text: &'a [u8], prefix: &str, url_encoded: bool) -> Option<&'a [u8]> {
    let (mut text, mut prefix) = (text, prefix.as_bytes());
    while !prefix.is_empty() {
        (text, prefix) = match text {
            [b'&', rest @ ..] => {
                let (character, rest) = reference(rest)?;
                (rest, prefix.strip_prefix(character.encode_utf8(&mut [0; 4]).as_bytes())?)
            }
            [b'%', high, low, rest @ ..] if url_encoded => {
                let byte = number(str::from_utf8(&[*high, *low]).ok()?, 16)?;
                (rest, prefix.strip_prefix(&[u8::try_from(byte).ok()?])?)
            }
            // Stores write a space as a plus, as forms do; a few leave a plus as it is.
            [b'+', rest @ ..] if url_encoded => {
                (rest, prefix.strip_prefix(b" ").or_else(|| prefix.strip_prefix(b"+"))?)
            }
            [byte, rest @ ..] => (rest, prefix.strip_prefix(slice::from_ref(byte))?),
            [] => return None,
        };
    }
    Some(text)
}

/// The character that a reference stands for, given from after its `&`, and what follows it.
fn reference(text: &[u8]) -> Option<(char, &[u8])> {
    let (name, rest) = text.split_at_checked(text.iter().position(|byte| *byte == b';')?)?;
    let name = str::from_utf8(name).ok()?;
    let character = match name.strip_prefix('#') {
        Some(digits) => char::from_u32(match digits.strip_prefix('x') {
            Some(digits) => number(digits, 16)?,
            None => number(digits, 10)?,
        })?,
        None => resolve_xml_entity(name)?.chars().next()?,
    };
    Some((character, rest.get(1..)?))
}

/// Digits and nothing else: the standard library would take a sign.
fn number(digits: &str, radix: u32) -> Option<u32> {
    let are_digits = digits.chars().all(|digit| digit.is_digit(radix));
    if are_digits { u32::from_str_radix(digits, radix).ok() } else { None }
}

/// A CDATA section's text, written as other text is.
pub(super) fn escaped(data: &[u8]) -> Result<Vec<u8>, RewriteError> {
    let text = str::from_utf8(data).map_err(|_| RewriteError::Malformed)?;
    Ok(write::escape(text).into_bytes())
}

/// `message` with the caller's names where it has the provider's. Bucket names need no escaping.
pub(super) fn without_names<'a>(message: &'a [u8], names: &Names) -> Result<Cow<'a, [u8]>, RewriteError> {
    let text = str::from_utf8(message).map_err(|_| RewriteError::Malformed)?;
    let prefix = escape(&names.key_prefix);
    let names_bucket = names.provider_bucket != names.bucket && text.contains(&names.provider_bucket);
    let names_prefix = !prefix.is_empty() && text.contains(&prefix);
    if !names_bucket && !names_prefix {
        return Ok(Cow::Borrowed(message));
    }
    let mut text = text.to_owned();
    if names_prefix {
        text = text.replace(&prefix, "");
    }
    if names_bucket {
        text = text.replace(&names.provider_bucket, &names.bucket);
    }
    Ok(Cow::Owned(text.into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after<'a>(text: &'a str, prefix: &str, url_encoded: bool) -> Option<&'a str> {
        after_prefix(text.as_bytes(), prefix, url_encoded).map(|rest| str::from_utf8(rest).unwrap())
    }

    #[test]
    fn a_prefix_is_found_in_every_spelling() {
        for (text, prefix, rest) in [
            ("a/b", "a/", "b"),
            ("a/b", "", "a/b"),
            ("a/", "a/", ""),
            ("&lt;&#38;&#x3e;&quot;&apos;/&amp;", "<&>\"'/", "&amp;"),
            ("&#xFC;/b", "ü/", "b"),
            ("ü/&#252;", "ü/", "&#252;"),
            ("a%2Fb", "a%2F", "b"),
            ("a+b/c", "a+b/", "c"),
        ] {
            assert_eq!(after(text, prefix, false), Some(rest), "{text}");
        }
        for (text, prefix, rest) in [
            ("a%2Fb%2f", "a/", "b%2f"),
            ("a/b%20c", "a/", "b%20c"),
            ("a+b/+", "a b/", "+"),
            ("a%20b/", "a b/", ""),
            ("a+b/", "a+b/", ""),
            ("a%2Bb/", "a+b/", ""),
            ("%C3%BC/x", "ü/", "x"),
            ("%c3%bc/x", "ü/", "x"),
            ("100%25/x", "100%/", "x"),
            ("&amp;/x", "&/", "x"),
        ] {
            assert_eq!(after(text, prefix, true), Some(rest), "{text}");
        }
    }

    #[test]
    fn another_beginning_is_not_the_prefix() {
        for text in
            ["", "a", "b/", "A/x", "a%2Fx", "&a;/x", "a&#x2F", "&#;/", "&#xD800;/", "&#+97;/", "a+/", "%61/x"]
        {
            assert_eq!(after(text, "a/", false), None, "{text}");
        }
        for text in ["", "a", "a%2", "a%2Gx", "a%+Fx", "b%2Fx", "a%252Fx", "a+"] {
            assert_eq!(after(text, "a/", true), None, "{text}");
        }
        // Half of a character is not the character.
        assert_eq!(after("&#xC3;/", "ü/", false), None);
    }
}
