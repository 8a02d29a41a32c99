//! A key as a listing writes it: as it is, or URL-encoded, since XML cannot hold every key.
//!
//! Whether it is encoded, a page cannot always tell: there are stores that say so of keys that they wrote as they are.
//! `a+b` is then either of two keys, and only the store knows which one it has.

use std::borrow::Cow;

use crate::encode;

use super::{XmlError, tree::Element};

/// A key, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedKey(String);

/// How the keys of a page are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written<'p> {
    /// As they are.
    Plain,
    /// URL-encoded, says the store.
    Encoded {
        /// The keys that are others if that is not true.
        in_doubt: Vec<&'p ListedKey>,
    },
}

/// What a key itself tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    /// It means the same, encoded or not.
    Either,
    /// It means one key if it is encoded, and another one if it is not.
    Ambiguous,
    /// No encoder leaves such bytes: it is not encoded.
    Plain,
}

impl ListedKey {
    /// Takes the `Key` out of what is listed.
    pub(super) fn take(listed: &mut Element) -> Result<Self, XmlError> {
        Self::some(listed.take_text("Key")).ok_or(XmlError::Missing("Key"))
    }

    /// A key that may be left out.
    pub(super) fn some(text: Option<String>) -> Option<Self> {
        text.filter(|text| !text.is_empty()).map(Self)
    }

    /// The key as it is written.
    pub fn as_written(&self) -> &str {
        &self.0
    }

    /// The key that is meant, if it is text. In an encoded one a `+` is a space, as S3 writes one.
    pub fn meant(&self, is_encoded: bool) -> Option<Cow<'_, str>> {
        if !is_encoded {
            return Some(Cow::Borrowed(&self.0));
        }
        String::from_utf8(encode::decode_query(&self.0).into_owned()).ok().map(Cow::Owned)
    }

    fn coding(&self) -> Coding {
        let mut rest = self.0.as_bytes();
        let mut coding = Coding::Either;
        while let Some((first, tail)) = rest.split_first() {
            rest = tail;
            match first {
                b'%' if tail.iter().take(2).filter(|digit| digit.is_ascii_hexdigit()).count() < 2 => {
                    return Coding::Plain;
                }
                b'%' | b'+' => coding = Coding::Ambiguous,
                b'!'..=b'~' => {}
                _ => return Coding::Plain,
            }
        }
        coding
    }
}

impl From<&str> for ListedKey {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// How the `keys` of a page are written that says of itself that it is encoded, or does not.
pub(super) fn written<'p>(
    is_said_to_be_encoded: bool,
    keys: impl Iterator<Item = &'p ListedKey>,
) -> Written<'p> {
    let mut in_doubt = Vec::new();
    if !is_said_to_be_encoded {
        return Written::Plain;
    }
    for key in keys {
        match key.coding() {
            Coding::Plain => return Written::Plain,
            Coding::Ambiguous => in_doubt.push(key),
            Coding::Either => {}
        }
    }
    Written::Encoded { in_doubt }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_can_tell_that_it_is_not_encoded() {
        for (key, coding) in [
            ("a/b-c_d.e~f!'()*", Coding::Either),
            ("a+b", Coding::Ambiguous),
            ("a%20b", Coding::Ambiguous),
            ("a b", Coding::Plain),
            ("\u{fc}", Coding::Plain),
            ("50%", Coding::Plain),
            ("50%off", Coding::Plain),
            ("%4", Coding::Plain),
            ("a+\u{1}", Coding::Plain),
        ] {
            assert_eq!(ListedKey::from(key).coding(), coding, "{key}");
        }
    }

    #[test]
    fn a_key_is_what_is_written_or_what_that_stands_for() {
        let key = ListedKey::from("a+%C3%BC");
        assert_eq!(key.meant(false).as_deref(), Some("a+%C3%BC"));
        assert_eq!(key.meant(true).as_deref(), Some("a \u{fc}"));
        assert_eq!(ListedKey::from("%FF").meant(true), None);
    }

    #[test]
    fn one_plain_key_belies_what_a_page_says() {
        let keys = ["a", "b+c", "d e"].map(ListedKey::from);
        assert_eq!(written(true, keys.iter()), Written::Plain);
        let [first, second, _] = &keys;
        assert_eq!(written(true, [first, second].into_iter()), Written::Encoded { in_doubt: vec![second] });
        assert_eq!(written(true, [first].into_iter()), Written::Encoded { in_doubt: Vec::new() });
        assert_eq!(written(false, [first, second].into_iter()), Written::Plain);
    }
}
