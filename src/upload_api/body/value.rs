//! The values' types, each read from JSON in its own way.

use std::{borrow::Cow, fmt, marker::PhantomData};

use secrecy::SecretString;
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

/// Text, borrowed from the body where it has no escapes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::upload_api) struct Text<'a>(pub(super) Cow<'a, str>);

impl AsRef<str> for Text<'_> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl Text<'_> {
    pub(in crate::upload_api) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("text")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(TextVisitor)
    }
}

/// Text that goes straight into its secret type.
pub(in crate::upload_api) struct Secret(pub(in crate::upload_api) SecretString);

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SecretVisitor;

        impl Visitor<'_> for SecretVisitor {
            type Value = Secret;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("text")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Secret(SecretString::from(text)))
            }
        }

        deserializer.deserialize_str(SecretVisitor)
    }
}

/// Any JSON number, as JavaScript has them. Whoever uses it says what it may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::upload_api) struct Number(pub(in crate::upload_api) f64);

/// The largest whole number below which JavaScript has them all, 2^53.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

impl Number {
    /// The number, if it is whole, not negative and exact.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the number is whole and between 0 and 2^53"
    )]
    pub(in crate::upload_api) fn whole(self) -> Option<u64> {
        let is_whole = self.0 >= 0.0 && self.0 <= WHOLE_MAX && self.0.fract() == 0.0;
        is_whole.then_some(self.0 as u64)
    }

    /// Whether the number is beyond those that are exact.
    pub(in crate::upload_api) fn is_huge(self) -> bool {
        self.0 > WHOLE_MAX
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        f64::deserialize(deserializer).map(Self)
    }
}

/// The bytes that a file begins with, as the client read them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::upload_api) struct MagicBytes {
    pub(in crate::upload_api) bytes: Vec<u8>,
    /// A number was no byte, or there were too many. It counts only where validation is asked for.
    pub(in crate::upload_api) is_malformed: bool,
}

/// Clients read 8 bytes; the farthest signature that is known ends well below this.
const MAGIC_BYTES_MAX: usize = 8192;

impl<'de> Deserialize<'de> for MagicBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MagicVisitor;

        impl<'de> Visitor<'de> for MagicVisitor {
            type Value = MagicBytes;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a list of bytes")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut magic = MagicBytes::default();
                while let Some(number) = list.next_element::<Number>()? {
                    match number.whole().and_then(|number| u8::try_from(number).ok()) {
                        Some(byte) if magic.bytes.len() < MAGIC_BYTES_MAX => magic.bytes.push(byte),
                        Some(_) | None => magic.is_malformed = true,
                    }
                }
                Ok(magic)
            }
        }

        deserializer.deserialize_seq(MagicVisitor)
    }
}

/// One file to be uploaded: an entry of `files`, or the body itself.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::upload_api) struct FileEntry<'a> {
    #[serde(borrow)]
    pub(in crate::upload_api) filename: Option<Text<'a>>,
    #[serde(borrow)]
    pub(in crate::upload_api) content_type: Option<Text<'a>>,
    pub(in crate::upload_api) file_size: Option<Number>,
    pub(in crate::upload_api) magic_bytes: Option<MagicBytes>,
}

/// `files`: those that one request takes, and how many there were.
#[derive(Debug, Default)]
pub(in crate::upload_api) struct Files<'a> {
    pub(in crate::upload_api) entries: Vec<FileEntry<'a>>,
    pub(in crate::upload_api) count: usize,
}

impl Files<'_> {
    /// Files of one batch: each costs a signature, and the reply is held in memory.
    pub(in crate::upload_api) const MAX: usize = 100;
}

impl<'de: 'a, 'a> Deserialize<'de> for Files<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (entries, count) = deserializer.deserialize_seq(AtMost::new(Self::MAX))?;
        Ok(Self { entries, count })
    }
}

/// A list of text: keys, origins. Those that one request takes, and how many there were.
#[derive(Debug, Default)]
pub(in crate::upload_api) struct Texts<'a> {
    pub(in crate::upload_api) entries: Vec<Text<'a>>,
    pub(in crate::upload_api) count: usize,
}

impl Texts<'_> {
    /// What `DeleteObjects` takes, and far more than any other list has.
    pub(in crate::upload_api) const MAX: usize = 1000;
}

impl<'de: 'a, 'a> Deserialize<'de> for Texts<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (entries, count) = deserializer.deserialize_seq(AtMost::new(Self::MAX))?;
        Ok(Self { entries, count })
    }
}

/// A part that was uploaded, under the names of this API or of S3.
#[derive(Debug, Deserialize)]
pub(in crate::upload_api) struct Part<'a> {
    #[serde(rename = "partNumber", alias = "PartNumber")]
    pub(in crate::upload_api) number: Option<Number>,
    #[serde(rename = "etag", alias = "ETag", borrow)]
    pub(in crate::upload_api) etag: Option<Text<'a>>,
}

/// `parts`, as they were written. There may be ten thousand, so they are read later, some at a time.
#[derive(Debug, Clone, Copy)]
pub(in crate::upload_api) struct Parts<'a>(&'a str);

impl<'a> Parts<'a> {
    /// Reads one after the other, up to the first that is no part.
    pub(in crate::upload_api) fn entries(
        self,
    ) -> impl Iterator<Item = Result<Part<'a>, serde_json::Error>> + use<'a> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            // All of it is known to be JSON: between two entries there is one comma.
            let written = rest.trim_start_matches([',', ' ', '\t', '\r', '\n']);
            let mut entries = serde_json::Deserializer::from_str(written).into_iter();
            let entry = entries.next()?;
            let end = if entry.is_ok() { entries.byte_offset() } else { written.len() };
            rest = written.get(end..).unwrap_or_default();
            Some(entry)
        })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Parts<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = <&RawValue>::deserialize(deserializer)?.get();
        let list = written.strip_prefix('[').and_then(|list| list.strip_suffix(']'));
        list.map(Self).ok_or_else(|| D::Error::custom("not a list"))
    }
}

/// Reads a list of which only the first entries are kept; all are counted.
struct AtMost<T> {
    max: usize,
    entry: PhantomData<T>,
}

impl<T> AtMost<T> {
    const fn new(max: usize) -> Self {
        Self { max, entry: PhantomData }
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for AtMost<T> {
    type Value = (Vec<T>, usize);

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while entries.len() < self.max
            && let Some(entry) = list.next_element()?
        {
            entries.push(entry);
        }
        let mut count = entries.len();
        while list.next_element::<Skipped>()?.is_some() {
            count += 1;
        }
        Ok((entries, count))
    }
}

/// `metadata`: names and values as written.
#[derive(Debug, Default)]
pub(in crate::upload_api) struct Metadata<'a>(pub(in crate::upload_api) Vec<(Text<'a>, Text<'a>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Metadata<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MetadataVisitor;

        impl<'de> Visitor<'de> for MetadataVisitor {
            type Value = Metadata<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object of text")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some((name, value)) = map.next_entry::<Text<'de>, Option<Text<'de>>>()? {
                    entries.extend(value.map(|value| (name, value)));
                }
                Ok(Metadata(entries))
            }
        }

        deserializer.deserialize_map(MetadataVisitor)
    }
}

/// `networkInfo`, as browsers tell it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::upload_api) struct NetworkInfo<'a> {
    #[serde(borrow)]
    pub(in crate::upload_api) effective_type: Option<Text<'a>>,
    /// Megabits per second.
    pub(in crate::upload_api) downlink: Option<Number>,
    /// Milliseconds.
    pub(in crate::upload_api) rtt: Option<Number>,
}

/// `validation`: a preset's name, or rules.
#[derive(Debug)]
pub(in crate::upload_api) enum Validation<'a> {
    Preset(Text<'a>),
    Rules(Box<Rules<'a>>),
}

/// Rules as the client wrote them.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::upload_api) struct Rules<'a> {
    #[serde(borrow)]
    pub(in crate::upload_api) preset: Option<Text<'a>>,
    pub(in crate::upload_api) max_size: Option<Number>,
    pub(in crate::upload_api) min_size: Option<Number>,
    #[serde(borrow)]
    pub(in crate::upload_api) allowed_types: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    pub(in crate::upload_api) blocked_types: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    pub(in crate::upload_api) allowed_extensions: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    pub(in crate::upload_api) blocked_extensions: Option<Vec<Text<'a>>>,
    pub(in crate::upload_api) block_dangerous: Option<bool>,
    pub(in crate::upload_api) check_magic_bytes: Option<bool>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Validation<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ValidationVisitor;

        impl<'de> Visitor<'de> for ValidationVisitor {
            type Value = Validation<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a preset or rules")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Validation::Preset(Text(Cow::Borrowed(text))))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Validation::Preset(Text(Cow::Owned(text.to_owned()))))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let rules = Rules::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                Ok(Validation::Rules(Box::new(rules)))
            }
        }

        deserializer.deserialize_any(ValidationVisitor)
    }
}

/// `webhook` of an upload. Its `metadata` is passed on as it was written.
#[derive(Default, Deserialize)]
pub(in crate::upload_api) struct Webhook<'a> {
    #[serde(borrow)]
    pub(in crate::upload_api) url: Option<Text<'a>>,
    pub(in crate::upload_api) secret: Option<Secret>,
    #[serde(borrow)]
    pub(in crate::upload_api) trigger: Option<Text<'a>>,
    #[serde(borrow)]
    pub(in crate::upload_api) metadata: Option<&'a RawValue>,
}

/// A value of any kind that nobody reads. Unlike serde's own it counts how deep the value nests, and serde's JSON reader
/// stops at 128.
pub(in crate::upload_api) struct Skipped;

impl<'de> Deserialize<'de> for Skipped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Skipped {
    type Value = Self;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("anything")
    }

    fn visit_unit<E: Error>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        while map.next_entry::<Self, Self>()?.is_some() {}
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(json: &str) -> Option<Vec<(Option<f64>, Option<String>)>> {
        let parts: Parts<'_> = serde_json::from_str(json).ok()?;
        let entry =
            |part: Part<'_>| (part.number.map(|number| number.0), part.etag.map(|etag| etag.0.into_owned()));
        parts.entries().map(|part| part.ok().map(entry)).collect()
    }

    #[test]
    fn a_list_is_read_entry_by_entry() {
        let part = |number, etag: &str| (Some(number), Some(etag.to_owned()));
        for (json, expected) in [
            ("[]", vec![]),
            (" [ ] ", vec![]),
            (r#"[{"partNumber":1,"etag":"\"a\""}]"#, vec![part(1.0, "\"a\"")]),
            (
                "[ {\"ETag\":\"],[\",\"PartNumber\":2} ,\r\n\t{\"other\":[{}],\"partNumber\":3,\"etag\":\",\"}\n]",
                vec![part(2.0, "],["), part(3.0, ",")],
            ),
            (r#"[{},{"etag":null}]"#, vec![(None, None), (None, None)]),
        ] {
            assert_eq!(parts(json), Some(expected), "{json}");
        }
    }

    #[test]
    fn what_is_no_list_of_parts_is_not_read() {
        for json in [
            "{}",
            "\"[]\"",
            "1",
            "true",
            "[1,2]",
            "[[[]]]",
            "[null]",
            r#"[{"etag":1}]"#,
            "[{}",
            "[{},]",
            "[{} {}]",
        ] {
            assert_eq!(parts(json), None, "{json}");
        }
    }
}
